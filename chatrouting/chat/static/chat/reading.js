// Asks the server for what the state lacks, one question at a time for each gap.

import { gapsOf } from "./state.js";

const RETRY_MS = 2_000;
const SETTLE_MS = 300;

export class Reading {
  constructor(store, requests) {
    this.store = store;
    this.requests = requests;
    this.asked = new Set();
    this.isOpen = false;
    store.onChange(() => this.look());
  }

  /** Whether a socket is there; before its welcome nothing may be known to be missing. */
  set open(value) {
    this.isOpen = value;
    if (value) this.look();
  }

  look() {
    if (!this.isOpen) return;
    for (const gap of gapsOf(this.store.state)) {
      if (!this.asked.has(gap.key)) this.ask(gap);
    }
  }

  async ask({ key, type, payload }) {
    this.asked.add(key);
    let pause = SETTLE_MS;
    try {
      this.store.dispatch(...taken(payload, type, await this.requests.ask(type, payload)));
    } catch (error) {
      if (error.code === "not_found") this.gone(payload);
      else pause = RETRY_MS;
    }
    setTimeout(() => {
      this.asked.delete(key);
      this.look();
    }, pause);
  }

  gone({ run_id: runId, thread_id: threadId }) {
    if (runId !== undefined) this.store.dispatch("run_gone", { run_id: runId });
    else if (threadId !== undefined) this.store.dispatch("thread_gone", { thread_id: threadId });
  }

  /** A page of what comes before `before`. */
  async earlier(type, payload) {
    const key = `${type} ${payload.before}`;
    if (this.asked.has(key)) return;
    await this.ask({ key, type, payload });
  }
}

/** The reply as the action of its name. */
function taken(payload, type, reply) {
  const name = type === "list_threads" ? "thread_list" : type;
  return [name, { ...reply, before: payload.before }];
}
