// Finished answers as the server renders them.

const AT_ONCE = 4;
const TRIES = 3;
const RETRY_MS = 2_000;

export class Fragments {
  /** `address`: where a fragment is read, with the nil UUID for the message's id. */
  constructor(address) {
    this.address = address;
    this.line = [];
    this.reading = 0;
  }

  /** Put the rendered message into the element; its plain text stays where that fails. */
  show(messageId, target) {
    // The newest first: it is the one that is looked at.
    this.line.unshift({ messageId, target, tries: 0 });
    queueMicrotask(() => this.next());
  }

  async next() {
    if (this.reading >= AT_ONCE || this.line.length === 0) return;
    const wish = this.line.shift();
    this.reading += 1;
    try {
      await this.read(wish);
    } catch {
      this.later(wish);
    } finally {
      this.reading -= 1;
      this.next();
    }
  }

  async read({ messageId, target }) {
    const address = this.address.replace("00000000-0000-0000-0000-000000000000", messageId);
    const response = await fetch(address, { redirect: "error", signal: AbortSignal.timeout(20_000) });
    if (response.status >= 500) throw new Error(`status ${response.status}`);
    if (!response.ok) return;
    const html = await response.text();
    // The one place where HTML is put in: the server made and cleaned it.
    target.innerHTML = html;
    target.classList.add("rendered");
  }

  later(wish) {
    wish.tries += 1;
    if (wish.tries >= TRIES) return;
    setTimeout(() => {
      this.line.push(wish);
      this.next();
    }, RETRY_MS * wish.tries);
  }
}
