// The messages of one thread, in the server's order. Pure.
//
// A page of history is in order and without gaps; a question told by an event comes after all that
// history knew. Answers told by events are kept with their run.

export const newConversation = () => ({ loaded: false, more: false, missing: false, messages: [] });

const timeOf = (message) => Date.parse(message.created_at);

export function withQuestion(conversation, event, runId) {
  const { payload, ts } = event;
  if (conversation.messages.some((known) => known.message_id === payload.message_id)) {
    return conversation;
  }
  const message = {
    client_id: payload.client_id, message_id: payload.message_id, role: payload.role, author: payload.author,
    content: payload.content, run_id: runId, created_at: ts,
  };
  const [oldest] = conversation.messages;
  const isOlder = conversation.loaded && conversation.more && oldest
    && timeOf(message) < timeOf(oldest);
  return isOlder ? conversation : { ...conversation, messages: [...conversation.messages, message] };
}

/** The question is told before it is known which run answers it. */
export function withRunOf(conversation, messageId, runId) {
  const isMeant = (message) => message.message_id === messageId && message.run_id === null;
  if (!conversation.messages.some(isMeant)) return conversation;
  const messages = conversation.messages.map((message) =>
    isMeant(message) ? { ...message, run_id: runId } : message);
  return { ...conversation, messages };
}

/**
 * A page of history. `before`: the oldest message known when an earlier page was asked for; without
 * it the page is the newest, and what is older than it and not in it is forgotten, as there may be a
 * gap between.
 */
export function withPage(conversation, page, before) {
  const known = new Map(conversation.messages.map((message) => [message.message_id, message]));
  const messages = page.messages.map((message) => {
    const { client_id: clientId } = known.get(message.message_id) ?? {};
    known.delete(message.message_id);
    return { ...message, client_id: clientId };
  });
  const others = [...known.values()];
  if (before) return { ...conversation, more: page.more, messages: [...messages, ...others] };
  const [first] = messages;
  const newer = others.filter((message) => !first || timeOf(message) >= timeOf(first));
  return { loaded: true, missing: false, more: page.more, messages: [...messages, ...newer] };
}

/** Questions with their runs, and answers whose question is on an earlier page. */
export function turnsOf(conversation, runs) {
  const asked = new Set(
    conversation.messages.filter((message) => message.role === "user").map((m) => m.run_id),
  );
  const turns = [];
  for (const message of conversation.messages) {
    const key = message.client_id ?? message.message_id;
    const run = runs[message.run_id ?? message.message_id] ?? null;
    if (message.role === "user") turns.push({ key, question: message, run });
    else if (!message.run_id || !asked.has(message.run_id)) turns.push({ key, question: null, run });
  }
  return turns;
}
