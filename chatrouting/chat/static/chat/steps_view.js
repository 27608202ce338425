// What an agent did on its way to the answer: thoughts and tool calls.

import { element, showChildren, showText } from "./element.js";
import { durationWords, toolWords } from "./words.js";

// Characters of JSON that stay on one line.
const LINE = 72;

export class StepsView {
  constructor() {
    this.list = element("ol", { class: "steps-list" });
    this.summary = element("summary");
    this.element = element("details", { class: "steps", hidden: true }, this.summary, this.list);
    this.views = new Map();
    this.isChosen = false;
    this.summary.addEventListener("click", () => { this.isChosen = true; });
  }

  show(run) {
    this.element.hidden = run.steps.length === 0;
    // Open while at work, closed once answered, unless the person has chosen.
    if (!this.isChosen) this.element.open = run.status !== "completed";
    showText(this.summary, summaryOf(run.steps));
    const views = run.steps.map((step) => this.view(step));
    showChildren(this.list, views.map((view) => view.element));
  }

  view(step) {
    const known = this.views.get(step.key);
    const view = known ?? (step.kind === "tool" ? new ToolView() : new NoteView());
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
  constructor() {
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
    this.body.replaceChildren(...rowsOf(step).flatMap(([term, text]) => [
      element("dt", {}, term), element("dd", {}, element("code", { dir: "auto" }, text)),
    ]));
  }
}

function rowsOf(step) {
  const rows = [];
  const { arguments: given, result, error } = step;
  if (given && Object.keys(given).length > 0) rows.push(["with", written(given)]);
  if (error) rows.push(["error", error.message ?? error.code]);
  else if (result === null && step.result_bytes) rows.push(["result", `${step.result_bytes} bytes`]);
  else if (result !== undefined) rows.push(["result", written(result)]);
  return rows;
}

function written(value) {
  if (typeof value === "string") return value;
  const line = JSON.stringify(value);
  return line.length <= LINE ? line : JSON.stringify(value, null, 2);
}
