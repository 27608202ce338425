// Tells the others that this person is typing: at most once in a while, and when it is over.

const AGAIN_MS = 3_000;
const PAUSE_MS = 4_000;

export class Typing {
  /** `tell(thread_id, is_typing)` */
  constructor(tell) {
    this.tell = tell;
    this.threadId = null;
  }

  /** Something was typed in this thread; null: in none that others see. */
  typed(threadId) {
    if (threadId !== this.threadId) this.stop();
    if (threadId === null) return;
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.stop(), PAUSE_MS);
    if (this.threadId !== null && Date.now() - this.toldAt < AGAIN_MS) return;
    this.threadId = threadId;
    this.toldAt = Date.now();
    this.tell(threadId, true);
  }

  /** It was sent, or given up. */
  stop() {
    clearTimeout(this.pause);
    if (this.threadId !== null) this.tell(this.threadId, false);
    this.threadId = null;
  }
}
