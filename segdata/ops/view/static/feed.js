// The samples that fit the query, by their place in its order: asked for in batches when they come into sight.

import { get } from "./api.js";

const BATCH = 96;

const KEPT = 60; // batches

/** The samples of one query. `heard(answer)` is told of each batch, `failed(error)` of what went wrong. */
export class Feed {
  constructor(query, heard, failed) {
    Object.assign(this, { query, heard, failed, total: null });
    this.batches = new Map();
    this.asked = new Map();
  }

  /** The sample of a place; undefined if it is not here yet. */
  at(place) {
    return this.batches.get(Math.floor(place / BATCH))?.[place % BATCH];
  }

  /** Ask for what is missing between two places; what was asked for elsewhere is not needed any more. */
  need(first, last) {
    const [from, to] = [Math.floor(first / BATCH), Math.floor(Math.max(first, last) / BATCH)];
    for (const [number, asked] of this.asked) {
      if (number >= from - 1 && number <= to + 1) continue;
      asked.abort();
      this.asked.delete(number);
    }
    for (let number = from; number <= to; number++) {
      if (!this.batches.has(number) && !this.asked.has(number)) this.ask(number);
    }
  }

  /** End it. */
  stop() {
    for (const asked of this.asked.values()) asked.abort();
    this.stopped = true;
  }

  async ask(number) {
    const asked = new AbortController();
    this.asked.set(number, asked);
    try {
      const answer = await get("api/samples", [...this.query, ["start", number * BATCH], ["count", BATCH]], asked.signal);
      if (this.stopped) return;
      this.keep(number, answer.samples);
      this.total = answer.total;
      this.heard(answer);
    } catch (error) {
      if (!this.stopped && error.name !== "AbortError") this.failed(error);
    } finally {
      if (this.asked.get(number) === asked) this.asked.delete(number);
    }
  }

  keep(number, samples) {
    this.batches.set(number, samples);
    if (this.batches.size > KEPT) this.batches.delete(this.batches.keys().next().value);
  }
}
