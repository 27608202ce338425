// Where the person writes. What is typed is kept until it is sent, whatever happens to the page.

import { activeRun } from "./state.js";
import { lengthOf } from "./runs.js";

const LONGEST = 8_000;
const NEAR = 7_200;
const TALLEST_PX = 240;

export class ComposerView {
  /** `act`: `say(thread_id, content, agent)`, `stop(run)`, `typed(thread_id)`, `typedNoMore()`. */
  constructor(places, memory, act) {
    Object.assign(this, { ...places, memory, act });
    this.isClosed = false;
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.say(); });
    this.field.addEventListener("keydown", (event) => this.pressed(event));
    this.field.addEventListener("input", () => {
      this.written();
      if (this.field.value) this.act.typed(this.threadId);
    });
    this.field.addEventListener("blur", () => this.act.typedNoMore());
    this.stop.addEventListener("click", () => this.act.stop(this.run));
    this.early = this.field.value; // written before this script was there
  }

  show(state) {
    this.run = activeRun(state, state.selected);
    this.stop.hidden = this.run === null;
    this.stop.disabled = this.run?.stopping ?? false;
    this.isMissing = state.conversations[state.selected]?.missing ?? false;
    this.judge();
  }

  /** No socket will come: nothing can be sent, and what is typed stays. */
  set closed(value) {
    this.isClosed = value;
    this.judge();
  }

  /** The person goes to this thread: what is written from now on is for it, before it is drawn. */
  open(threadId) {
    this.threadId = threadId;
    this.isMissing = false;
    this.field.value = this.memory.draft(threadId) || this.early;
    this.early = "";
    this.written();
  }

  /** The new thread has its id: what was written since its first message is for it, too. */
  follow(threadId) {
    if (threadId === this.threadId) return;
    this.memory.keepDraft(this.threadId, null);
    this.threadId = threadId;
    this.written();
  }

  /** Give a message back for editing; what was typed since follows it. */
  takeBack(content) {
    this.field.value = [content, this.field.value].filter(Boolean).join("\n");
    this.written();
    this.field.focus();
  }

  pressed(event) {
    const isSend = event.key === "Enter" && !event.shiftKey && !event.isComposing;
    if (!isSend || window.matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    this.say();
  }

  say() {
    this.judge();
    if (this.send.disabled) return;
    const content = this.field.value;
    this.field.value = "";
    this.written();
    this.act.typedNoMore();
    this.act.say(this.threadId, content, this.agent?.value);
  }

  written() {
    this.memory.keepDraft(this.threadId, this.field.value);
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight, TALLEST_PX)}px`;
    this.judge();
  }

  judge() {
    const length = lengthOf(this.field.value);
    const isTooLong = length > LONGEST;
    this.send.disabled = this.isClosed || this.isMissing || isTooLong || !this.field.value.trim();
    this.counter.hidden = length < NEAR;
    this.counter.classList.toggle("too-long", isTooLong);
    this.counter.textContent = `${length.toLocaleString("en")} / ${LONGEST.toLocaleString("en")}`;
    this.field.setAttribute("aria-invalid", isTooLong);
  }
}
