// A call that waits for a person: let it be made, as it is or with other arguments, or not.

import { element } from "./element.js";
import { errorWords, timeWords } from "./words.js";

export class ApprovalView {
  /** `decide(decision, arguments?)` gives a promise. Who may not decide is only told that it waits. */
  constructor(call, mayDecide, decide) {
    this.decide = decide;
    this.note = element("p", { class: "approval-note", role: "alert", hidden: true });
    const until = call.expires_at ? ` until ${timeWords(call.expires_at)}` : "";
    const words = mayDecide
      ? `This waits for your decision${until}.` : `This waits for the decision of who asked${until}.`;
    this.element = element("div", { class: "approval" }, element("p", {}, words));
    if (mayDecide) this.element.append(this.form(call.arguments), this.note);
  }

  form(given) {
    this.given = JSON.stringify(given ?? {}, null, 2);
    this.field = element("textarea", {
      class: "approval-arguments", rows: "4", hidden: true, "aria-label": "Arguments", spellcheck: "false",
    });
    this.field.value = this.given;
    const edit = this.button("Change arguments", () => {
      this.field.hidden = false;
      edit.hidden = true;
      this.field.focus();
    });
    this.buttons = [
      this.button("Approve", () => this.approve(), "send"),
      this.button("Deny", () => this.answer("deny"), "stop"),
      edit,
    ];
    return element("div", { class: "approval-form" }, this.field,
      element("p", { class: "approval-buttons" }, ...this.buttons));
  }

  button(text, onClick, kind = "") {
    return element("button", { type: "button", class: `small ${kind}`, on: { click: onClick } }, text);
  }

  approve() {
    if (this.field.value === this.given) return this.answer("approve");
    let changed;
    try {
      changed = JSON.parse(this.field.value);
    } catch {
      return this.tell("The arguments are not valid JSON.");
    }
    return this.answer("approve", changed);
  }

  async answer(decision, changed) {
    for (const button of this.buttons) button.disabled = true;
    this.note.hidden = true;
    try {
      await this.decide(decision, changed);
    } catch (error) {
      this.tell(errorWords(error));
      for (const button of this.buttons) button.disabled = false;
    }
  }

  tell(words) {
    this.note.textContent = words;
    this.note.hidden = false;
  }
}
