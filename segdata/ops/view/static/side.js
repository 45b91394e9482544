// The classes: their colours, how often they are, and which are painted.

import { count, fine, h } from "./dom.js";
import { toggleClass } from "./filters.js";
import { register } from "./keys.js";
import { colorOf } from "./paint.js";
import { change, listen, state, values } from "./state.js";

const MANY = 12; // more classes have a field that finds them

const BAR = 106; // pixels of a bar for all pixels

const lines = new Map(); // class id -> its parts

/** Show the panel. */
export function mount(root) {
  listen("about", () => build(root));
  listen("paint", paint);
  listen(["facets", "query"], update);
  const all = (hidden) => () => hide(hidden);
  for (let place = 0; place < 9; place++) register({ key: String(place + 1), text: place ? "" : "Class 1 to 9 on or off", shown: "1 - 9", run: () => flip(state.about.classes[place]?.id) });
  register({ key: "a", text: "All classes", run: all([]) });
  register({ key: "0", text: "No class, or all", run: () => hide(state.hidden.size ? [] : everything()) });
}

const everything = () => [...state.about.classes.map(({ id }) => id), state.about.ignore];

function hide(ids) {
  change("paint", { hidden: new Set(ids) });
}

/** Paint a class, or no longer. */
export function flip(id) {
  if (id === undefined) return;
  const rest = [...state.hidden].filter((one) => one !== id);
  hide(state.hidden.has(id) ? rest : [...rest, id]);
}

/** Only this class; all of them if it is the only one. */
function only(id) {
  const others = everything().filter((one) => one !== id);
  hide(others.every((one) => state.hidden.has(one)) && !state.hidden.has(id) ? [] : others);
}

function build(root) {
  lines.clear();
  const { classes, ignore } = state.about;
  const list = h("ul", { class: "classes" }, ...classes.map((label) => line(label.id, label.name)), line(ignore, "ignored"));
  const find = h("input", { type: "search", placeholder: `Find in ${count(classes.length)} classes`, "aria-label": "Find a class" });
  find.addEventListener("input", () => lines.forEach(({ element, name }) => (element.hidden = !name.toLowerCase().includes(find.value.toLowerCase()))));
  const buttons = h("div", { class: "buttons" }, h("button", { onclick: () => hide([]) }, "All"), h("button", { onclick: () => hide(everything()) }, "None"));
  root.replaceChildren(h("header", {}, h("h2", {}, "Classes"), buttons), ...(classes.length > MANY ? [find] : []), heads(list), list);
  paint();
  update();
}

/** Buttons that order the classes by what is below them. */
function heads(list) {
  const orders = { id: (one) => one.at, images: (one) => -one.samples, pixels: (one) => -one.pixels };
  const buttons = Object.entries(orders).map(([name, order]) => {
    const sort = () => {
      list.append(...[...lines.values()].sort((a, b) => order(a) - order(b) || a.at - b.at).map(({ element }) => element));
      for (const other of buttons) other.setAttribute("aria-pressed", other === button);
    };
    const button = h("button", { class: "plain", "aria-label": `Order by ${name}`, "aria-pressed": name === "id", onclick: sort }, name);
    return button;
  });
  return h("div", { class: "heads" }, ...buttons);
}

function line(id, name) {
  const box = h("input", { type: "checkbox", "aria-label": `Paint ${name}` });
  box.addEventListener("change", () => flip(id));
  const swatch = h("span", { class: id === state.about.ignore ? "swatch hatched" : "swatch" });
  const value = id === state.about.ignore ? "ignore" : name;
  const text = h("button", { class: "name", title: `Images with ${name}`, onclick: () => toggleClass(value) }, h("span", { dir: "auto" }, name), h("span", { class: "number" }, String(id)));
  const single = h("button", { class: "only plain", "aria-label": `Only ${name}`, onclick: () => only(id) }, "only");
  const [images, share, bar] = [h("span", { class: "number" }), h("span", { class: "number" }), h("span", { class: "share" })];
  const element = h("li", { "data-class": id }, box, swatch, text, single, images, share, bar);
  lines.set(id, { at: lines.size, samples: 0, pixels: 0, element, name, value, box, swatch, text, images, share, bar });
  return element;
}

function paint() {
  for (const [id, { box, swatch, element }] of lines) {
    box.checked = !state.hidden.has(id);
    element.classList.toggle("off", state.hidden.has(id));
    if (id !== state.about.ignore) swatch.style.background = `rgb(${colorOf(id).join(" ")})`;
  }
}

function update() {
  const found = new Map((state.facets?.classes ?? []).map((one) => [one.id, one]));
  const all = [...found.values()].reduce((sum, { pixels }) => sum + pixels, 0);
  const chosen = values("class");
  for (const [id, line] of lines) {
    const { samples = 0, pixels = 0 } = found.get(id) ?? {};
    const { value, text, images, share, bar } = Object.assign(line, { samples, pixels });
    text.setAttribute("aria-pressed", chosen.includes(value));
    images.textContent = state.facets ? count(samples) : "";
    share.textContent = state.facets ? fine(pixels / (all || 1)) : "";
    bar.style.width = `${Math.ceil((BAR * pixels) / (all || 1))}px`;
  }
}
