// One run as a page sees it. Pure: a run and what came about it in, a new run out.
//
// What is known of a run comes in three ways, in any order: events, `run_status`, and the answer in
// the thread's history. Each only ever adds: the status and the attempt rise, and within an attempt
// the text grows, so that what comes late or twice changes nothing.

const RANK = { unknown: 0, queued: 1, running: 2, waiting: 2, completed: 3 };
const PIECES = 2000;

export function newRun(runId, threadId) {
  return {
    run_id: runId, thread_id: threadId, agent: null, status: "unknown", outcome: null, attempt: 0,
    text: "", length: 0, pieces: [], text_seq: 0, truncated: false,
    steps: [], error: null, queue_position: null, answer_id: null,
    duration_ms: null, first_seq: null, stopping: false,
  };
}

/** Code points, as the protocol counts. */
export function lengthOf(text) {
  let length = text.length;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800 && unit <= 0xdbff) length -= 1;
  }
  return length;
}

export const isFinished = (run) => run.status === "completed";

/** Whether `run_status` must say what happened before this page listened. */
export const isUnclear = (run) =>
  !isFinished(run) && (run.status === "unknown" || run.pieces.length > 0);

function withStatus(run, status) {
  return RANK[status] >= RANK[run.status] ? { ...run, status } : run;
}

function withText(run, text) {
  return joined({ ...run, text, length: lengthOf(text) });
}

/** Append the pieces that follow the text; keep those that follow a gap. */
function joined(run) {
  let { text, length } = run;
  const later = [];
  for (const piece of [...run.pieces].sort((a, b) => a.position - b.position)) {
    if (piece.position > length) {
      later.push(piece);
      continue;
    }
    const known = length - piece.position;
    const added = known === 0 ? piece.text : [...piece.text].slice(known).join("");
    text += added;
    length += lengthOf(added);
  }
  return { ...run, text, length, pieces: later.slice(-PIECES) };
}

const EVENTS = {
  run_queued: (run, event) =>
    withStatus({ ...run, queue_position: event.payload.position }, "queued"),

  agent_started(run, { seq, payload }) {
    const named = { ...run, agent: payload.agent, answer_id: payload.message_id };
    if (isFinished(run) || seq <= run.text_seq || payload.attempt <= run.attempt) {
      return withStatus(named, "running");
    }
    const steps = payload.attempt > 1
      ? [...run.steps, { kind: "again", key: `again-${seq}`, attempt: payload.attempt }]
      : run.steps;
    const voided = { ...named, steps, attempt: payload.attempt, text: "", length: 0, pieces: [] };
    return withStatus(voided, "running");
  },

  agent_thinking: (run, { seq, payload }) => ({
    ...run,
    steps: [...run.steps, { kind: "thinking", key: `thinking-${seq}`, text: payload.text }],
  }),

  tool_executing: (run, { payload }) => withTool(run, { ...payload, status: "running" }),

  tool_completed: (run, { payload }) => withTool(run, payload),

  approval_required: (run, { payload }) =>
    withStatus(withTool(run, { ...payload, status: "waiting" }), "waiting"),

  approval_resolved(run, { payload }) {
    const { call_id: callId, decision, arguments: replaced } = payload;
    const decided = { call_id: callId, decision, status: "decided" };
    const call = replaced === undefined ? decided : { ...decided, arguments: replaced };
    return withStatus(withTool(run, call), "running");
  },

  agent_delta(run, { seq, payload }) {
    if (isFinished(run) || seq <= run.text_seq) return run;
    const { position, text } = payload;
    const pieces = [...run.pieces, { seq, position, text }];
    // Which attempt the piece belongs to is not known before `run_status` has said it.
    return run.attempt === 0 ? { ...run, pieces: pieces.slice(-PIECES) } : joined({ ...run, pieces });
  },

  agent_error: (run, { payload }) => ({ ...run, error: payload }),

  agent_completed(run, { payload }) {
    const text = payload.content ?? run.text;
    return {
      ...run, status: "completed", outcome: payload.outcome, answer_id: payload.message_id,
      attempt: payload.attempt, duration_ms: payload.duration_ms, pieces: [],
      text, length: lengthOf(text), truncated: payload.content === null,
    };
  },
};

function withTool(run, call) {
  const known = run.steps.find((step) => step.call_id === call.call_id);
  if (!known) {
    return { ...run, steps: [...run.steps, { ...call, kind: "tool", key: `tool-${call.call_id}` }] };
  }
  if (call.status === "running") return run;
  const steps = run.steps.map((step) => (step === known ? { ...known, ...call } : step));
  return { ...run, steps };
}

export const isRunEvent = (type) => Object.hasOwn(EVENTS, type);

export function withEvent(run, event) {
  return EVENTS[event.type](run, event);
}

/** What `run_status` says; its text is true at the event `seq`. */
export function withRunStatus(run, status) {
  if (isFinished(run) || status.attempt < run.attempt) return run;
  const named = { ...run, agent: status.agent };
  if (status.status === "completed") {
    const { text, outcome, attempt } = status;
    return {
      ...named, status: "completed", outcome, attempt, text, length: lengthOf(text), pieces: [],
    };
  }
  const risen = withStatus(named, status.status);
  if (status.attempt === run.attempt && lengthOf(status.text) <= run.length) {
    // The gap before the pieces is closed by nothing: they are of a text that is no more.
    return { ...risen, pieces: run.pieces.filter((piece) => piece.seq > status.seq) };
  }
  return withText({
    ...risen,
    attempt: status.attempt,
    text_seq: Math.max(run.text_seq, status.seq),
    pieces: run.pieces.filter((piece) => piece.seq > status.seq),
  }, status.text);
}

/** The finished answer as the thread's history has it. */
export function withAnswer(run, message) {
  return {
    ...run, status: "completed", outcome: message.outcome ?? run.outcome ?? "success",
    answer_id: message.message_id, text: message.content, length: lengthOf(message.content),
    pieces: [], truncated: message.truncated === true,
  };
}
