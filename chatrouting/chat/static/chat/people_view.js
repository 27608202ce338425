// The people of the conversation that is open: who they are, who is there, letting them in and out.

import { element, showText } from "./element.js";
import { errorWords } from "./words.js";

const PERSON_ERRORS = { not_found: "Nobody of this name can be let in." };

export class PeopleView {
  /**
   * `act`: `addMember(thread_id, username)` and `removeMember(thread_id, username)`, both promises.
   * `address` is where the people of the thread with the id of zeros are read.
   */
  constructor(places, address, act, userId) {
    Object.assign(this, { ...places, address, act, userId });
    this.threadId = null;
    this.people = new Map();
    this.online = new Map();
    this.changes = new Map(); // how many were told, by thread
    this.button.addEventListener("click", () => this.open());
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.add(); });
  }

  /** `threadId`: the thread that is open and there; null where there is none. */
  show(threadId) {
    this.button.hidden = threadId === null;
    if (threadId === this.threadId) return;
    this.threadId = threadId;
    if (this.dialog.open) this.dialog.close();
    if (threadId !== null) this.read();
    this.tell();
  }

  /** Whether others see what is typed here. */
  get isShared() {
    return (this.people.get(this.threadId)?.members.length ?? 0) > 1;
  }

  changed(threadId, members) {
    this.changes.set(threadId, this.changesOf(threadId) + 1);
    const known = this.people.get(threadId);
    if (known) this.people.set(threadId, { ...known, members });
    else if (threadId === this.threadId) this.read();
    this.tell();
  }

  changesOf(threadId) {
    return this.changes.get(threadId) ?? 0;
  }

  /** Who is there is told anew to each socket: whoever is not named is not. */
  forget() {
    this.online.clear();
    this.tell();
  }

  hear({ user_id: userId, online }) {
    this.online.set(userId, online);
    this.tell();
  }

  /** What has changed while it was on its way counts more than what comes. */
  async read() {
    const { threadId } = this;
    const changes = this.changesOf(threadId);
    const zeros = "00000000-0000-0000-0000-000000000000";
    try {
      const answer = await fetch(this.address.replace(zeros, threadId));
      const found = answer.ok ? await answer.json() : null;
      if (found && this.changesOf(threadId) === changes) this.people.set(threadId, found);
    } catch {
      return; // The network is away: read again when the dialog is opened.
    }
    this.tell();
  }

  open() {
    this.read();
    this.fail("");
    this.dialog.showModal();
  }

  tell() {
    const known = this.people.get(this.threadId) ?? { members: [], may_share: false };
    const others = known.members.filter((member) => member.user_id !== this.userId);
    const here = others.filter((member) => this.online.get(member.user_id)).length;
    const there = here > 0 ? `, ${here} online` : "";
    showText(this.button, others.length > 0 ? `${known.members.length} people${there}` : "People");
    this.form.hidden = !known.may_share;
    this.list.replaceChildren(...known.members.map((member) => this.row(member, known)));
  }

  row(member, { members }) {
    const isMe = member.user_id === this.userId;
    const amOwner = members.some((each) => each.user_id === this.userId && each.role === "owner");
    const isOnline = isMe || this.online.get(member.user_id) === true;
    const mark = element("span", { class: "presence", "data-online": String(isOnline) },
      element("span", { class: "hidden-text" }, isOnline ? "online" : "offline"));
    const role = member.role === "owner" ? " · owner" : "";
    const row = element("li", { class: "member" }, mark,
      element("span", { class: "member-name", dir: "auto" }, `${member.name}${isMe ? " (you)" : ""}${role}`));
    if (member.role !== "owner" && (isMe || amOwner)) {
      row.append(element("button", {
        type: "button", class: "small", on: { click: () => this.remove(member) },
      }, isMe ? "Leave" : "Remove"));
    }
    return row;
  }

  add() {
    const name = this.field.value.trim();
    if (!name) return;
    this.change(this.act.addMember(this.threadId, name), () => { this.field.value = ""; });
  }

  remove(member) {
    this.change(this.act.removeMember(this.threadId, member.name), () => {
      if (member.user_id === this.userId) this.dialog.close();
    });
  }

  async change(asked, done) {
    const { threadId } = this;
    this.fail("");
    try {
      const { members } = await asked;
      this.changed(threadId, members);
      done();
    } catch (error) {
      this.fail(PERSON_ERRORS[error.code] ?? errorWords(error));
    }
  }

  fail(words) {
    this.note.hidden = !words;
    showText(this.note, words);
  }
}
