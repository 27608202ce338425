// How the connection stands.

const WORDS = {
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  signed_out: "Signed out",
  stopped: "Disconnected",
  replaced: "Disconnected",
};
// A connection that is back at once is nothing to tell anybody.
const QUIET_MS = 400;

export class StatusView {
  /** `act`: `connect()`. */
  constructor(places, act) {
    Object.assign(this, places);
    this.again.addEventListener("click", () => act.connect());
  }

  show(state) {
    clearTimeout(this.timer);
    const isShort = state.name === "reconnecting" && state.attempts <= 1;
    this.timer = setTimeout(() => this.tell(state), isShort ? QUIET_MS : 0);
  }

  tell({ name, reason }) {
    this.mark.dataset.state = name;
    this.mark.textContent = WORDS[name];
    const isEnd = name === "stopped" || name === "replaced";
    const text = name === "signed_out"
      ? "You are signed out. What you have typed is kept." : reason ?? "";
    this.banner.hidden = !(isEnd || name === "signed_out") || !text;
    this.text.textContent = text;
    this.signIn.hidden = name !== "signed_out";
    this.again.hidden = !isEnd;
    this.again.textContent = name === "replaced" ? "Use here" : "Connect again";
  }
}
