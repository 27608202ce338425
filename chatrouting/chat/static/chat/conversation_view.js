// The conversation that is open: its turns, and staying at the newest.

import { newConversation, turnsOf } from "./conversation.js";
import { element, showChildren } from "./element.js";
import { TurnView } from "./turn_view.js";

const NEAR_PX = 80;

export class ConversationView {
  /** `act` as for a turn, with `readEarlier(thread_id, message_id)`. */
  constructor(places, fragments, act, userId) {
    Object.assign(this, { ...places, fragments, act, userId });
    this.views = new Map();
    this.isAtEnd = true;
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.toNewest.addEventListener("click", () => this.goToEnd());
    this.earlier.addEventListener("click", () => this.readEarlier());
    // What is put in later (rendered answers, a growing composer) moves the end too.
    const sizes = new ResizeObserver(() => { if (this.isAtEnd) this.goToEnd(); });
    sizes.observe(this.turns);
    sizes.observe(this.scroller);
  }

  show(state) {
    if (state.selected !== this.selected) this.begin(state.selected);
    const conversation = state.conversations[state.selected] ?? newConversation();
    this.conversation = conversation;
    const turns = [...turnsOf(conversation, state.runs), ...waitingTurns(state)];
    this.showTurns(turns);
    const isLoading = state.selected !== null && !conversation.loaded && turns.length === 0;
    this.turns.setAttribute("aria-busy", isLoading);
    this.greeting.hidden = state.selected !== null || turns.length > 0;
    this.missing.hidden = !conversation.missing;
    this.earlier.hidden = !(conversation.loaded && conversation.more);
    if (this.isAtEnd) this.goToEnd();
  }

  begin(selected) {
    this.selected = selected;
    this.isAtEnd = true;
  }

  showTurns(turns) {
    const views = new Map(turns.map((turn) => [turn.key, this.viewOf(turn)]));
    const fromEnd = this.scroller.scrollHeight - this.scroller.scrollTop;
    const first = this.turns.firstElementChild;
    showChildren(this.turns, [...views.values()].map((view) => view.element));
    // Earlier messages came in above: what was being read stays in its place.
    if (first && first.isConnected && first !== this.turns.firstElementChild && !this.isAtEnd) {
      this.scroller.scrollTop = this.scroller.scrollHeight - fromEnd;
    }
    this.views = views;
  }

  viewOf(turn) {
    const view = this.views.get(turn.key) ?? new TurnView(this.fragments, this.act, this.userId);
    view.show(turn);
    return view;
  }

  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.toNewest.hidden = this.isAtEnd;
  }

  goToEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.isAtEnd = true;
    this.toNewest.hidden = true;
  }

  readEarlier() {
    this.isAtEnd = false;
    this.act.readEarlier(this.selected, this.conversation.messages[0].message_id);
  }
}

/** What was said and is not in the thread yet. */
function waitingTurns(state) {
  return state.outbox
    .filter((entry) => (entry.thread_id ?? null) === state.selected)
    .map((entry) => ({ key: entry.client_id, question: entry, run: null }));
}
