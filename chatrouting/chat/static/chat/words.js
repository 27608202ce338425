// What the page says: sentences for codes.

const OUTCOMES = {
  failed: "The agent could not finish.",
  cancelled: "Stopped.",
  timeout: "The agent took too long and was cut off.",
  lost: "The answer was interrupted.",
};

const ERRORS = {
  invalid_payload: "The server did not accept this message",
  frame_too_large: "This message is too large",
  not_found: "There is no such conversation.",
  permission_denied: "You may not do this.",
  busy: "The agent is busy; try again in a moment.",
  rate_limited: "Too many messages at once; try again in a moment.",
  overloaded: "The server is very busy; try again in a moment.",
  circuit_open: "This does not work at present; try again in a moment.",
  handler_timeout: "The server took too long; try again.",
  no_answer: "No answer came from the server; try again.",
  internal: "Something went wrong on the server; try again.",
};
const WITH_DETAIL = new Set(["invalid_payload", "frame_too_large"]);

const TOOL_STATES = {
  running: "running…",
  ok: "done",
  error: "failed",
  timeout: "took too long",
  invalid_arguments: "bad arguments",
  denied: "denied",
  interrupted: "interrupted",
  waiting: "waits for a decision",
  decided: "decided",
};

export const outcomeWords = (outcome) => OUTCOMES[outcome] ?? "";

export const toolWords = (status) => TOOL_STATES[status] ?? status;

export function errorWords({ code, message }) {
  const words = ERRORS[code] ?? message ?? ERRORS.internal;
  return WITH_DETAIL.has(code) && message ? `${words}: ${message}` : words;
}

export function queueWords(position) {
  return position === 1 ? "Waiting: next in this conversation." : `Waiting: number ${position} in this conversation.`;
}

export function durationWords(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "";
  return milliseconds < 1000 ? `${milliseconds} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

const CLOCK = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hour12: false });

export const timeWords = (timestamp) => CLOCK.format(new Date(timestamp));

/** Who is typing, in words; nothing where nobody is. */
export function typingWords(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing…`;
  return names.length === 2 ? `${names[0]} and ${names[1]} are typing…` : "Several people are typing…";
}
