// The pixel under the pointer, in words: where it is, and what truth and predictions say it is.

import { swatch, predTitle } from "./facts.js";
import { count, fine, h, later } from "./dom.js";
import { nameOf } from "./words.js";

const REST = 120; // milliseconds that the pointer rests before the pixel itself is asked for
const HEARD = 500; // milliseconds after which a screen reader is told

/** The line of the readout, and what a screen reader is told of it. */
export class Readout {
  constructor(stage) {
    Object.assign(this, { stage, sample: null, point: null });
    this.line = h("div", { class: "readout" });
    this.told = h("p", { class: "unseen", role: "status" });
    this.sharpen = later(() => this.ask(), REST);
    this.tell = later(() => (this.told.textContent = this.words()), HEARD);
    this.clear();
  }

  clear() {
    this.point = null;
    this.line.replaceChildren(h("span", { class: "faint" }, "Point at a pixel, tap it, or press c and move with the arrow keys."));
  }

  /** Tell of the pixel at a point [y, x] of the image. `pinned`: by tap, click or key, so it is told aloud and stays. */
  at(point, pinned) {
    const { scene } = this.stage;
    if (!scene || (!pinned && this.stage.cursor)) return;
    const [y, x] = (point ?? [-1, -1]).map(Math.floor);
    if (y < 0 || x < 0 || y >= scene.shape.height || x >= scene.shape.width) return;
    this.point = { y, x };
    this.show();
    this.sharpen();
    if (pinned) this.tell();
  }

  /** Ask for the pixel at full size: what is drawn may be a coarser level. */
  ask() {
    const { scene } = this.stage;
    if (!scene || !this.point) return;
    const size = scene.shape.tile;
    for (const source of sources(scene)) source.ahead(0, Math.floor(this.point.x / size), Math.floor(this.point.y / size));
  }

  /** Each side's value at the pixel: [[name, id, pixels of that class or undefined] ...]. */
  values() {
    const { scene } = this.stage;
    return sources(scene).map((source) => {
      const id = source.at(this.point.y, this.point.x)?.id;
      const counts = source === scene.truth ? this.sample.counts : this.sample.pred_counts?.[source.of];
      return [source === scene.truth ? "Truth" : predTitle(source.of), id, counts?.[id]];
    });
  }

  show() {
    if (!this.point || !this.stage.scene) return;
    const { y, x } = this.point;
    const parts = this.values().map(([name, id, pixels]) => h("span", { class: "side" }, h("span", { class: "faint" }, `${name} `), ...this.value(id, pixels)));
    this.line.replaceChildren(h("span", { class: "where" }, `row ${count(y)}, column ${count(x)}`), ...parts);
  }

  value(id, pixels) {
    if (id === undefined) return ["..."];
    return [swatch(id), h("strong", {}, nameOf(id)), ` id ${id}`, pixels === undefined ? "" : ` · ${this.amount(pixels)}`];
  }

  amount(pixels) {
    return `${count(pixels)} px · ${fine(pixels / (this.sample.height * this.sample.width))}`;
  }

  words() {
    if (!this.point || !this.stage.scene) return "";
    const sides = this.values().map(([name, id, pixels]) => `${name}: ${id === undefined ? "not there yet" : nameOf(id)}, id ${id}${pixels === undefined ? "" : `, ${this.amount(pixels)}`}`);
    return [`Row ${this.point.y}, column ${this.point.x}`, ...sides].join(". ");
  }
}

const sources = (scene) => [scene.truth, ...scene.preds.filter(Boolean)];
