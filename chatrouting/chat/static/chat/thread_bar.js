// What can be done with the conversation that is open: give it another name, delete it.

import { showText } from "./element.js";
import { errorWords } from "./words.js";

export class ThreadBar {
  /** `act`: `rename(thread_id, title)` and `remove(thread_id)`, both promises. */
  constructor(places, act) {
    Object.assign(this, { ...places, act });
    this.threadId = null;
    this.asked = null; // the thread that a dialog was opened for
    this.renameButton.addEventListener("click", () => this.ask(this.renaming));
    this.deleteButton.addEventListener("click", () => this.ask(this.deleting));
    this.renaming.addEventListener("close", () => {
      const title = this.title.value.trim();
      if (this.renaming.returnValue === "ok" && title) this.change(this.act.rename(this.asked, title));
    });
    this.deleting.addEventListener("close", () => {
      if (this.deleting.returnValue === "ok") this.change(this.act.remove(this.asked));
    });
  }

  /** `thread`: the one that is open and there, as the list has it; null where there is none. */
  show(threadId, thread) {
    this.thread = thread;
    this.bar.hidden = threadId === null;
    if (threadId === this.threadId) return;
    this.threadId = threadId;
    this.note.hidden = true;
    for (const dialog of [this.renaming, this.deleting]) dialog.close();
  }

  ask(dialog) {
    const title = this.thread?.title ?? "";
    this.asked = this.threadId;
    this.note.hidden = true;
    dialog.returnValue = "";
    this.title.value = title;
    showText(this.name, title ? `“${title}”` : "this conversation");
    dialog.showModal();
  }

  async change(asked) {
    try {
      await asked;
    } catch (error) {
      this.note.textContent = errorWords(error);
      this.note.hidden = false;
    }
  }
}
