// Messages and their answers: an id, a promise. What is unanswered when the socket ends is sent again
// on the next one under the same id; the server does the work of an id once.

const ANSWER_MS = 20_000;
const TRIES = 4;
const LONGEST_RETRY_MS = 30_000;

export const newId = () => crypto.randomUUID?.() ?? randomId();

/** `randomUUID` is missing where the page is not served from a secure address. */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Requests {
  /** `send(frame)` says whether there was a socket for it. */
  constructor(send) {
    this.send = send;
    this.pending = new Map();
    this.limit = 1;
  }

  /** The reply's payload. Rejects with the error's payload, or `{code: "no_answer"}`. */
  ask(type, payload, id = newId()) {
    return new Promise((resolve, reject) => {
      const frame = { type, id, payload };
      this.pending.set(id, { frame, resolve, reject, tries: 0, isSent: false });
      this.flush();
    });
  }

  /** A socket is there; `limit`: how many may be unanswered. */
  opened(limit) {
    this.limit = Math.max(1, limit - 2);
    for (const request of this.pending.values()) request.isSent = false;
    this.flush();
  }

  /** No socket: nothing waits for an answer, but for the next one. */
  closed() {
    for (const request of this.pending.values()) {
      request.isSent = false;
      clearTimeout(request.timer);
    }
  }

  flush() {
    let unanswered = [...this.pending.values()].filter((request) => request.isSent).length;
    for (const [id, request] of this.pending) {
      if (request.isSent) continue;
      if (unanswered >= this.limit || !this.send(request.frame)) return;
      request.isSent = true;
      unanswered += 1;
      const refuse = () => this.finish(id).reject({ code: "no_answer", retryable: true });
      clearTimeout(request.timer);
      request.timer = setTimeout(refuse, ANSWER_MS);
    }
  }

  settle({ type, id, payload }) {
    const request = this.pending.get(id);
    if (!request) return;
    if (type !== "error") this.finish(id).resolve(payload);
    else if (!this.tryAgain(request, payload)) this.finish(id).reject(payload);
    this.flush();
  }

  /** The server said when to try again; a message of that id has done nothing yet. */
  tryAgain(request, error) {
    request.tries += 1;
    const wait = error.retry_after_ms;
    if (!error.retryable || !wait || wait > LONGEST_RETRY_MS || request.tries >= TRIES) return false;
    clearTimeout(request.timer);
    request.timer = setTimeout(() => {
      request.isSent = false;
      this.flush();
    }, wait);
    return true;
  }

  finish(id) {
    const request = this.pending.get(id);
    clearTimeout(request.timer);
    this.pending.delete(id);
    return request;
  }
}
