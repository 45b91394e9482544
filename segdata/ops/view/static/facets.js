// What the images that fit have: counts of splits, classes, columns and tags, for whoever shows them.

import { get } from "./api.js";
import { change, listen, state } from "./state.js";

let asked = null;

/** Ask again whenever the query or the dataset changes. */
export function mount() {
  listen(["query", "about", "tags"], ask);
}

async function ask() {
  asked?.abort();
  asked = new AbortController();
  const filters = state.query.filter(([name]) => name !== "sort");
  try {
    const facets = await get("api/facets", filters, asked.signal);
    change("facets", { facets });
  } catch (error) {
    // the grid asks for the same query, and says why it fails
    if (error.name !== "AbortError") change("facets", { facets: null });
  }
}
