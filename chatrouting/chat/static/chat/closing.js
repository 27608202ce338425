// What to do after a socket has ended: the range of the close code says it, so that an unknown code
// is safe. A code below 4000 is the network's or the browser's.

const RANGES = [
  { from: 4000, to: 4099, action: "stop" },
  { from: 4100, to: 4199, action: "backoff" },
  { from: 4200, to: 4299, action: "resume" },
  { from: 4400, to: 4499, action: "login" },
];
const FIRST_MS = 500;
const LONGEST_MS = 20_000;
const RESUME_MS = [0, 1000];

export const REPLACED = 4006;

const STOPPED = {
  4003: "You may not use this chat.",
  4004: "An operator has disconnected this page.",
  4005: "This account is disabled.",
  [REPLACED]: "The chat is open in too many places, so this page was disconnected.",
  4010: "The server has refused this page. Reload it.",
};

export const actionAfter = (code) =>
  RANGES.find(({ from, to }) => code >= from && code <= to)?.action ?? "backoff";

export const reasonOf = (code) => STOPPED[code] ?? "The server has ended the connection.";

/** Full jitter: anything from nothing to a limit that doubles, so that clients do not come at once. */
export function backoffMs(attempts, random = Math.random) {
  return random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempts, 10));
}

export function resumeMs(bye, random = Math.random) {
  const [from, to] = bye?.after_ms ?? RESUME_MS;
  return from + random() * (to - from);
}
