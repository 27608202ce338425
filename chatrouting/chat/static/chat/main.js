// Puts the page together: the socket tells the store, the store tells the views.

import { ComposerView } from "./composer_view.js";
import { Connection } from "./connection.js";
import { ConversationView } from "./conversation_view.js";
import { Fragments } from "./fragments.js";
import { forgetAll, Memory } from "./memory.js";
import { Reading } from "./reading.js";
import { NoticesView } from "./notices_view.js";
import { Outbox } from "./outbox.js";
import { PeopleView } from "./people_view.js";
import { Requests } from "./requests.js";
import { emptyState, reduce, replayFrom } from "./state.js";
import { StatusView } from "./status_view.js";
import { Store } from "./store.js";
import { ThreadBar } from "./thread_bar.js";
import { ThreadsView } from "./threads_view.js";
import { Typing } from "./typing.js";
import { TypingView } from "./typing_view.js";

const place = (id) => document.getElementById(id);
const { userId, socket, fragment, people: peopleAddress } = document.body.dataset;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const memory = new Memory(userId);
const store = new Store(reduce, emptyState());
const requests = new Requests((frame) => connection.send(frame));
const reading = new Reading(store, requests);
const outbox = new Outbox(store, memory, requests);

const connection = new Connection(socket, userId, memory.position, {
  onWelcome(welcome, isWhole) {
    if (!isWhole) store.dispatch("lost");
    people.forget();
    remember();
    requests.opened(welcome.limits.in_flight);
    reading.open = true;
  },
  onEvent(event) {
    store.dispatch("event", { event });
    TOLD[event.type]?.(event);
    remember();
  },
  onAnswer: (frame) => requests.settle(frame),
  onSignal: ({ type, payload }) => SIGNALS[type]?.(payload),
  onStranger: () => window.location.reload(),
  onState(state) {
    if (state.name !== "connected") {
      requests.closed();
      reading.open = false;
    }
    status.show(state);
    composer.closed = ["signed_out", "stopped", "replaced"].includes(state.name);
  },
});

// What is shown beside the conversations.
const TOLD = {
  system_message: ({ payload }) => notices.add(payload),
  members_changed: ({ thread_id: threadId, payload }) => people.changed(threadId, payload.members),
  message_added: ({ thread_id: threadId, payload }) => typingView.said(threadId, payload.author.user_id),
};
const SIGNALS = {
  typing: (signal) => typingView.hear(signal),
  presence: (signal) => people.hear(signal),
};

function remember() {
  const { epoch, seq } = connection.position;
  memory.position = { epoch, seq: replayFrom(store.state, seq) };
}

const actions = {
  say(threadId, content, agent) {
    outbox.say(threadId, content, agent);
    conversation.goToEnd();
  },

  sayAgain: ({ error: _error, ...entry }) => outbox.send(entry),

  takeBack({ client_id: clientId, content }) {
    outbox.takeBack(clientId);
    composer.takeBack(content);
  },

  async stop(run) {
    if (!run) return;
    store.dispatch("stopping", { run_id: run.run_id, value: true });
    try {
      await requests.ask("stop_agent", { run_id: run.run_id });
    } catch {
      store.dispatch("stopping", { run_id: run.run_id, value: false });
    }
  },

  askAgain: (run, content) => actions.say(run.thread_id, content, run.agent),

  decide: (run, { call_id: callId }, decision, given) => requests.ask("decide_tool", {
    run_id: run.run_id, call_id: callId, decision, ...(given && { arguments: given }),
  }),

  async rename(threadId, title) {
    const { updated_at: at } = await requests.ask("rename_thread", { thread_id: threadId, title });
    const payload = { title, updated_at: at };
    store.dispatch("event", { event: { type: "thread_updated", thread_id: threadId, payload } });
  },

  async remove(threadId) {
    await requests.ask("delete_thread", { thread_id: threadId });
    store.dispatch("event", { event: { type: "thread_removed", thread_id: threadId, payload: {} } });
    if (store.state.selected === threadId) select(null);
  },

  addMember: (threadId, username) =>
    requests.ask("add_member", { thread_id: threadId, username }),

  removeMember: (threadId, username) =>
    requests.ask("remove_member", { thread_id: threadId, username }),

  typed: (threadId) => typing.typed(people.isShared ? threadId : null),

  typedNoMore: () => typing.stop(),

  readThreads: (before) => reading.earlier("list_threads", { before }),

  readEarlier: (threadId, before) =>
    reading.earlier("thread_history", { thread_id: threadId, before }),

  connect: () => connection.open(),
};

const status = new StatusView({
  mark: place("connection"), banner: place("banner"), text: place("banner-text"),
  signIn: place("banner-sign-in"), again: place("banner-again"),
}, actions);

const threads = new ThreadsView({
  list: place("threads"), empty: place("no-threads"), more: place("more-threads"),
}, actions);

const conversation = new ConversationView({
  scroller: place("scroller"), turns: place("turns"), greeting: place("greeting"),
  missing: place("missing"), earlier: place("earlier"), toNewest: place("to-newest"),
}, new Fragments(fragment), actions, userId);

const notices = new NoticesView(place("notices"));

const people = new PeopleView({
  button: place("people-button"), dialog: place("people"), list: place("members"),
  form: place("add-member"), field: place("member-name"), note: place("people-note"),
}, peopleAddress, actions, userId);

const bar = new ThreadBar({
  bar: place("thread-bar"), renameButton: place("rename"), deleteButton: place("delete"),
  renaming: place("renaming"), deleting: place("deleting"), title: place("new-title"),
  name: place("deleting-name"), note: place("thread-note"),
}, actions);

const typingView = new TypingView(place("typing"), userId);

// Nothing depends on its arrival: it is sent at once or not at all.
const typing = new Typing((threadId, isTyping) => connection.send({
  type: "user_typing", payload: { thread_id: threadId, is_typing: isTyping },
}));

const composer = new ComposerView({
  form: place("composer"), field: place("message"), send: place("send"), stop: place("stop"),
  counter: place("counter"), agent: place("agent"),
}, memory, actions);

function show() {
  const { state } = store;
  threads.show(state);
  conversation.show(state);
  composer.show(state);
  const conversationHere = state.conversations[state.selected];
  const here = conversationHere?.loaded && !conversationHere.missing ? state.selected : null;
  people.show(here);
  bar.show(here, state.threads[here]);
  typingView.show(state.selected);
  const title = state.threads[state.selected]?.title;
  document.title = title ? `${title} · Chat` : "Chat";
  const address = state.selected === null ? window.location.pathname : `#${state.selected}`;
  if (addressed() !== state.selected) history.replaceState(null, "", address);
}

/** The thread that the address names. */
function addressed() {
  const id = window.location.hash.slice(1);
  return UUID.test(id) ? id : null;
}

/** What the page showed that this one reloads: its address may not have followed before it went. */
function reloaded() {
  const [navigation] = performance.getEntriesByType("navigation");
  return navigation?.type === "reload" ? memory.selected : null;
}

let isDue = false;
function showSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; show(); });
}

function showThreads(isOpen) {
  place("sidebar").classList.toggle("open", isOpen);
  place("menu").setAttribute("aria-expanded", isOpen);
}

function select(threadId) {
  composer.open(threadId);
  store.dispatch("select", { thread_id: threadId });
  showThreads(false);
}

place("new-chat").addEventListener("click", () => {
  if (addressed()) history.pushState(null, "", window.location.pathname);
  select(null);
  place("message").focus();
});
window.addEventListener("popstate", () => {
  // Another fragment is a place within the page.
  if (addressed() || !window.location.hash) select(addressed());
});
place("menu").addEventListener("click", () =>
  showThreads(!place("sidebar").classList.contains("open")));
place("shade").addEventListener("click", () => showThreads(false));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") showThreads(false);
});
place("sign-out").addEventListener("submit", () => {
  connection.close();
  forgetAll();
});

store.onChange(showSoon);
store.onChange(({ selected }) => composer.follow(selected));
store.onChange(({ selected }) => { memory.selected = selected; });
select(addressed() ?? reloaded());
show();
outbox.resume((entry) => entry.thread_id === null && store.state.selected === null);
connection.open();
