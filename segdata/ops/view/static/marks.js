// What is marked in the large view: the pixels of a cell of the matrix, and regions, to step through and to select.

import { get } from "./api.js";
import { count, h } from "./dom.js";
import { isRegionSelected, toggleRegion } from "./select.js";
import { change, listen, state } from "./state.js";
import { idOf } from "./words.js";

const MARK = { lit: true }; // whether all but the pixels of the cell is dark

/** What is asked for: {of, cell: [true name, given name]}, {of, bin} or {of, suspects}; null: nothing. What the query filters
 *  by comes first, then what another part of the page has set (`state.highlight`). */
export function wanted() {
  const [name, value] = state.query.find(([key]) => /^(cell|bin)(@\d+)?$/.test(key)) ?? [];
  const of = Number(name?.split("@")[1] ?? state.highlight?.of ?? 0);
  if (name?.startsWith("bin")) return { of, bin: value };
  if (name) return { of, cell: [value.slice(0, value.lastIndexOf(":")), value.slice(value.lastIndexOf(":") + 1)] };
  const { cell, bin, suspects } = state.highlight ?? {};
  if (cell) return { of, cell };
  if (suspects) return { of, suspects: 1 };
  return (bin ?? null) === null ? null : { of, bin };
}

/** A mark goes with the filter that it came with. */
function drop() {
  const { cell, bin } = state.highlight ?? {};
  if ((cell || (bin ?? null) !== null) && !state.query.some(([key]) => /^(cell|bin)/.test(key))) change("highlight", { highlight: null });
}

/** The regions of an image, beside the panes of a stage: a list of buttons, and frames in the panes. */
export class Marks {
  constructor(stage, include) {
    Object.assign(this, { stage, include, regions: [], at: -1, sample: null, asking: null });
    this.element = h("section", { class: "regions", "aria-label": "Regions", hidden: true });
    listen("selected", () => this.draw());
    listen("query", drop);
  }

  /** Ask for the regions of another image, or for others of this one. */
  async open(sample) {
    this.asking?.abort();
    this.asking = new AbortController();
    Object.assign(this, { sample, regions: [], at: -1 });
    const asked = wanted();
    this.element.hidden = asked === null;
    this.light();
    if (asked === null) return this.draw();
    if (!asked.suspects && !sample.preds[asked.of]) return this.list(asked, "There is no prediction of this image.");
    if (!asked.suspects) this.include(asked.of);
    this.list(asked, "Looking for regions ...");
    try {
      const { cell, ...rest } = asked;
      this.regions = await get(`api/regions/${sample.row}`, { ...rest, ...(cell ? { cell: cell.join(":") } : {}), v: state.about.edition }, this.asking.signal);
      this.list(asked, this.regions.length ? "" : "This image has no such regions.");
    } catch (error) {
      if (error.name !== "AbortError") this.list(asked, error.message);
    }
    return undefined;
  }

  /** Light up the pixels of the cell, or no longer. */
  toggle() {
    MARK.lit = !MARK.lit;
    this.light();
    this.list(wanted(), "");
  }

  light() {
    const asked = wanted();
    const { scene } = this.stage;
    if (!scene) return;
    const there = MARK.lit && asked?.cell && scene.preds[asked.of];
    scene.spot = there ? { of: asked.of, cell: asked.cell.map(idOf) } : null;
    this.stage.draw();
  }

  /** Zoom to the next region, or to one before. */
  step(by) {
    if (this.regions.length) this.goTo((this.at + by + this.regions.length + (this.at < 0 && by < 0 ? 1 : 0)) % this.regions.length);
  }

  goTo(at) {
    this.at = at;
    this.stage.goTo(this.regions[at]);
    this.draw();
    this.buttons?.[at]?.scrollIntoView({ block: "nearest" });
  }

  list(asked, said) {
    if (asked === null) return;
    const lit = asked.cell ? h("label", {}, h("input", { type: "checkbox", checked: MARK.lit, onchange: () => this.toggle() }), " darken the rest") : null;
    this.buttons = this.regions.map((region, at) => h("button", { onclick: () => this.goTo(at) }, words(region, at, asked.suspects && region.text)));
    const lines = this.buttons.map((button, at) => h("li", {}, this.box(at), button));
    this.element.replaceChildren(h("h3", {}, titleOf(asked)), ...(lit ? [lit] : []), ...(said ? [h("p", { class: "faint" }, said)] : []), h("ol", {}, ...lines));
    this.draw();
  }

  /** A box that selects a region. */
  box(at) {
    const region = this.regionOf(at);
    const change = (event) => toggleRegion(region, event.target.checked);
    return h("input", { type: "checkbox", "aria-label": `Select region ${at + 1}`, checked: isRegionSelected(region), onchange: change });
  }

  regionOf(at) {
    const { y, x, height, width, given = null, suggested = null, score = null } = this.regions[at];
    return { id: this.sample.id, row: this.sample.row, y, x, height, width, given, suggested, score, of: Number(wanted()?.of ?? 0) };
  }

  draw() {
    this.stage.frames = this.regions.map((region, at) => {
      const look = at === this.at ? "current" : isRegionSelected(this.regionOf(at)) ? "selected" : "other";
      return { ...region, look };
    });
    for (const [at, button] of (this.buttons ?? []).entries()) {
      button.setAttribute("aria-current", at === this.at);
      button.previousSibling.checked = at < this.regions.length && isRegionSelected(this.regionOf(at));
    }
    this.stage.draw();
  }
}

function titleOf(asked) {
  if (asked.cell) return `${asked.cell[0]} predicted as ${asked.cell[1]}`;
  return asked.suspects ? "Suspected regions" : `Pixels of confidence bin ${asked.bin}`;
}

function words(region, at, text) {
  return `${at + 1}. ${count(region.area)} px at row ${count(region.y)}, column ${count(region.x)}${text ? `: ${text}` : ""}`;
}
