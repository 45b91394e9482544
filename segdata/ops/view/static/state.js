// What the page shows: `about` of the dataset, the `query` (filters and order), the selection, and how masks are painted.
// The query and the open image are in the part of the URL behind #, so that a link shows the same.

/** The state. Change it with the functions below; they tell all who listen. */
export const state = {
  about: null, // of /api/about
  query: [], // pairs [name, value], as /api/samples takes them
  open: null, // the id of the image that is open
  selected: new Set(), // ids
  regions: [], // [{id, row, y, x, height, width}]
  hidden: new Set(), // class ids whose pixels are not painted
  opacity: 0.55,
  outlines: false,
  colors: "dataset", // or "safe"
  of: "truth", // whose masks the grid shows: truth, or the number of a prediction
  size: 200, // how wide a cell of the grid wants to be
  theme: "system", // or light, dark
  facets: null, // of /api/facets, for the query
  total: null, // how many images fit
  highlight: null, // what the large view marks: {of, cell: [true name, given name]}, {of, bin} or {of, suspects}
  held: undefined, // the opacity that comes back when masks are not hidden any more
};

const OPEN = "open"; // the name of the open image in the URL

const listeners = new Map();

/** Call `heard` whenever one of these topics changes: about (the dataset was opened anew, or is whole), columns (analyses gave
 * some), query, open, selected, paint, of, facets, total, size, theme, tags, analyses, jobs, highlight. Returns a function that ends
 * it. */
export function listen(topics, heard) {
  for (const topic of [topics].flat()) listeners.set(topic, [...(listeners.get(topic) ?? []), heard]);
  return () => {
    for (const topic of [topics].flat()) listeners.set(topic, listeners.get(topic).filter((one) => one !== heard));
  };
}

/** Change fields of the state and tell who listens to a topic. `replace`: Back does not come back to what was before. An image that
 * is opened can be left by Back; the next one, and none, take its place. */
export function change(topic, fields = {}, { replace = false } = {}) {
  const before = state.open;
  Object.assign(state, fields);
  if (topic === "query" || topic === "open") writeHash(topic === "open" ? before !== null : replace);
  for (const heard of listeners.get(topic) ?? []) heard(state);
}

/** The values of one name in the query. */
export function values(name) {
  return state.query.filter(([key]) => key === name).map(([, value]) => value);
}

/** Replace all values of one name in the query. `replace`: as `change`. */
export function setValues(name, wanted, options = {}) {
  const rest = state.query.filter(([key]) => key !== name);
  change("query", { query: [...rest, ...wanted.map((value) => [name, value])] }, options);
}

/** Read the query and the open image from the URL. Returns the topics that changed. */
export function readHash() {
  const { query, open } = parsed();
  const topics = [hashOf(query) === hashOf(state.query) ? [] : "query", open === state.open ? [] : "open"].flat();
  Object.assign(state, { open, query });
  return topics;
}

function parsed() {
  const pairs = [...new URLSearchParams(location.hash.slice(1))];
  const open = pairs.find(([name]) => name === OPEN)?.[1] ?? null;
  return { query: pairs.filter(([name]) => name !== OPEN), open };
}

/** The part of the URL behind # of a query and an open image. */
export function hashOf(query, open = null) {
  const pairs = new URLSearchParams(query);
  if (open !== null) pairs.append(OPEN, open);
  return `#${pairs}`;
}

/** Write it, unless the URL says the same already, maybe in another spelling. Entries of the history are marked: `opened` is an
 * image that was opened from the entry before; once it is closed the entry shows the same as that one, and what comes next takes
 * its place. */
function writeHash(replace) {
  const [hash, there] = [hashOf(state.query, state.open), parsed()];
  if (hash === hashOf(there.query, there.open)) return;
  const address = `${location.pathname}${location.search}${hash}`;
  if (replace || history.state === "closed") history.replaceState(markOf(there.open), "", address);
  else history.pushState(markOf(there.open), "", address);
}

function markOf(before) {
  if (state.open !== null) return before === null ? "opened" : history.state;
  return before !== null && history.state === "opened" ? "closed" : null;
}
