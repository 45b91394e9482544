// Numbers of the images that fit: what was found out, scores, classes, the confusion matrix and how sure the model is. Each
// number leads to the images that it comes from.

import { get } from "./api.js";
import { Analyses } from "./analyses.js";
import { classesTable } from "./classscores.js";
import { count, h } from "./dom.js";
import { numbered } from "./leads.js";
import { matrixGrid } from "./matrix.js";
import { reliabilityChart } from "./reliability.js";
import { scoresList } from "./scores.js";
import { listen, state } from "./state.js";

const WAIT = 120; // milliseconds without another change before the server is asked

/** Show the numbers whenever the section is shown, and keep them those of the query. */
export function mount(root) {
  const panel = new Panel(root);
  const button = document.querySelector('#top [aria-controls="numbers"]');
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault(); // on the page it clears the selection
    panel.close();
    button.focus();
  });
  root.addEventListener("pointerdown", () => panel.hold(true));
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => panel.hold(false));
  listen(["query", "about"], () => panel.later());
  listen("paint", () => panel.draw());
  new MutationObserver(() => panel.later()).observe(root, { attributeFilter: ["hidden"] });
}

class Panel {
  constructor(root) {
    Object.assign(this, { root, of: 0, other: null, matrix: null, curve: null, said: "", kept: {} });
    this.analyses = new Analyses(() => this.later());
    this.head = h("header", {});
    this.body = h("div", { class: "found" });
    root.replaceChildren(this.head, this.body);
    this.draw();
  }

  close() {
    this.root.hidden = true;
  }

  /** Ask again soon, once for many changes. Nothing is asked while nobody looks. */
  later() {
    clearTimeout(this.timer);
    if (!this.root.hidden) this.timer = setTimeout(() => this.ask(), WAIT);
  }

  async ask() {
    this.asking?.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      await this.analyses.look(signal);
      const [matrix, curve] = await Promise.all([this.answer("evaluate", "matrix", signal), this.answer("confidence", "reliability", signal)]);
      Object.assign(this, { matrix, curve, said: "" });
    } catch (error) {
      if (error.name === "AbortError") return;
      Object.assign(this, { matrix: null, curve: null, said: error.message });
    }
    this.draw();
  }

  /** What the server says of the images that fit, if the analysis that it takes is done; it is not asked twice for the same. */
  async answer(analysis, path, signal) {
    const other = path === "matrix" && this.other !== null ? [["other", this.other]] : [];
    const names = [this.of, ...other.map(([, number]) => number)].map((of) => numbered(analysis, of));
    if (!names.every((name) => this.analyses.isReady(name))) return null;
    const query = [...state.query.filter(([name]) => name !== "sort"), ["of", this.of], ...other];
    const key = JSON.stringify([state.about.edition, query, this.analyses.ready()]);
    if (this.kept[path]?.key !== key) this.kept[path] = { key, found: await get(`api/${path}`, query, signal) };
    return this.kept[path].found;
  }

  /** A click goes to what was pressed only if that is still there: nothing is drawn anew until a button is let go of. */
  hold(held) {
    if (this.held && !held) setTimeout(() => this.draw());
    this.held = held;
  }

  draw() {
    if (this.root.hidden || this.held) return;
    const at = this.body.querySelector("[data-scrolls]")?.scrollLeft ?? 0;
    const focused = this.root.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    this.head.replaceChildren(h("h2", {}, "Numbers"), h("p", { role: "status" }, this.about()), ...this.choices(), h("span", { class: "gap" }), closeButton(this));
    this.body.replaceChildren(...this.parts().filter(Boolean));
    const scrolls = this.body.querySelector("[data-scrolls]");
    if (scrolls) scrolls.scrollLeft = at;
    if (focused) [...this.root.querySelectorAll("[data-key]")].find((one) => one.dataset.key === focused)?.focus();
  }

  about() {
    if (this.said) return this.said;
    if (!this.matrix) return "";
    const all = this.matrix.samples === state.about.samples;
    return `of the ${count(this.matrix.images)} images that ${all ? "are predicted" : "fit and are predicted"}`;
  }

  parts() {
    const { matrix, curve, of } = this;
    const parts = matrix ? [scoresList(matrix), classesTable(matrix, of), matrixGrid(matrix, of, () => this.draw())] : [];
    return [...parts, curve && reliabilityChart(curve, of), this.analyses.list()];
  }

  /** Which prediction, and which other one it is compared with. */
  choices() {
    const { preds } = state.about;
    if (preds.length < 2) return [];
    const choose = (key, label, options, chosen, chose) => {
      const select = h("select", { "data-key": key }, ...options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
      select.addEventListener("change", () => {
        chose(select.value === "" ? null : Number(select.value));
        this.later();
      });
      return h("label", {}, `${label} `, select);
    };
    const named = preds.map(({ name }, number) => [String(number), name]);
    const others = [["", "nothing"], ...named.filter(([number]) => number !== String(this.of))];
    return [
      choose("of", "of", named, String(this.of), (number) => Object.assign(this, { of: number, other: this.other === number ? null : this.other })),
      choose("other", "compared with", others, this.other === null ? "" : String(this.other), (number) => (this.other = number)),
    ];
  }
}

const closeButton = (panel) => h("button", { class: "plain", "data-key": "close", "aria-label": "Close the numbers", onclick: () => panel.close() }, "×");
