// What can be done with the conversation that is open: give it another name, delete it.

import { errorWords } from "./words.js";

export class ThreadBar {
  /** `act`: `rename(thread_id, title)` and `remove(thread_id)`, both promises. */
  constructor(places, act) {
    Object.assign(this, { ...places, act });
    this.threadId = null;
    this.renameButton.addEventListener("click", () => this.ask(this.renaming));
    this.deleteButton.addEventListener("click", () => this.ask(this.deleting));
    this.renaming.addEventListener("close", () => {
      const title = this.title.value.trim();
      if (this.renaming.returnValue === "ok" && title) this.change(this.act.rename(this.threadId, title));
    });
    this.deleting.addEventListener("close", () => {
      if (this.deleting.returnValue === "ok") this.change(this.act.remove(this.threadId));
    });
  }

  /** `thread`: the one that is open and there, as the list has it; null where there is none. */
  show(threadId, thread) {
    this.threadId = threadId;
    this.thread = thread;
    this.bar.hidden = threadId === null;
  }

  ask(dialog) {
    this.note.hidden = true;
    dialog.returnValue = "";
    this.title.value = this.thread?.title ?? "";
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
