// The socket, kept open: reconnects, resumes where it stood, and hands on each event once, in order.

import { actionAfter, backoffMs, reasonOf, REPLACED, resumeMs } from "./closing.js";
import { Heartbeat } from "./heartbeat.js";

const WELCOME_MS = 20_000;
const STEADY_MS = 5_000;

/**
 * `to` is told: `onWelcome(welcome, isWhole)`, `onEvent(event)`, `onAnswer(frame)`, `onSignal(signal)`,
 * `onState(state)`, and `onStranger()` where the session is by now another person's: it has ended then,
 * and nothing was sent to them.
 * A state is `{name, reason?, attempts?}`; the names are connecting, connected, reconnecting,
 * signed_out, stopped and replaced.
 */
export class Connection {
  constructor(address, userId, position, to) {
    this.address = address;
    this.userId = userId;
    this.position = position;
    this.to = to;
    this.attempts = 0;
    this.hasTriedCookie = false;
    this.state = { name: "connecting" };
    this.socket = null;
    this.timer = null;
    this.heartbeat = new Heartbeat({
      send: (type, payload) => this.send({ type, payload }),
      position: () => this.position?.seq ?? 0,
      onDead: () => this.restart(),
    });
    window.addEventListener("online", () => this.hurry());
    window.addEventListener("pageshow", () => this.hurry());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.hurry();
    });
  }

  /** Connect, also after a stop. */
  open() {
    this.drop();
    this.tell(this.attempts === 0 ? "connecting" : "reconnecting");
    this.bye = null;
    const socket = new WebSocket(this.url());
    this.socket = socket;
    this.timer = setTimeout(() => this.restart(), WELCOME_MS);
    socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    socket.onclose = ({ code }) => this.ended(this.bye?.code ?? code);
  }

  /** End for good, as before signing out. */
  close() {
    this.drop();
    this.tell("stopped", "");
  }

  /** Whether the frame was given to an open, welcomed socket. */
  send(frame) {
    if (this.state.name !== "connected" || this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  url() {
    const url = new URL(this.address, window.location.href);
    url.protocol = url.protocol.replace("http", "ws");
    if (this.position) {
      url.searchParams.set("epoch", this.position.epoch);
      url.searchParams.set("seq", this.position.seq);
    }
    return url;
  }

  /**
   * Somebody is looking, or the network is back: do not wait out the backoff, check the tail, and see
   * whether there is a session again.
   */
  hurry() {
    const { name } = this.state;
    if (name === "connected") this.heartbeat.beat();
    else if (name === "signed_out" || (name === "reconnecting" && !this.socket)) this.open();
  }

  hear(frame) {
    this.heartbeat.heard(frame);
    if (frame.seq !== undefined) this.advance(frame);
    else if (frame.type === "welcome") this.welcomed(frame.payload);
    else if (frame.type === "bye") this.bye = frame.payload;
    else if (frame.id !== undefined) this.to.onAnswer(frame);
    else this.to.onSignal(frame);
  }

  welcomed(welcome) {
    if (welcome.user_id !== this.userId) {
      this.close();
      this.to.onStranger();
      return;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.attempts = 0; }, STEADY_MS);
    this.hasTriedCookie = false;
    const isWhole = welcome.recovered === true;
    if (!isWhole) this.position = { epoch: welcome.epoch, seq: welcome.seq };
    this.tell("connected");
    this.heartbeat.start(welcome.heartbeat_seconds);
    this.to.onWelcome(welcome, isWhole);
  }

  advance(event) {
    const { epoch, seq } = this.position;
    if (event.seq <= seq) return;
    if (event.seq !== seq + 1 && event.skipped_to !== event.seq - 1) {
      this.restart();
      return;
    }
    this.position = { epoch, seq: event.seq };
    this.to.onEvent(event);
  }

  /** Begin anew on another socket, from the position reached. */
  restart() {
    this.drop();
    this.again(backoffMs(this.attempts));
  }

  ended(code) {
    this.drop();
    const action = actionAfter(code);
    if (action === "backoff") this.again(backoffMs(this.attempts));
    else if (action === "resume") this.again(resumeMs(this.bye));
    else if (action === "stop") this.tell(code === REPLACED ? "replaced" : "stopped", reasonOf(code));
    else if (this.hasTriedCookie) this.tell("signed_out");
    else {
      // A sign-in elsewhere may have renewed the cookie.
      this.hasTriedCookie = true;
      this.again(0);
    }
  }

  again(milliseconds) {
    this.attempts += 1;
    this.tell("reconnecting");
    this.timer = setTimeout(() => this.open(), milliseconds);
  }

  drop() {
    clearTimeout(this.timer);
    this.heartbeat.stop();
    if (this.socket === null) return;
    this.socket.onmessage = null;
    this.socket.onclose = null;
    this.socket.close();
    this.socket = null;
  }

  tell(name, reason) {
    this.state = { name, reason, attempts: this.attempts };
    this.to.onState(this.state);
  }
}
