// The filters that hold, as chips that can be taken away, and how many images fit.

import { count, failed, h, note } from "./dom.js";
import { change, hashOf, listen, state } from "./state.js";
import { filterWords } from "./words.js";

/** Show them above the images. */
export function mount(root) {
  const total = h("p", { id: "total", role: "status" });
  const list = h("ul", { class: "chips", "aria-label": "Filters that hold" });
  const reset = h("button", { class: "plain", onclick: () => change("query", { query: state.query.filter(([name]) => name === "sort") }) }, "Reset");
  const link = h("button", { class: "plain", onclick: () => copyLink(false) }, "Copy link");
  root.append(total, list, reset, link);
  const show = () => {
    const filters = state.query.filter(([name]) => name !== "sort");
    list.replaceChildren(...chipsOf(filters));
    list.hidden = reset.hidden = !filters.length;
  };
  listen(["query", "about", "columns"], show);
  listen(["total", "about"], () => (total.textContent = totalWords()));
}

function totalWords() {
  const { samples } = state.about;
  const all = `${count(samples)} image${samples === 1 ? "" : "s"}`;
  if (state.total === null && state.query.some(([name]) => name !== "sort")) return `- of ${all}`;
  if (state.total === null || state.total === state.about.samples) return all;
  return `${count(state.total)} of ${all}`;
}

/** One each; many ids have one together. */
function chipsOf(filters) {
  const ids = filters.filter(([name]) => name === "id");
  if (ids.length < 4) return filters.map((pair) => chip(filterWords(pair), [pair]));
  const others = filters.filter(([name]) => name !== "id").map((pair) => chip(filterWords(pair), [pair]));
  return [...others, chip(`${count(ids.length)} ids`, ids)];
}

function chip(words, pairs) {
  const off = () => change("query", { query: state.query.filter((one) => !pairs.includes(one)) });
  return h("li", {}, h("span", { title: words }, h("bdi", {}, words)), h("button", { "aria-label": `Take the filter away: ${words}`, onclick: off }, "×"));
}

/** A link to what is shown. The token is left out unless it is asked for: whoever has it can look, and act. */
async function copyLink(withToken) {
  const query = withToken ? location.search : "";
  const link = `${location.origin}${location.pathname}${query}${hashOf(state.query, state.open)}`;
  const token = new URLSearchParams(location.search).has("token");
  const actions = token && !withToken ? [["Copy with the token", () => copyLink(true)]] : [];
  const said = withToken ? "with the token: whoever has it can look, and act" : token ? "without the token: it opens in this browser" : "";
  try {
    await navigator.clipboard.writeText(link);
    note(`Copied the link${said && `, ${said}`}.`, "note", { key: "link", actions });
  } catch (error) {
    if (navigator.clipboard && error.name !== "NotAllowedError") failed(error);
    note(`This browser does not let the page copy. The link: ${link}`, "warning", { key: "link", actions });
  }
}
