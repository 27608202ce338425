// What a tab remembers over a reload: its place in the stream, the conversation it shows, what is written
// and not sent, and what is sent and not answered. Of one person: another's is forgotten.

const PREFIX = "chat:";
const KEPT_MS = 12 * 3600 * 1000;

export class Memory {
  constructor(userId) {
    this.prefix = `${PREFIX}${userId}:`;
    forget((key) => !key.startsWith(this.prefix));
  }

  get position() { return this.read("position"); }
  set position(value) { this.write("position", value); }

  /** The conversation that is shown; null is a new one. */
  get selected() { return this.read("selected"); }
  set selected(threadId) { this.write("selected", threadId); }

  /** Messages of which no answer came. The server knows an id for a day. */
  get outbox() {
    const entries = this.read("outbox") ?? [];
    return entries.filter((entry) => Date.now() - entry.at < KEPT_MS);
  }
  set outbox(entries) { this.write("outbox", entries.length > 0 ? entries : null); }

  draft(threadId) { return this.read(`draft:${threadId ?? "new"}`) ?? ""; }
  keepDraft(threadId, text) { this.write(`draft:${threadId ?? "new"}`, text || null); }

  read(name) {
    const text = sessionStorage.getItem(this.prefix + name);
    return text === null ? null : JSON.parse(text);
  }

  write(name, value) {
    if (value === null) sessionStorage.removeItem(this.prefix + name);
    else sessionStorage.setItem(this.prefix + name, JSON.stringify(value));
  }
}

/** Forget everything, as when the person signs out. */
export function forgetAll() {
  forget(() => true);
}

function forget(isMeant) {
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith(PREFIX) && isMeant(key)) sessionStorage.removeItem(key);
  }
}
