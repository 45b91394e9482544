// One image of the grid: its thumbnail, its mask above it, what it is called.

import { get, url } from "./api.js";
import { fine, h } from "./dom.js";
import * as paint from "./paint.js";
import { isSelected, toggle } from "./select.js";
import { state } from "./state.js";
import { nameOf, sortedBy } from "./words.js";

const STEPS = [128, 256, 512, 1024]; // thumbnails are cached, so they come in few sizes

/** What a place of the grid shows of a sample. Its image is asked for after `wait` milliseconds, if it is still there. */
export class Cell {
  constructor(sample, width, wait) {
    Object.assign(this, { sample, mask: null, bare: state.about.images === "none", wrong: {}, stopped: new AbortController() });
    this.image = h("img", { alt: "", draggable: "false", decoding: "async", onerror: () => this.gone() });
    this.canvas = h("canvas");
    this.said = h("span", { class: "said" });
    this.picture = h("span", { class: "picture" }, this.image, this.canvas, this.said);
    this.box = h("input", { type: "checkbox", tabindex: "-1", "aria-label": `Select ${sample.id}` });
    this.box.addEventListener("change", () => toggle(sample.id, this.box.checked));
    this.element = h("div", { class: "shown" }, this.picture, this.box, this.caption());
    this.of = state.of;
    this.timer = setTimeout(() => this.load(width), wait);
  }

  /** Ask for the thumbnail and the mask, in the size that a cell of this width needs. */
  load(width) {
    const wanted = width * Math.min(devicePixelRatio, 2);
    this.size = STEPS.find((step) => step >= wanted) ?? STEPS.at(-1);
    this.picture.classList.remove("broken");
    if (state.about.images !== "none") this.image.src = this.address("image");
    this.loadMask();
  }

  /** Whether what is loaded serves a cell of this width. */
  serves(width) {
    return this.size === undefined || this.size >= Math.min(width * Math.min(devicePixelRatio, 2), STEPS.at(-1));
  }

  address(kind, more = {}) {
    return url(`api/${kind}/${this.sample.row}`, { size: this.size, v: state.about.edition, ...more });
  }

  async loadMask() {
    this.of = state.of;
    this.asking?.abort(); // of another size, or of other masks
    this.asking = new AbortController();
    const { signal } = this.asking;
    if (this.of !== "truth" && this.sample.preds[Number(this.of)] === false) return this.without("no prediction");
    try {
      const mask = await paint.readMask(this.address("mask", { of: this.of }), signal);
      if (signal.aborted || this.of !== state.of) return;
      this.mask = mask;
      this.say("mask", "");
      this.paint();
    } catch (error) {
      if (!signal.aborted) this.without(error.message);
    }
  }

  without(why) {
    this.mask = null;
    this.say("mask", why);
    this.canvas.width = this.canvas.height = 0;
  }

  /** Say what is wrong with the image or the mask, beside what is wrong with the other; or nothing. */
  say(of, why) {
    this.wrong[of] = why;
    this.said.textContent = Object.values(this.wrong).filter(Boolean).join("; ");
  }

  /** Paint the mask as the state says. */
  paint() {
    if (this.of !== state.of && this.size) return void this.loadMask();
    if (!this.mask) return;
    const { width, height } = this.mask;
    if (this.canvas.width !== width || this.canvas.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    this.canvas.getContext("2d").putImageData(paint.painted(this.mask, { black: this.bare }), 0, 0);
  }

  /** The class id under a point of the window; null if there is none. */
  idAt(x, y) {
    if (!this.mask) return null;
    const box = this.canvas.getBoundingClientRect();
    const { width, height, ids } = this.mask;
    const scale = Math.min(box.width / width, box.height / height);
    const column = Math.floor((x - box.left - (box.width - width * scale) / 2) / scale);
    const line = Math.floor((y - box.top - (box.height - height * scale) / 2) / scale);
    return column < 0 || line < 0 || column >= width || line >= height ? null : ids[line * width + column];
  }

  /** Let go of it: what is still asked for is cancelled. */
  drop() {
    clearTimeout(this.timer);
    this.stopped.abort();
    this.asking?.abort();
    this.image.removeAttribute("src");
    this.canvas.width = 0; // its pixels would stay until the next tidying up
    this.element.remove();
  }

  /** Show whether it is selected. */
  mark() {
    this.box.checked = isSelected(this.sample.id);
  }

  caption() {
    const { sample } = this;
    const id = sample.id.replace(/\s/g, "\u00a0"); // one line, whatever it holds
    const letters = [...id]; // of which some take two places in a string
    const [head, tail] = [letters.slice(0, -8).join(""), letters.slice(-8).join("")];
    const badges = [sample.split, ...(sample.tags ?? [])].filter((badge) => badge !== null && badge !== undefined && badge !== "");
    return h(
      "span",
      { class: "caption" },
      h("span", { class: "id", dir: "auto", title: sample.id }, h("span", { class: "head" }, head), h("span", {}, tail)),
      h("span", { class: "badges" }, ...badges.map((badge) => h("span", { class: "badge" }, badge)), h("span", { class: "value" }, sortedBy(sample))),
    );
  }

  async gone() {
    this.picture.classList.add("broken");
    this.bare = true; // there is no image under the mask
    this.paint();
    try {
      await get(`api/image/${this.sample.row}`, { size: this.size, v: state.about.edition }, this.stopped.signal);
    } catch (error) {
      if (error.name !== "AbortError") this.say("image", error.message);
    }
  }
}

/** A class in one image, in words: "car (3): 12,345 pixels, 3.2 % of the image". */
export function classWords(sample, id) {
  const pixels = sample.counts[id] ?? 0;
  const share = fine(pixels / (sample.height * sample.width));
  return `${nameOf(id)} (${id}): ${pixels.toLocaleString("en-US")} pixels, ${share} of the image`;
}
