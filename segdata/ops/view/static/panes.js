// The panes of the large view: they show one place of an image, each in another way.

import { h } from "./dom.js";
import { drawFrame, drawGrid, drawKind } from "./layers.js";
import { begin, end } from "./tiles.js";

const LARGEST = 128; // CSS pixels of an image pixel
const FRAMES = { current: "#ffd60a", selected: "#40e0ff", other: "#fff" };

/** Panes in `root`. `scene` is what they show (see layers.js), `frames` regions of it, `cursor` a pixel of it: {y, x}. */
export class Stage {
  constructor(root, { moved }) {
    Object.assign(this, { root, moved, panes: [], scene: null, frames: [], cursor: null, band: null, asked: 0 });
    this.view = { x: 0, y: 0, scale: 1, fits: true };
    new ResizeObserver(() => this.resize()).observe(root);
  }

  /** Show these kinds, a pane each; a list of two is a pane with a divider. */
  show(panes) {
    this.panes = panes.map((kinds) => new Pane(kinds, this));
    this.root.replaceChildren(...this.panes.map((pane) => pane.element));
    this.resize();
  }

  /** Show another image, all of it. */
  open(scene) {
    Object.assign(this, { scene, frames: [], cursor: null, band: null });
    this.view.fits = true;
    this.resize();
  }

  resize() {
    if (!this.scene || !this.panes.length || !this.root.clientWidth) return;
    this.root.style.setProperty("--columns", this.columns());
    for (const pane of this.panes) pane.resize();
    if (this.view.fits) this.fit();
    this.draw();
  }

  /** How many panes beside each other make the image largest. */
  columns() {
    const { clientWidth: width, clientHeight: height } = this.root;
    const { shape } = this.scene;
    const count = this.panes.length;
    const scale = (n) => Math.min(width / n / shape.width, height / Math.ceil(count / n) / shape.height);
    return [...Array(count).keys()].map((n) => n + 1).reduce((best, n) => (scale(n) > scale(best) ? n : best));
  }

  /** Device pixels of a pane: [width, height]. */
  get size() {
    const { width, height } = this.panes[0]?.canvas ?? { width: 1, height: 1 };
    return [width, height];
  }

  get fitting() {
    const [width, height] = this.size;
    return Math.min(width / this.scene.shape.width, height / this.scene.shape.height);
  }

  fit() {
    const { shape } = this.scene;
    this.look({ x: shape.width / 2, y: shape.height / 2, scale: this.fitting });
    this.view.fits = true;
  }

  /** Look at another place: x, y is the point of the image in the middle, scale its device pixels per pixel. */
  look({ x = this.view.x, y = this.view.y, scale = this.view.scale }) {
    const { shape } = this.scene;
    const most = LARGEST * devicePixelRatio;
    const within = (value, low, high) => Math.min(high, Math.max(low, value));
    const bounded = within(scale, Math.min(1, this.fitting) / 2, most);
    this.view = { x: within(x, 0, shape.width), y: within(y, 0, shape.height), scale: bounded, fits: false };
    this.draw();
    this.moved();
  }

  /** Zoom by a factor; the point `at` of the image ([y, x]) stays where it is. */
  zoom(factor, at = [this.view.y, this.view.x]) {
    const { left, top, scale, width, height } = this.place;
    const [down, right] = [top + at[0] * scale, left + at[1] * scale]; // where it is, to the part of a device pixel
    this.look({ scale: scale * factor });
    this.look({ y: at[0] + (height / 2 - down) / this.view.scale, x: at[1] + (width / 2 - right) / this.view.scale });
  }

  /** Move the image by CSS pixels. */
  pan(down, right) {
    const per = devicePixelRatio / this.view.scale;
    this.look({ y: this.view.y - down * per, x: this.view.x - right * per });
  }

  /** Zoom to a region {y, x, height, width}, with some of what is around it. */
  goTo(region) {
    const [width, height] = this.size;
    const scale = Math.min(width / (2 * region.width), height / (2 * region.height), 16 * devicePixelRatio);
    this.look({ y: region.y + region.height / 2, x: region.x + region.width / 2, scale: Math.max(scale, this.fitting) });
  }

  /** Move the view as little as a pixel being in sight takes. */
  reveal({ y, x }) {
    const [width, height] = this.size;
    const most = [(0.45 * height) / this.view.scale, (0.45 * width) / this.view.scale];
    const near = (middle, at, room) => Math.min(at + room, Math.max(at - room, middle));
    this.look({ y: near(this.view.y, y + 0.5, most[0]), x: near(this.view.x, x + 0.5, most[1]) });
  }

  /** Where the image lies on each canvas. The corner is at a whole device pixel, so that pixels are sharp. */
  get place() {
    const [width, height] = this.size;
    const { x, y, scale } = this.view;
    return { left: Math.round(width / 2 - x * scale), top: Math.round(height / 2 - y * scale), scale, width, height };
  }

  /** The point of the image at a place of the window: [y, x], or null beside all panes. */
  pointAt(clientX, clientY) {
    const pane = this.panes.find(({ canvas }) => holds(canvas.getBoundingClientRect(), clientX, clientY));
    if (!pane || !this.scene) return null;
    const box = pane.canvas.getBoundingClientRect();
    const { left, top, scale } = this.place;
    return [((clientY - box.top) * devicePixelRatio - top) / scale, ((clientX - box.left) * devicePixelRatio - left) / scale];
  }

  /** Draw all panes before the window is shown next. */
  draw() {
    if (this.asked || !this.scene) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      if (!this.scene) return;
      begin();
      for (const pane of this.panes) pane.draw(this);
      this.root.setAttribute("aria-busy", end());
    });
  }

  close() {
    this.scene = null;
    begin();
    end();
  }
}

const holds = (box, x, y) => x >= box.left && x < box.right && y >= box.top && y < box.bottom;

class Pane {
  constructor(kinds, stage) {
    this.kinds = kinds;
    this.split = 0.5;
    const title = kinds.map((kind) => kind.title).join(" | ");
    this.canvas = h("canvas", { role: "img", "aria-label": title });
    const divider = kinds.length > 1 ? this.divider(stage) : null;
    const names = kinds.map((kind, i) => h("span", { class: i ? "title right" : "title" }, kind.title));
    this.element = h("div", { class: "pane" }, this.canvas, names, divider);
  }

  /** What is between the two halves: dragged, or moved with the arrow keys. */
  divider(stage) {
    const label = `Divider: left ${this.kinds[0].title}, right ${this.kinds[1].title}`;
    const bar = h("div", { class: "divider", role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 });
    const move = (split) => {
      this.split = Math.min(1, Math.max(0, split));
      bar.style.left = `${100 * this.split}%`;
      bar.setAttribute("aria-valuenow", Math.round(100 * this.split));
      stage.draw();
    };
    move(this.split);
    bar.addEventListener("pointerdown", (event) => bar.setPointerCapture(event.pointerId));
    bar.addEventListener("pointermove", (event) => {
      const box = this.canvas.getBoundingClientRect();
      if (bar.hasPointerCapture(event.pointerId)) move((event.clientX - box.left) / box.width);
    });
    bar.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: this.split - 0.02, ArrowRight: this.split + 0.02, Home: 0, End: 1 }[event.key];
      if (to === undefined) return;
      move(to);
      event.preventDefault();
      event.stopPropagation();
    });
    return bar;
  }

  resize() {
    const box = this.element.getBoundingClientRect();
    for (const side of ["width", "height"]) {
      this.canvas[side] = Math.max(1, Math.floor(box[side] * devicePixelRatio));
      this.canvas.style[side] = `${this.canvas[side] / devicePixelRatio}px`; // whole device pixels, so that none is blurred
    }
  }

  draw({ scene, place, frames, cursor, band }) {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, place.width, place.height);
    for (const [i, kind] of this.kinds.entries()) {
      context.save();
      if (this.kinds.length > 1) clip(context, place, i ? this.split : 0, i ? 1 : this.split);
      drawKind(context, kind, scene, place);
      context.restore();
    }
    drawGrid(context, scene.shape, place);
    for (const frame of frames) drawFrame(context, frame, place, FRAMES[frame.look]);
    if (band) drawFrame(context, band, place, FRAMES.current);
    if (cursor) drawFrame(context, { ...cursor, height: 1, width: 1 }, place, FRAMES.current);
  }
}

function clip(context, { width, height }, from, to) {
  const left = Math.round(from * width);
  context.beginPath();
  context.rect(left, 0, Math.round(to * width) - left, height);
  context.clip();
}
