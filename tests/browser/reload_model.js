// Every way in which a page can be opened while a run is at work: it hears the events after `heard`,
// the history is true at `history` and comes when the page is at `historyAt`, `run_status` likewise.
// Gives a line for each moment at which the page shows a text that is not the run's.
async (folder) => {
  const { emptyState, gapsOf, reduce } = await import(`${folder}state.js`);
  const { turnsOf } = await import(`${folder}conversation.js`);
  const THREAD = "t";
  const RUN = "r";
  const NEVER = 99;

  const happened = [
    ["message_added", { message_id: "q", role: "user", author: { user_id: "1", name: "a" }, content: "?" }],
    ["run_queued", { position: 1 }],
    ["agent_started", { agent: "demo", attempt: 1, message_id: "a", question_id: "q" }],
    ["agent_delta", { position: 0, text: "old 😀 " }],
    ["agent_delta", { position: 6, text: "text that is " }],
    ["agent_delta", { position: 19, text: "longer" }],
    ["agent_started", { agent: "demo", attempt: 2, message_id: "a", question_id: "q" }],
    ["tool_executing", { call_id: "c", tool: "clock", arguments: {} }],
    ["tool_completed", { call_id: "c", tool: "clock", status: "ok", result: 1, duration_ms: 1 }],
    ["agent_delta", { position: 0, text: "new" }],
    ["agent_delta", { position: 3, text: " 😀" }],
    ["agent_delta", { position: 5, text: " end" }],
    ["agent_completed", {
      outcome: "success", content: "new 😀 end", message_id: "a", attempt: 2, duration_ms: 9, tools_used: [],
    }],
  ];
  const events = happened.map(([type, payload], index) => ({
    type, payload, seq: index + 1, thread_id: THREAD, ts: "2026-01-01T00:00:00.000Z",
    ...(type === "message_added" ? {} : { run_id: RUN }),
  }));
  const last = events.length;

  /** What the server knows at an event. */
  function truthAt(seq) {
    const truth = { text: "", attempt: 0, status: "running" };
    for (const { type, payload } of events.slice(0, seq)) {
      if (type === "run_queued") truth.status = "queued";
      if (type === "agent_started") Object.assign(truth, { text: "", attempt: payload.attempt, status: "running" });
      if (type === "agent_delta") truth.text += payload.text;
      if (type === "agent_completed") truth.status = "completed";
    }
    return truth;
  }

  function historyAt(seq) {
    const common = { run_id: RUN, created_at: "2026-01-01T00:00:00.000Z" };
    const messages = [];
    if (seq >= 1) messages.push({ ...common, message_id: "q", role: "user", content: "?", author: { user_id: "1", name: "a" } });
    if (seq >= last) {
      messages.push({
        ...common, message_id: "a", role: "agent", content: truthAt(seq).text, outcome: "success",
        author: { user_id: null, name: "demo" },
      });
    }
    return { type: "thread_history", thread_id: THREAD, messages, more: false };
  }

  function statusAt(seq) {
    const outcome = seq >= last ? { outcome: "success" } : {};
    return { type: "run_status", run_id: RUN, thread_id: THREAD, agent: "demo", seq, ...truthAt(seq), ...outcome };
  }

  const wrong = [];
  function follow(heard, history, historySeen, status, statusSeen) {
    const name = JSON.stringify({ heard, history, historySeen, status, statusSeen });
    let state = reduce(emptyState(), { type: "select", thread_id: THREAD });
    let known = heard;
    for (let seen = heard; seen <= last; seen += 1) {
      if (seen > heard) state = reduce(state, { type: "event", event: events[seen - 1] });
      if (seen === historySeen) state = reduce(state, historyAt(history));
      if (seen === statusSeen) state = reduce(state, statusAt(status));
      if (seen >= statusSeen) known = Math.max(known, status);
      if (seen >= historySeen && history === last) known = last;
      known = Math.max(known, seen);
      check(name, state, seen, known, historySeen);
    }
  }

  function check(name, state, seen, known, historySeen) {
    const messages = state.conversations[THREAD].messages;
    const questions = messages.filter((message) => message.role === "user");
    if (questions.length > 1) wrong.push(`${name} at ${seen}: the question twice`);
    if (seen < historySeen) return;
    if (gapsOf(state).some(({ type }) => type === "run_status")) {
      if (seen === last) wrong.push(`${name}: unclear at the end`);
      return;
    }
    const run = state.runs[RUN];
    const truth = truthAt(known);
    const shown = run ? run.text : "";
    if (shown !== truth.text) wrong.push(`${name} at ${seen}: ${shown} instead of ${truth.text}`);
    const turns = turnsOf(state.conversations[THREAD], state.runs);
    if (seen === last && (turns.length !== 1 || turns[0].run !== run)) wrong.push(`${name}: not one turn`);
    if (seen === last && run?.status !== "completed") wrong.push(`${name}: not completed`);
    if (seen === last && run?.steps.some((step) => step.status === "running")) wrong.push(`${name}: a tool without end`);
  }

  let count = 0;
  for (let heard = 0; heard <= last; heard += 1) {
    for (let history = Math.max(1, heard); history <= last; history += 1) {
      for (let historySeen = heard; historySeen <= last; historySeen += 1) {
        for (let status = heard; status <= last; status += 1) {
          for (const statusSeen of [historySeen, ...after(historySeen), NEVER]) {
            follow(heard, history, historySeen, status, statusSeen);
            count += 1;
          }
        }
      }
    }
  }

  function after(seen) {
    return Array.from({ length: last - seen }, (_, index) => seen + 1 + index);
  }

  return { count, wrong: wrong.slice(0, 10) };
}
