// What the page shows: `about` of the dataset, the `query` (filters and order), the selection, and how masks are painted.
// The query and the open image are in the part of the URL behind #, so that a link shows the same.

/** The state. Change it with the functions below; they tell all who listen. */
export const state = {
  about: null, // of /api/about
  query: [], // pairs [name, value], as /api/samples takes them
  open: null, // the id of the image that is open
  selected: new Set(), // ids
  regions: [], // selected regions: {id, row, y, x, height, width}
  hidden: new Set(), // class ids whose pixels are not painted
  opacity: 0.55,
  outlines: false,
  colors: "dataset", // or "safe"
  of: "truth", // whose masks the grid shows: truth, or the number of a prediction
};

const listeners = new Map();

/** Call `heard` whenever one of these topics changes: about, query, open, selected, paint. */
export function listen(topics, heard) {
  for (const topic of [topics].flat()) listeners.set(topic, [...(listeners.get(topic) ?? []), heard]);
}

/** Change fields of the state and tell who listens to a topic. */
export function change(topic, fields = {}) {
  Object.assign(state, fields);
  if (topic === "query" || topic === "open") writeHash();
  for (const heard of listeners.get(topic) ?? []) heard(state);
}

/** The values of one name in the query. */
export function values(name) {
  return state.query.filter(([key]) => key === name).map(([, value]) => value);
}

/** Replace all values of one name in the query. */
export function setValues(name, wanted) {
  const rest = state.query.filter(([key]) => key !== name);
  change("query", { query: [...rest, ...wanted.map((value) => [name, value])] });
}

/** Read the query and the open image from the URL. */
export function readHash() {
  const pairs = [...new URLSearchParams(location.hash.slice(1))];
  state.open = pairs.find(([name]) => name === "id")?.[1] ?? null;
  state.query = pairs.filter(([name]) => name !== "id");
}

function writeHash() {
  const pairs = new URLSearchParams(state.query);
  if (state.open !== null) pairs.append("id", state.open);
  history.replaceState(null, "", `${location.pathname}${location.search}#${pairs}`);
}
