// What is said and not answered: sent once there is a socket, kept over a reload, shown as refused.
//
// Who writes several messages into a new chat before its first is answered means one conversation, which
// they name by the first's `client_id` as their `opening`: each waits for the one before it, and where that
// was refused begins the conversation itself.

import { newId } from "./requests.js";
import { openingOf, withOpened } from "./state.js";

export class Outbox {
  constructor(store, memory, requests) {
    Object.assign(this, { store, memory, requests });
    this.openings = new Map(); // to the promise of the thread's id, or null, by `opening`
  }

  /** Say something new. */
  say(threadId, content, agent) {
    const clientId = newId();
    const opening = threadId === null ? openingOf(this.store.state) ?? clientId : null;
    const entry = { client_id: clientId, thread_id: threadId, opening, content, agent, at: Date.now() };
    this.send({ ...entry, foreground: true });
  }

  /** What a page before this one did not see answered. */
  resume(isForeground) {
    for (const { foreground: _foreground, ...entry } of this.memory.outbox) {
      this.send({ ...entry, foreground: isForeground(entry) });
    }
  }

  send(entry) {
    this.store.dispatch("say", { entry });
    this.memory.outbox = [...this.others(entry.client_id), entry];
    const answered = this.answered(entry);
    if (entry.opening !== null) this.openings.set(entry.opening, answered);
  }

  /** The thread in which it was said; null where it was not. */
  async answered(entry) {
    const { client_id: clientId, content, agent } = entry;
    const threadId = entry.thread_id ?? await this.openings.get(entry.opening);
    const payload = { content, ...(threadId && { thread_id: threadId }), ...(agent && { agent }) };
    try {
      const reply = await this.requests.ask("user_message", payload, clientId);
      this.store.dispatch("accepted", { client_id: clientId, reply });
      this.memory.outbox = withOpened(this.others(clientId), entry, reply.thread_id);
      return reply.thread_id;
    } catch (error) {
      this.store.dispatch("refused", { client_id: clientId, error });
      return null;
    }
  }

  takeBack(clientId) {
    this.store.dispatch("taken_back", { client_id: clientId });
    this.memory.outbox = this.others(clientId);
  }

  others(clientId) {
    return this.memory.outbox.filter((known) => known.client_id !== clientId);
  }
}
