// The list of threads.

import { element, showChildren, showText } from "./element.js";
import { busyThreads, threadsOf } from "./state.js";

export class ThreadsView {
  constructor(places, act) {
    Object.assign(this, { ...places, act });
    this.views = new Map();
    this.more.addEventListener("click", () => this.act.readThreads(this.last.thread_id));
  }

  show(state) {
    const threads = threadsOf(state);
    const busy = busyThreads(state);
    const views = new Map();
    for (const thread of threads) {
      const view = this.views.get(thread.thread_id) ?? new ThreadView(thread.thread_id);
      view.show(thread, busy.has(thread.thread_id), thread.thread_id === state.selected);
      views.set(thread.thread_id, view);
    }
    this.views = views;
    this.last = threads.at(-1);
    showChildren(this.list, [...views.values()].map((view) => view.element));
    this.empty.hidden = threads.length > 0 || !state.threadsLoaded;
    this.more.hidden = !state.moreThreads || threads.length === 0;
  }
}

class ThreadView {
  constructor(threadId) {
    this.title = element("span", { class: "thread-title", dir: "auto" });
    this.mark = element("span", { class: "running-mark", hidden: true, title: "An agent is at work" },
      element("span", { class: "hidden-text" }, "running"));
    this.link = element("a", { href: `#${threadId}` }, this.title, this.mark);
    this.element = element("li", {}, this.link);
  }

  show(thread, isBusy, isSelected) {
    showText(this.title, thread.title || "Untitled");
    this.mark.hidden = !isBusy;
    if (isSelected) this.link.setAttribute("aria-current", "page");
    else this.link.removeAttribute("aria-current");
  }
}
