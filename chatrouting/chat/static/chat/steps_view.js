// What an agent did on its way to the answer: thoughts and tool calls.

import { ApprovalView } from "./approval_view.js";
import { element, showChildren, showText } from "./element.js";
import { durationWords, toolWords } from "./words.js";

// Characters of JSON that stay on one line.
const LINE = 72;

export class StepsView {
  /** `decide(run, call, decision, arguments?)` answers a call that waits for the person. */
  constructor(decide) {
    this.decide = decide;
    this.list = element("ol", { class: "steps-list" });
    this.summary = element("summary");
    this.element = element("details", { class: "steps", hidden: true }, this.summary, this.list);
    this.views = new Map();
    this.isChosen = false;
    this.summary.addEventListener("click", () => { this.isChosen = true; });
  }

  /** `mayDecide`: whether it is this person's run. */
  show(run, mayDecide) {
    this.run = run;
    this.mayDecide = mayDecide;
    this.element.hidden = run.steps.length === 0;
    // Open while at work, closed once answered, unless the person has chosen.
    if (!this.isChosen) this.element.open = run.status !== "completed";
    showText(this.summary, summaryOf(run.steps));
    const views = run.steps.map((step) => this.view(step));
    showChildren(this.list, views.map((view) => view.element));
  }

  view(step) {
    const known = this.views.get(step.key);
    const view = known ?? (step.kind === "tool" ? new ToolView(this) : new NoteView());
    if (!known) this.views.set(step.key, view);
    if (view.step !== step) view.show(step);
    view.step = step;
    return view;
  }
}

function summaryOf(steps) {
  const tools = steps.filter((step) => step.kind === "tool");
  const names = [...new Set(tools.map((step) => step.tool))].join(", ");
  const count = steps.length === 1 ? "1 step" : `${steps.length} steps`;
  return names ? `${count} · ${names}` : count;
}

class NoteView {
  constructor() {
    this.element = element("li", { class: "thought" });
  }

  show(step) {
    showText(this.element, step.kind === "thinking"
      ? step.text : `Started again (attempt ${step.attempt})`);
  }
}

class ToolView {
  constructor(steps) {
    this.steps = steps;
    this.name = element("code", { class: "tool-name" });
    this.state = element("span", { class: "tool-state" });
    this.body = element("dl", { class: "tool-body" });
    this.element = element("li", { class: "tool" },
      element("p", { class: "tool-head" }, this.name, " ", this.state), this.body);
  }

  show(step) {
    this.element.dataset.status = step.status;
    showText(this.name, step.tool);
    const took = durationWords(step.duration_ms);
    showText(this.state, took ? `${toolWords(step.status)} · ${took}` : toolWords(step.status));
    this.body.replaceChildren(...rowsOf(step).flatMap(([term, shown]) => [
      element("dt", {}, term), element("dd", {}, shown),
    ]));
    this.showApproval(step);
  }

  showApproval(step) {
    const isWaiting = step.status === "waiting";
    if (isWaiting && !this.approval) {
      const { steps } = this;
      this.approval = new ApprovalView(step, steps.mayDecide, (decision, given) =>
        steps.decide(steps.run, step, decision, given));
      this.element.append(this.approval.element);
    }
    if (this.approval) this.approval.element.hidden = !isWaiting;
  }
}

function rowsOf(step) {
  const rows = [];
  const { arguments: given, result, error } = step;
  if (given && Object.keys(given).length > 0) rows.push(["with", code(written(given))]);
  if (error) rows.push(["error", code(error.message ?? error.code)]);
  else if (result === null && step.result_url) rows.push(["result", linked(step)]);
  else if (result !== undefined) rows.push(["result", code(written(result))]);
  return rows;
}

const code = (text) => element("code", { dir: "auto" }, text);

function linked({ result_url: address, result_bytes: bytes }) {
  const size = `${Math.ceil(bytes / 1024).toLocaleString("en")} KiB`;
  return element("a", { href: address, target: "_blank", rel: "noopener" }, `Open the result (${size})`);
}

function written(value) {
  if (typeof value === "string") return value;
  const line = JSON.stringify(value);
  return line.length <= LINE ? line : JSON.stringify(value, null, 2);
}
