// Everything the page knows, and how it changes. Pure: `reduce(state, action)` gives a new state.
//
// An action is a frame of the server (`event` or a reply), or something the person did.

import { newConversation, withPage, withQuestion, withRunOf } from "./conversation.js";
import {
  isFinished, isRunEvent, isUnclear, newRun, withAnswer, withEvent, withRunStatus,
} from "./runs.js";

export const emptyState = () => ({
  selected: null,
  threads: {}, threadsLoaded: false, moreThreads: false,
  conversations: {},
  runs: {},
  outbox: [],
});

const ACTIONS = {
  event: (state, { event }) => (EVENTS[event.type] ?? ofRun)(state, event),

  thread_list: (state, { threads, more, before }) => ({
    ...state,
    threads: { ...state.threads, ...byId(threads) },
    threadsLoaded: true,
    moreThreads: before || !state.threadsLoaded ? more : state.moreThreads,
  }),

  thread_history(state, { thread_id: threadId, messages, more, before }) {
    const known = new Set(messages.map((message) => message.message_id));
    const read = withConversation(state, threadId, (conversation) =>
      withPage(conversation, { messages, more }, before));
    const runs = { ...state.runs };
    for (const message of messages) {
      const runId = message.run_id ?? (message.role === "user" ? null : message.message_id);
      if (runId === null) continue;
      const run = runs[runId] ?? newRun(runId, threadId);
      runs[runId] = message.role === "user" ? run : withAnswer(run, message);
    }
    const outbox = state.outbox.filter((entry) => !known.has(entry.message_id));
    return { ...read, runs, outbox };
  },

  run_status: (state, reply) =>
    withRun(state, reply.run_id, reply.thread_id, (run) => withRunStatus(run, reply)),

  run_gone: (state, { run_id: runId, thread_id: threadId }) =>
    withRun(state, runId, threadId, (run) => ({ ...run, status: "completed", outcome: "lost" })),

  thread_gone: (state, { thread_id: threadId }) =>
    withConversation(state, threadId, (conversation) =>
      ({ ...conversation, loaded: true, missing: true })),

  /** Events were missed for good: what may have changed since is read again. */
  lost(state) {
    const runs = Object.entries(state.runs).filter(([, run]) => isFinished(run));
    const conversations = Object.entries(state.conversations).map(
      ([threadId, conversation]) => [threadId, { ...conversation, loaded: false }],
    );
    return {
      ...state,
      threads: {}, threadsLoaded: false,
      conversations: Object.fromEntries(conversations),
      runs: Object.fromEntries(runs),
    };
  },

  /** Who goes elsewhere is not taken back by the answer to what was said before. */
  select(state, { thread_id: threadId }) {
    const outbox = state.outbox.map((entry) => ({ ...entry, foreground: false }));
    const next = { ...state, outbox, selected: threadId };
    return threadId === null ? next : withConversation(next, threadId, (known) => known);
  },

  say: (state, { entry }) => ({
    ...state,
    outbox: [
      ...state.outbox.filter((known) => known.client_id !== entry.client_id),
      { ...entry, error: null },
    ],
  }),

  accepted(state, { client_id: clientId, reply }) {
    const adopted = withAdopted(state, clientId, reply.thread_id);
    const known = adopted.conversations[reply.thread_id]?.messages ?? [];
    const isTold = known.some((message) => message.message_id === reply.message_id);
    const outbox = adopted.outbox.flatMap((entry) => {
      if (entry.client_id !== clientId) return [entry];
      return isTold ? [] : [{ ...entry, message_id: reply.message_id, run_id: reply.run_id }];
    });
    const joined = withConversation({ ...adopted, outbox }, reply.thread_id, (conversation) =>
      withRunOf(conversation, reply.message_id, reply.run_id));
    return withRun(joined, reply.run_id, reply.thread_id, (run) =>
      run.status === "unknown" && !reply.duplicate ? { ...run, status: reply.status } : run);
  },

  refused: (state, { client_id: clientId, error }) => ({
    ...state,
    outbox: state.outbox.map((entry) =>
      entry.client_id === clientId ? { ...entry, error } : entry),
  }),

  taken_back: (state, { client_id: clientId }) => ({
    ...state,
    outbox: state.outbox.filter((entry) => entry.client_id !== clientId),
  }),

  stopping: (state, { run_id: runId, value }) =>
    state.runs[runId] === undefined ? state
      : withRun(state, runId, null, (run) => ({ ...run, stopping: value })),
};

const EVENTS = {
  // Shown by the notices.
  system_message: (state) => state,

  /** Who they are is shown by the people of a thread; one that was not known is read. */
  members_changed(state, { thread_id: threadId }) {
    const known = state.conversations[threadId];
    const next = known?.missing
      ? withConversation(state, threadId, () => newConversation()) : state;
    return state.threads[threadId] === undefined ? { ...next, threadsLoaded: false } : next;
  },

  message_added(state, event) {
    const { thread_id: threadId, payload, ts } = event;
    const said = state.outbox.find((entry) => entry.client_id === payload.client_id);
    const runId = event.run_id ?? said?.run_id ?? null;
    let next = withAdopted(state, payload.client_id, threadId);
    const outbox = next.outbox.filter((entry) =>
      entry.client_id !== payload.client_id && entry.message_id !== payload.message_id);
    next = withTouched({ ...next, outbox }, threadId, ts);
    if (next.conversations[threadId] === undefined) return next;
    return withConversation(next, threadId, (conversation) =>
      withQuestion(conversation, event, runId));
  },

  thread_updated(state, { thread_id: threadId, payload }) {
    const thread = state.threads[threadId];
    if (thread === undefined) return { ...state, threadsLoaded: false };
    return withThread(state, { ...thread, ...payload });
  },

  thread_removed(state, { thread_id: threadId }) {
    const { [threadId]: _thread, ...threads } = state.threads;
    const gone = { ...state, threads };
    return state.conversations[threadId] === undefined
      ? gone : ACTIONS.thread_gone(gone, { thread_id: threadId });
  },
};

function ofRun(state, event) {
  const { thread_id: threadId, run_id: runId } = event;
  if (!isRunEvent(event.type) || !runId || !threadId) return state;
  const listed = state.threads[threadId] === undefined ? { ...state, threadsLoaded: false } : state;
  const next = withRun(withJoined(listed, event), runId, threadId, (run) =>
    withEvent({ ...run, first_seq: run.first_seq ?? event.seq }, event));
  if (event.type !== "agent_completed" || next.conversations[threadId]) return next;
  // Nobody looks at this thread: its history has the answer once somebody does.
  const { [runId]: ended, ...others } = next.runs;
  const thread = next.threads[threadId];
  if (thread?.active_run_id !== runId) return { ...next, runs: others };
  return withThread({ ...next, runs: others }, { ...thread, active_run_id: null });
}

function withJoined(state, { type, thread_id: threadId, run_id: runId, payload }) {
  if (type !== "agent_started" || state.conversations[threadId] === undefined) return state;
  return withConversation(state, threadId, (conversation) =>
    withRunOf(conversation, payload.question_id, runId));
}

/** A new thread belongs to the message that began it, and is shown where that was written. */
function withAdopted(state, clientId, threadId) {
  const entry = state.outbox.find((known) => known.client_id === clientId);
  if (!entry || entry.thread_id === threadId) return state;
  const outbox = withOpened(state.outbox, entry, threadId);
  const selected = state.selected ?? (entry.foreground ? threadId : null);
  return withConversation({ ...state, outbox, selected }, threadId, (known) => known);
}

function withTouched(state, threadId, updatedAt) {
  const thread = state.threads[threadId];
  if (thread === undefined) return { ...state, threadsLoaded: false };
  const isNewer = Date.parse(updatedAt) > Date.parse(thread.updated_at);
  return isNewer ? withThread(state, { ...thread, updated_at: updatedAt }) : state;
}

function withThread(state, thread) {
  return { ...state, threads: { ...state.threads, [thread.thread_id]: thread } };
}

function withConversation(state, threadId, change) {
  const conversation = change(state.conversations[threadId] ?? newConversation());
  return { ...state, conversations: { ...state.conversations, [threadId]: conversation } };
}

function withRun(state, runId, threadId, change) {
  const run = change(state.runs[runId] ?? newRun(runId, threadId));
  return { ...state, runs: { ...state.runs, [runId]: run } };
}

const byId = (threads) => Object.fromEntries(threads.map((thread) => [thread.thread_id, thread]));

export const reduce = (state, action) => ACTIONS[action.type](state, action);

/** The id of the message that begins the conversation which is shown and has no id yet; null: none does. */
export function openingOf(state) {
  return state.outbox.find((entry) => entry.thread_id === null && entry.foreground)?.opening ?? null;
}

/** These entries of the outbox, once the thread that this one was said in is known. */
export function withOpened(entries, { client_id: clientId, opening }, threadId) {
  const isOfIt = (known) => known.client_id === clientId
    || (opening !== null && known.opening === opening && known.thread_id === null);
  return entries.map((known) => (isOfIt(known) ? { ...known, thread_id: threadId } : known));
}

/** Threads, newest first. */
export function threadsOf(state) {
  return Object.values(state.threads)
    .sort((a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at));
}

/** Threads in which a run is unfinished. */
export function busyThreads(state) {
  const busy = new Set();
  for (const run of Object.values(state.runs)) {
    if (!isFinished(run) && run.status !== "unknown") busy.add(run.thread_id);
  }
  for (const { thread_id: threadId, active_run_id: runId } of Object.values(state.threads)) {
    if (runId && !(state.runs[runId] && isFinished(state.runs[runId]))) busy.add(threadId);
  }
  return busy;
}

/** The run of the thread that is at work, for the stop button. */
export function activeRun(state, threadId) {
  return Object.values(state.runs).find((run) =>
    run.thread_id === threadId && (run.status === "running" || run.status === "waiting")) ?? null;
}

/** Messages that would fill the gaps of this state: what is shown and not known yet. */
export function gapsOf(state) {
  const gaps = [];
  if (!state.threadsLoaded) gaps.push({ key: "threads", type: "list_threads", payload: {} });
  const conversation = state.conversations[state.selected];
  if (conversation === undefined) return gaps;
  if (!conversation.loaded) {
    const payload = { thread_id: state.selected };
    return [...gaps, { key: `history ${state.selected}`, type: "thread_history", payload }];
  }
  const unclear = Object.values(state.runs).filter((run) =>
    run.thread_id === state.selected && isUnclear(run));
  for (const run of unclear) {
    const payload = { run_id: run.run_id };
    gaps.push({ key: `run ${run.run_id}`, type: "run_status", payload });
  }
  return gaps;
}

/** The `seq` before the first event of the oldest unfinished run, so that a reload shows it whole. */
export function replayFrom(state, seq) {
  const firsts = Object.values(state.runs)
    .filter((run) => !isFinished(run) && run.first_seq !== null)
    .map((run) => run.first_seq - 1);
  return Math.min(seq, ...firsts);
}
