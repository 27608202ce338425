// What the operators tell everybody: shown until the person puts it away.

import { element } from "./element.js";

const MOST = 5;

export class NoticesView {
  constructor(list) {
    this.list = list;
  }

  add({ content, level }) {
    const away = element("button", { type: "button", class: "small" }, "Dismiss");
    const notice = element("li", { class: "notice", "data-level": level, role: level === "info" ? "status" : "alert" },
      element("span", { dir: "auto" }, content), away);
    away.addEventListener("click", () => this.remove(notice));
    this.list.append(notice);
    while (this.list.children.length > MOST) this.list.firstElementChild.remove();
    this.list.hidden = false;
  }

  remove(notice) {
    notice.remove();
    this.list.hidden = this.list.children.length === 0;
  }
}
