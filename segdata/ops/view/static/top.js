// The head of the page: what is looked at, text to search for, the order, and how masks are painted.

import { h, later } from "./dom.js";
import { register, showHelp } from "./keys.js";
import { nextTheme } from "./prefs.js";
import { change, listen, setValues, state, values } from "./state.js";
import { classColumns, columnOf, orderWords } from "./words.js";

const MANY = 300; // classes that a list of orders names

const NARROW = matchMedia("(max-width: 900px)");

/** Show it, and let its buttons open the panels. */
export function mount(root) {
  const { name, root: folder } = state.about;
  root.append(
    h("div", { class: "bar" }, panelButton("filters", "Filters", "f"), h("h1", { title: folder }, name), search(), h("span", { class: "gap" }), numbersButton(), h("button", { onclick: () => showHelp(), title: "?" }, "Keys"), themeButton(), panelButton("side", "Classes", "c")),
    h("div", { class: "bar tools", role: "toolbar", "aria-label": "Order and masks" }, order(), size(), masks(), opacity(), outlines(), colors()),
  );
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the part of the URL behind # is the query
    document.querySelector("#grid").focus();
  });
  NARROW.addEventListener("change", layPanels);
  layPanels();
  maskKeys();
}

function search() {
  const input = h("input", { type: "search", placeholder: "Search ids", "aria-label": "Search ids", title: "/", autocomplete: "off", spellcheck: "false" });
  const typed = later(() => setValues("text", input.value ? [input.value] : [], { replace: true }), 180);
  input.addEventListener("input", typed);
  input.addEventListener("keydown", (event) => event.key === "Escape" && !input.value && document.querySelector("#grid").focus());
  const show = () => {
    const now = values("text")[0] ?? "";
    if (input.value !== now) input.value = now; // also under the hands of who types: Back changes it
  };
  listen("query", show);
  show();
  register({ key: "/", text: "Search ids", run: () => input.select() });
  return h("span", { class: "search" }, input);
}

function order() {
  const select = h("select", { "aria-label": "Order" });
  const way = h("button", { class: "way", onclick: () => sortBy(select.value, !descending()) });
  select.addEventListener("change", () => sortBy(select.value, select.value !== "id" && !columnOf(select.value)?.low_is_bad)); // the worst first
  const show = () => {
    const now = (values("sort")[0] ?? "").replace(/^-/, "");
    select.replaceChildren(...orders(now));
    select.value = now;
    way.hidden = now === "";
    way.textContent = descending() ? "↓" : "↑";
    way.setAttribute("aria-label", descending() ? "Highest first" : "Lowest first");
    way.title = way.getAttribute("aria-label");
  };
  listen(["query", "about", "columns"], show);
  return h("label", {}, "Sort ", select, way);
}

const descending = () => (values("sort")[0] ?? "").startsWith("-");

function sortBy(name, down) {
  setValues("sort", name ? [`${down ? "-" : ""}${name}`] : []);
}

function orders(now) {
  const option = (name, text = orderWords(name)) => h("option", { value: name }, text);
  const group = (label, names) => (names.length ? [h("optgroup", { label }, ...names.map((name) => option(name)))] : []);
  const columns = (state.about.columns ?? []).map(({ name }) => name);
  const each = state.about.classes.length > MANY ? [] : classColumns().map(({ name }) => name);
  const used = ["cell", "bin", "duplicates"].filter((name) => values(name).length);
  const classes = state.about.classes.slice(0, MANY).map(({ name }) => `class.${name}`);
  const known = ["", "id", "size", "ignore", "split", "group", ...used, ...columns, ...each, ...classes];
  return [
    option("", "as in the dataset"), ...["id", "size", "ignore", "split", "group", ...used].map((name) => option(name)),
    ...(known.includes(now) ? [] : [option(now)]),
    ...group("Of a prediction", columns.filter((name) => !name.includes("."))),
    ...group("Share of a class", classes),
    ...group("IoU of a class", each),
  ];
}

function size() {
  const input = h("input", { type: "range", min: "96", max: "512", step: "8", value: state.size, "aria-label": "Size of the thumbnails" });
  input.addEventListener("input", () => change("size", { size: Number(input.value) }));
  const by = (step) => () => change("size", { size: Math.max(96, Math.min(512, state.size + step)) });
  listen("size", () => (input.value = state.size));
  register({ key: ["+", "="], text: "Larger thumbnails", run: by(32), shown: "+" });
  register({ key: "-", text: "Smaller thumbnails", run: by(-32) });
  return h("label", {}, "Size ", input);
}

/** Whose masks: the truth's, or those of one of the predictions. */
const sources = () => ["truth", ...state.about.preds.map((_, i) => String(i))];

function showOf(of) {
  change("of", { of });
  change("paint");
}

function masks() {
  const select = h("select", { "aria-label": "Whose masks" }, ...sources().map((of) => h("option", { value: of }, of === "truth" ? "truth" : state.about.preds[Number(of)].name)));
  select.addEventListener("change", () => showOf(select.value));
  listen("of", () => (select.value = state.of));
  const label = h("label", {}, "Masks ", select);
  label.hidden = sources().length === 1;
  return label;
}

/** A slider of how strong masks are. */
export function opacity() {
  const input = h("input", { type: "range", min: "0", max: "100", step: "1", "aria-label": "Opacity of the masks" });
  const show = () => (input.value = Math.round(100 * state.opacity));
  input.addEventListener("input", () => change("paint", { opacity: Number(input.value) / 100 }));
  listen("paint", show);
  show();
  return h("label", {}, "Opacity ", input);
}

/** A button that outlines regions. */
export function outlines() {
  const button = h("button", { onclick: () => change("paint", { outlines: !state.outlines }), title: "l" }, "Outlines");
  const show = () => button.setAttribute("aria-pressed", state.outlines);
  listen("paint", show);
  show();
  return button;
}

function colors() {
  const swap = () => change("paint", { colors: state.colors === "safe" ? "dataset" : "safe" });
  const button = h("button", { onclick: swap, title: "Colours that colour-blind people can tell apart, instead of the dataset's" }, "Safe colours");
  const show = () => button.setAttribute("aria-pressed", state.colors === "safe");
  listen("paint", show);
  show();
  register({ key: "k", text: "Colours of the dataset, or safe for colour-blind people", run: swap });
  return button;
}

function maskKeys() {
  const step = (by) => () => change("paint", { opacity: Math.max(0, Math.min(1, Math.round(20 * (state.opacity + by)) / 20)) });
  const hold = (event) => {
    if (event.repeat || state.held !== undefined) return;
    state.held = state.opacity;
    change("paint", { opacity: 0 });
  };
  const release = () => {
    if (state.held === undefined) return;
    const opacity = state.held;
    delete state.held;
    change("paint", { opacity });
  };
  const next = (by) => () => showOf(sources()[(sources().indexOf(state.of) + by + sources().length) % sources().length]);
  for (const where of ["page", "sample"]) {
    const told = where === "page";
    register({ key: "o", text: told && "Hide the masks while it is held", where, run: hold, up: release });
    register({ key: "[", text: told && "Masks fainter", where, run: step(-0.1) });
    register({ key: "]", text: told && "Masks stronger", where, run: step(0.1) });
    register({ key: "l", text: told && "Outlines", where, run: () => change("paint", { outlines: !state.outlines }) });
  }
  register({ key: "t", text: "Masks of the truth", run: () => showOf("truth") });
  register({ key: "p", text: "Masks of the next prediction", run: next(1) });
  addEventListener("blur", release);
}

function numbersButton() {
  const section = document.querySelector("#numbers");
  const button = h("button", { "aria-controls": "numbers", title: "n" }, "Numbers");
  const toggle = () => (section.hidden = !section.hidden);
  button.addEventListener("click", toggle);
  const show = () => button.setAttribute("aria-expanded", !section.hidden);
  new MutationObserver(show).observe(section, { attributeFilter: ["hidden"] });
  show();
  register({ key: "n", text: "Numbers", run: toggle });
  return button;
}

function themeButton() {
  const button = h("button", { class: "theme", onclick: nextTheme });
  const show = () => {
    button.setAttribute("aria-label", `Light or dark: ${state.theme === "system" ? "as the system" : state.theme}`);
    button.title = button.getAttribute("aria-label");
  };
  listen("theme", show);
  show();
  return button;
}

function panelButton(id, text, key) {
  const panel = document.getElementById(id);
  const button = h("button", { "aria-controls": id, title: key, onclick: () => showPanel(id, panel.hidden) }, text);
  const show = () => button.setAttribute("aria-expanded", !panel.hidden);
  new MutationObserver(show).observe(panel, { attributeFilter: ["hidden"] });
  show();
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !NARROW.matches) return;
    event.preventDefault(); // on the page it clears the selection
    showPanel(id, false);
  });
  register({ key, text, run: () => showPanel(id, panel.hidden) });
  return button;
}

/** Show or hide a panel. Where there is no room beside the images it lies over them, one at a time. */
function showPanel(id, on) {
  const panel = document.getElementById(id);
  if (NARROW.matches && on) for (const other of ["filters", "side"]) document.getElementById(other).hidden = true;
  panel.hidden = !on;
  if (on && NARROW.matches) panel.focus();
  if (!on && NARROW.matches) document.querySelector(`#top [aria-controls="${id}"]`).focus();
}

function layPanels() {
  for (const id of ["filters", "side"]) document.getElementById(id).hidden = NARROW.matches;
}
