// Signs of life both ways. A beat is due some time after the answer to the one before: a timer begun
// by the socket's message is not held back to once a minute where the page is in the background.

const ANSWER_MS = 10_000;
const TAIL_MS = 3_000;

export class Heartbeat {
  /** `send(type, payload)`; `position()`: the last `seq` seen; `onDead()`: begin anew. */
  constructor({ send, position, onDead }) {
    this.send = send;
    this.position = position;
    this.onDead = onDead;
    this.seconds = 0;
    this.waiting = null;
  }

  start(seconds) {
    this.stop();
    this.seconds = seconds;
    this.next();
  }

  stop() {
    clearTimeout(this.due);
    clearTimeout(this.waiting);
    clearTimeout(this.tail);
    this.waiting = null;
  }

  /** Say that we are there, and ask for the top of the stream. */
  beat() {
    clearTimeout(this.due);
    this.send("heartbeat", {});
    this.send("ping", { ack: this.position() });
    this.wait();
  }

  /** Any frame shows that the server is there, but the answer must still come. */
  heard(frame) {
    if (frame.type === "heartbeat_ack") this.next();
    else if (this.waiting !== null) this.wait();
    if (frame.type === "pong") this.check(frame.payload.seq);
  }

  wait() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(this.onDead, ANSWER_MS);
  }

  next() {
    clearTimeout(this.due);
    clearTimeout(this.waiting);
    this.waiting = null;
    this.due = setTimeout(() => this.beat(), this.seconds * 1000);
  }

  /** The events up to `top` may still be on their way; if they do not come, the tail is lost. */
  check(top) {
    clearTimeout(this.tail);
    if (top <= this.position()) return;
    this.tail = setTimeout(() => {
      if (top > this.position()) this.onDead();
    }, TAIL_MS);
  }
}
