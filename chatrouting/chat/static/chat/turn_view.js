// A question and its answer.

import { element, showText } from "./element.js";
import { StepsView } from "./steps_view.js";
import { errorWords, outcomeWords, queueWords } from "./words.js";

export class TurnView {
  /**
   * `act` holds what the person may do: `stop(run)`, `sayAgain(entry)`, `takeBack(entry)`,
   * `askAgain(run, content)`, `decide(run, call, decision, arguments?)`.
   */
  constructor(fragments, act, userId) {
    this.fragments = fragments;
    this.act = act;
    this.userId = userId;
    this.element = element("div", { class: "turn" });
  }

  /** `question`: a message, or an entry of the outbox. */
  show({ question, run }) {
    if (question && question !== this.question) this.showQuestion(question);
    if (run && run !== this.run) this.showRun(run);
    this.question = question;
    this.run = run;
  }

  showQuestion(question) {
    if (!this.bubble) {
      this.author = element("p", { class: "author" });
      this.bubble = element("p", { class: "bubble", dir: "auto" });
      this.note = element("p", { class: "note", hidden: true });
      this.said = element("article", { class: "said", "aria-label": "Message" },
        this.author, this.bubble, this.note);
      this.element.prepend(this.said);
    }
    const { author } = question;
    this.question = question;
    const isOwn = this.isOwn();
    this.said.classList.toggle("others", !isOwn);
    this.author.hidden = isOwn;
    showText(this.author, isOwn ? "" : author.name);
    showText(this.bubble, question.content);
    this.showSending(question);
  }

  showSending(entry) {
    const isSending = entry.client_id !== undefined && !entry.message_id && !entry.error;
    this.said.classList.toggle("sending", isSending);
    this.note.hidden = !entry.error;
    if (!entry.error) return;
    this.note.replaceChildren(`${errorWords(entry.error)} `,
      button("Try again", () => this.act.sayAgain(entry)), " ",
      button("Edit", () => this.act.takeBack(entry)));
  }

  showRun(run) {
    if (!this.answer) this.makeAnswer();
    this.steps.show(run, this.isOwn());
    const isAtWork = run.status === "running" || run.status === "waiting";
    this.answer.setAttribute("aria-busy", isAtWork);
    this.answer.classList.toggle("at-work", isAtWork);
    this.answer.classList.toggle("empty", !run.text);
    if (!this.isRendered) showText(this.text, run.text);
    this.showEnd(run);
    this.showQueued(run);
    const hasText = run.text || run.truncated;
    if (run.status === "completed" && run.answer_id && hasText && !this.isRendered) {
      this.isRendered = true;
      this.fragments.show(run.answer_id, this.text);
    }
  }

  /** Whether this person asked; where the question is not known the server decides. */
  isOwn() {
    const author = this.question?.author;
    return !author || author.user_id === this.userId;
  }

  makeAnswer() {
    this.steps = new StepsView((...decision) => this.act.decide(...decision));
    this.text = element("div", { class: "text", dir: "auto" });
    this.waiting = element("p", { class: "dots", "aria-hidden": "true" },
      element("span"), element("span"), element("span"));
    this.end = element("p", { class: "end", hidden: true });
    this.queued = element("p", { class: "queued", hidden: true });
    this.answer = element("article", { class: "answer", "aria-label": "Answer" },
      this.steps.element, this.text, this.waiting, this.end, this.queued);
    this.element.append(this.answer);
  }

  showEnd(run) {
    const words = run.error ? errorWords(run.error) : outcomeWords(run.outcome);
    this.end.hidden = run.status !== "completed" || !words;
    this.end.dataset.outcome = run.outcome;
    const reference = run.error?.trace_id ? ` Reference: ${run.error.trace_id}` : "";
    const advice = (run.error?.suggestions ?? []).map((text) => ` ${text}`).join("");
    const text = words + advice + reference;
    if (this.end.firstChild?.data !== text) this.end.replaceChildren(text, ...this.again(run));
  }

  again(run) {
    const { content } = this.question ?? {};
    if (!run.error?.retryable || !content || !this.isOwn()) return [];
    return [" ", button("Ask again", () => this.act.askAgain(run, content))];
  }

  showQueued(run) {
    this.queued.hidden = run.status !== "queued";
    if (this.queued.hidden) return;
    this.queued.replaceChildren(`${queueWords(run.queue_position ?? 1)} `,
      button("Cancel", () => this.act.stop(run)));
  }
}

function button(text, onClick) {
  return element("button", { type: "button", class: "small", on: { click: onClick } }, text);
}
