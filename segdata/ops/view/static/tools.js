// The bars above the panes: which image, what is shown, how large and how it is painted.

import { count, h } from "./dom.js";
import { store } from "./prefs.js";
import { change } from "./state.js";
import { opacity, outlines } from "./top.js";

const KEY = "segdata-panes";
const BASES = { color: "Colour", grey: "Grey", none: "None" };
const narrow = matchMedia("(max-width: 640px)");

/** `head` and `bar` are elements; `base` is what lies under masks. */
export class Tools {
  constructor(view) {
    Object.assign(this, { view, kinds: [], chosen: ["image", "truth", "pred0", "errors0"], sides: ["truth", "pred0"], swiping: false, base: "color", tab: null });
    Object.assign(this, known());
    this.head = this.makeHead();
    this.bar = this.makeBar();
    narrow.addEventListener("change", () => this.kinds.length && this.show());
  }

  makeHead() {
    const button = (label, text, run) => h("button", { "aria-label": label, title: label, onclick: run }, text);
    this.name = h("h2", {});
    this.where = h("span", { class: "faint" });
    this.before = button("Image before (k)", "‹", () => this.view.go(-1));
    this.after = button("Next image (j)", "›", () => this.view.go(1));
    const close = button("Close (Escape)", "×", () => change("open", { open: null }));
    return h("header", {}, this.name, this.where, this.before, this.after, close);
  }

  makeBar() {
    const { stage } = this.view;
    const button = (label, text, run) => h("button", { "aria-label": label, title: label, onclick: () => stage.scene && run() }, text);
    this.panes = h("div", { class: "choice", role: "group", "aria-label": "Panes" });
    this.halves = h("div", { class: "choice", role: "group", "aria-label": "Sides of the divider" });
    this.scale = h("output", { "aria-label": "Zoom" });
    const zooms = [button("Zoom out (-)", "−", () => stage.zoom(1 / 1.5)), this.scale, button("Zoom in (+)", "+", () => stage.zoom(1.5))];
    const fits = [button("Fit (0)", "Fit", () => stage.fit()), button("One to one (1)", "1:1", () => stage.look({ scale: 1 }))];
    this.under = h("select", { onchange: () => this.setBase(this.under.value) }, ...Object.entries(BASES).map(([value, text]) => h("option", { value }, text)));
    const paint = [h("label", {}, "Base ", this.under), opacity(), outlines()];
    return h("div", { class: "controls" }, this.panes, this.halves, h("div", { class: "choice", role: "group", "aria-label": "Zoom" }, ...zooms, ...fits), h("div", { class: "paint" }, ...paint));
  }

  title(id, place = null, total = 0) {
    this.name.textContent = id;
    this.where.textContent = place === null ? "" : `${count(place + 1)} of ${count(total)}`;
    this.before.disabled = place === null || place === 0;
    this.after.disabled = place === null || place + 1 >= total;
  }

  zoomed(scale) {
    const percent = 100 * scale;
    this.scale.textContent = `${percent < 10 ? percent.toFixed(1) : count(Math.round(percent))} %`;
  }

  /** Offer what an image can be shown as. */
  offer(kinds) {
    const same = String(kinds.map(({ name, title }) => name + title)) === String(this.kinds.map(({ name, title }) => name + title));
    this.kinds = kinds;
    this.under.value = this.base;
    this.under.closest("label").hidden = !kinds.some(({ name }) => name === "image");
    if (!same || !this.view.stage.panes.length) this.show();
  }

  /** The kinds of the panes: what was chosen, as far as there is such a thing. */
  wanted() {
    const there = (name) => this.kinds.find((kind) => kind.name === name);
    if (this.swiping) return [this.pair()];
    const chosen = this.chosen.map(there).filter(Boolean);
    const shown = chosen.length ? chosen : [this.kinds[0]];
    if (!narrow.matches) return this.kinds.filter((kind) => shown.includes(kind)).map((kind) => [kind]);
    return [[there(this.tab) ?? shown.find(({ name }) => name === "truth") ?? shown[0]]];
  }

  pair() {
    const there = (name) => this.kinds.find((kind) => kind.name === name);
    const left = there(this.sides[0]) ?? this.kinds[0];
    return [left, there(this.sides[1]) ?? this.kinds.find((kind) => kind !== left)].filter(Boolean);
  }

  /** Lay the panes anew, and the buttons that choose them. */
  show() {
    const panes = this.wanted();
    const names = panes.flat().map(({ name }) => name);
    const press = (name) => (narrow.matches ? this.only(name) : this.toggle(name));
    const one = ({ name, title }) => h("button", { "aria-pressed": String(!this.swiping && names.includes(name)), "data-name": name, onclick: () => press(name) }, title);
    const swipe = h("button", { "aria-pressed": String(this.swiping), "data-name": "swipe", title: "Two layers in one pane, with a divider (s)", onclick: () => this.swipe() }, "Swipe");
    this.held(this.panes, [...this.kinds.map(one), swipe]);
    this.halves.replaceChildren(...(this.swiping ? this.pair().map((kind, i) => this.half(kind, i)) : []));
    this.halves.hidden = !this.swiping;
    this.view.stage.show(panes);
    keep(this);
  }

  /** Replace buttons; the one that has the focus keeps it. */
  held(root, buttons) {
    const name = root.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    root.replaceChildren(...buttons);
    if (name) buttons.find((button) => button.dataset.name === name)?.focus();
  }

  half(kind, i) {
    const options = this.kinds.map(({ name, title }) => h("option", { value: name, selected: name === kind.name }, title));
    const choose = (event) => {
      this.sides = this.pair().map(({ name }) => name);
      this.sides[i] = event.target.value;
      this.show();
      this.halves.children[i].querySelector("select").focus();
    };
    return h("label", {}, i ? "Right " : "Left ", h("select", { onchange: choose }, ...options));
  }

  /** Have the panes of a prediction among those that are shown, in the place of another's. */
  include(of) {
    const names = this.wanted().flat().map(({ name }) => name);
    if (names.some((name) => name === `pred${of}` || name === `errors${of}`) || !this.kinds.some(({ name }) => name === `pred${of}`)) return;
    const swapped = (name) => name.replace(/^(pred|errors)\d+$/, `$1${of}`);
    this.chosen = [...new Set(this.chosen.map(swapped))];
    this.sides = this.sides.map(swapped);
    this.tab = this.tab && swapped(this.tab);
    this.show();
  }

  toggle(name) {
    const on = !this.swiping && this.chosen.includes(name);
    this.chosen = on ? this.chosen.filter((one) => one !== name) : [...this.chosen.filter((one) => one !== name), name];
    this.swiping = false;
    this.show();
  }

  only(name) {
    Object.assign(this, { tab: name, swiping: false });
    this.show();
  }

  swipe() {
    this.swiping = !this.swiping;
    this.show();
  }

  setBase(base) {
    this.base = this.under.value = base;
    keep(this);
    this.view.repaint();
  }

  nextBase() {
    const names = Object.keys(BASES);
    this.setBase(names[(names.indexOf(this.base) + 1) % names.length]);
  }
}

function keep({ chosen, sides, swiping, base, tab }) {
  store(KEY, JSON.stringify({ chosen, sides, swiping, base, tab }));
}

function known() {
  try {
    const { chosen, sides, swiping, base, tab } = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    const found = { chosen: Array.isArray(chosen) ? chosen : undefined, sides: Array.isArray(sides) ? sides : undefined, swiping, base: base in BASES ? base : undefined, tab };
    return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
  } catch {
    return {};
  }
}
