// Who is typing in the conversation that is open. What is not said again is over after 5 s.

import { showText } from "./element.js";
import { typingWords } from "./words.js";

const OVER_MS = 5_000;

export class TypingView {
  constructor(line, userId) {
    this.line = line;
    this.userId = userId;
    this.typing = new Map();
    this.selected = null;
  }

  /** `selected`: the thread that is open. */
  show(selected) {
    if (selected === this.selected) return;
    this.selected = selected;
    this.tell();
  }

  hear({ thread_id: threadId, user_id: userId, name, is_typing: isTyping }) {
    if (userId === this.userId) return;
    const key = `${threadId} ${userId}`;
    clearTimeout(this.typing.get(key)?.timer);
    this.typing.delete(key);
    if (isTyping) {
      const timer = setTimeout(() => { this.typing.delete(key); this.tell(); }, OVER_MS);
      this.typing.set(key, { threadId, name, timer });
    }
    this.tell();
  }

  /** Who has said something types no longer. */
  said(threadId, userId) {
    this.hear({ thread_id: threadId, user_id: userId, name: "", is_typing: false });
  }

  tell() {
    const here = [...this.typing.values()].filter((each) => each.threadId === this.selected);
    const words = typingWords(here.map((each) => each.name));
    this.line.hidden = !words;
    showText(this.line, words);
  }
}
