// One image, large: opened by its id in the URL, closed by Escape or Back.

import { get } from "./api.js";
import { h } from "./dom.js";
import { facts, predTitle, pressed, recount } from "./facts.js";
import { follow } from "./gestures.js";
import { focus } from "./grid.js";
import { levelFor } from "./layers.js";
import { register, showHelp } from "./keys.js";
import { Marks } from "./marks.js";
import { Stage } from "./panes.js";
import { Readout } from "./readout.js";
import { change, listen, state } from "./state.js";
import { levelsOf, onTile, refresh, Source } from "./tiles.js";
import { Tools } from "./tools.js";

const POLL = 1000; // milliseconds between questions after a pyramid that is being built
const AHEAD = 8; // tiles of the next image that are asked for

const NONE = { error: new Error("there is no image") };

let view = null;

export function mount(root) {
  view = new View(root);
  listen("open", () => view.follow());
  listen("paint", () => view.repaint());
  listen("highlight", () => view.sample && view.marks.open(view.sample));
  listen("about", () => view.sample && view.show(state.open));
  keys();
}

class View {
  constructor(root) {
    Object.assign(this, { root, sample: null, place: null, total: 0, asking: null, next: new Map() });
    this.area = h("div", { class: "stage", tabindex: 0, role: "application", "aria-label": "The image: arrow keys move it, plus and minus zoom, c shows a cursor, question mark tells all keys" });
    this.stage = new Stage(this.area, { moved: () => this.moved() });
    this.readout = new Readout(this.stage);
    this.marks = new Marks(this.stage, (of) => this.tools.include(of));
    this.tools = new Tools(this);
    this.message = h("p", { class: "message", role: "status" });
    this.facts = h("div", { class: "facts" });
    const side = h("aside", { "aria-label": "About this image" }, this.marks.element, this.facts);
    const sight = h("div", { class: "sight" }, this.area, this.message);
    root.replaceChildren(this.tools.head, this.tools.bar, sight, this.readout.line, side, this.readout.told);
    root.addEventListener("close", () => root.open || state.open === null || close()); // by Escape: the browser has closed it
    follow(this.stage, (...told) => this.point(...told));
    onTile((want, error) => this.arrived(want, error));
  }

  /** Show what the state says is open. */
  follow() {
    if (state.open !== null) this.show(state.open);
    else this.leave();
  }

  async show(id) {
    this.going?.abort();
    this.asking?.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    const shown = this.root.open;
    if (!shown) this.root.showModal();
    if (!shown) this.area.focus();
    this.tools.title(id);
    try {
      const known = this.next.get(id) ?? (await this.find(["id", id], signal));
      this.next.clear();
      Object.assign(this, { sample: known.sample, place: known.place, total: known.total });
      this.tell(known.sample);
      await this.load(known.sample, signal);
      await this.ahead(signal).catch(() => undefined); // told when that image is opened
    } catch (error) {
      if (!signal.aborted) this.fail(error.message);
    }
  }

  find(pair, signal) {
    return get("api/find", [pair, ...state.query, ["v", state.about.edition]], signal);
  }

  /** What is known of an image before its tiles are there. */
  tell(sample) {
    this.stage.close();
    this.say("");
    this.readout.sample = sample;
    this.readout.clear();
    this.tools.title(sample.id, this.place, this.total);
    this.facts.replaceChildren(...facts(sample).filter(Boolean));
  }

  async load(sample, signal) {
    refresh(sample.row);
    const shape = await levelsOf(sample.row, signal);
    this.lay(sample, shape);
    this.marks.open(sample);
    if (shape.building !== null) await this.built(sample.row, shape, signal);
  }

  /** Wait until smaller copies of a large image are made, and show how far they are. */
  async built(row, { building, levels }, signal) {
    for (let share = building; share !== null; share = (await levelsOf(row, signal)).building) {
      this.say(`Smaller copies of this image are being made, once: ${Math.floor(100 * share)} %. It is sharp then.`);
      await new Promise((done) => setTimeout(done, POLL));
      refresh(row, levels.length - 1);
      this.stage.draw();
    }
    this.say("");
    refresh(row, levels.length - 1);
    this.stage.draw();
  }

  lay(sample, shape) {
    const source = (of) => new Source(sample.row, of, shape);
    const preds = sample.preds.map((there, of) => (there ? source(of) : null));
    this.stage.open({ shape, image: hasImages() ? source("image") : NONE, truth: source("truth"), preds, base: this.base, spot: null });
    this.tools.offer(kindsOf(sample));
    this.count();
  }

  /** What lies under masks. */
  get base() {
    return hasImages() ? this.tools.base : "none";
  }

  /** Ask for the next image of the query, so that it is there when it is wanted. */
  async ahead(signal) {
    if (this.place === null || this.place + 1 >= this.total) return;
    const found = await this.find(["place", this.place + 1], signal);
    this.next.set(found.sample.id, found);
    const shape = await levelsOf(found.sample.row, signal);
    const [width, height] = this.stage.size;
    const level = levelFor(shape, Math.min(width / shape.width, height / shape.height));
    const across = Math.ceil(shape.levels[level].width / shape.tile);
    const tiles = across * Math.ceil(shape.levels[level].height / shape.tile);
    for (const of of hasImages() ? ["image", "truth"] : ["truth"]) {
      const source = new Source(found.sample.row, of, shape);
      for (let i = 0; i < Math.min(tiles, AHEAD); i++) source.ahead(level, i % across, Math.floor(i / across));
    }
  }

  /** Open the next image of the query's order, or one before; those that are passed by while a key is held are not shown. */
  async go(by) {
    if (this.place === null) return;
    const place = this.place + by;
    if (place < 0 || place >= this.total) return this.say(by > 0 ? "This is the last image." : "This is the first image.");
    this.going?.abort();
    this.going = new AbortController();
    const { signal } = this.going;
    this.place = place;
    try {
      const ready = [...this.next.values()].find((one) => one.place === place);
      const found = ready ?? (await this.find(["place", place], signal));
      this.next.set(found.sample.id, { ...found, place });
      change("open", { open: found.sample.id });
    } catch (error) {
      if (!signal.aborted) this.fail(error.message);
    }
  }

  /** Tell of the pixel that is pointed at. A finger hides what it taps, so that the pixel is marked. */
  point(point, pinned, touched) {
    this.readout.at(point, pinned);
    if (pinned && (touched || this.stage.cursor)) this.stage.cursor = this.readout.point;
  }

  /** Show a cursor in the middle of the view, or take it away. */
  cursor() {
    const { stage } = this;
    if (!stage.scene) return;
    const { x, y } = stage.view;
    const { height, width } = stage.scene.shape;
    stage.cursor = stage.cursor ? null : { y: Math.min(height - 1, Math.floor(y)), x: Math.min(width - 1, Math.floor(x)) };
    if (stage.cursor) this.readout.at([stage.cursor.y, stage.cursor.x], true);
    stage.draw();
  }

  /** Arrow keys: move the cursor if there is one, otherwise the image. */
  arrow(down, right, far) {
    const { stage } = this;
    if (!stage.scene) return;
    if (!stage.cursor) return stage.pan(-down * (far ? 240 : 60), -right * (far ? 240 : 60));
    const { height, width } = stage.scene.shape;
    const within = (value, most) => Math.min(most - 1, Math.max(0, value));
    const step = far ? 10 : 1;
    stage.cursor = { y: within(stage.cursor.y + down * step, height), x: within(stage.cursor.x + right * step, width) };
    stage.reveal(stage.cursor);
    this.readout.at([stage.cursor.y, stage.cursor.x], true);
  }

  arrived({ row }, error) {
    if (error && error.code !== "building" && row === this.sample?.row) this.say(error.message);
    this.stage.draw();
    this.count();
    this.readout.show();
  }

  /** Count the pixels of predictions whose dataset does not say them. */
  count() {
    const { scene } = this.stage;
    if (!scene) return;
    const before = this.sample.pred_counts ?? [];
    const after = scene.preds.map((source, of) => (Object.keys(before[of] ?? {}).length ? before[of] : source?.counts() ?? null));
    if (after.every((counts, of) => counts === (before[of] ?? null))) return;
    this.sample.pred_counts = after;
    recount(this.facts, this.sample);
  }

  repaint() {
    if (!this.stage.scene) return;
    this.stage.scene.base = this.base;
    this.stage.draw();
    this.readout.show();
    pressed(this.facts);
  }

  moved() {
    this.tools.zoomed(this.stage.view.scale);
  }

  say(text) {
    this.message.textContent = text;
  }

  fail(text) {
    this.stage.close();
    this.say(text);
  }

  /** Close, and go back to the cell of the image that was shown last. */
  leave() {
    for (const asked of [this.going, this.asking, this.marks.asking]) asked?.abort();
    this.stage.close();
    refresh(null);
    const { place } = this;
    Object.assign(this, { sample: null, place: null });
    this.root.close();
    if (place !== null) focus(place);
  }
}

function close() {
  change("open", { open: null });
}

/** Whether the dataset has images: it may have masks alone. */
const hasImages = () => state.about.images !== "none";

/** What an image can be shown as: {name, what, of, title}. */
function kindsOf(sample) {
  const there = [...sample.preds.keys()].filter((of) => sample.preds[of]);
  const kinds = there.flatMap((of) => {
    const title = predTitle(of);
    const errors = title.replace("Prediction", "Difference");
    return [{ name: `pred${of}`, what: "pred", of, title }, { name: `errors${of}`, what: "errors", of, title: errors }];
  });
  const image = hasImages() ? [{ name: "image", what: "image", title: "Image" }] : [];
  return [...image, { name: "truth", what: "truth", title: "Truth" }, ...kinds];
}

/** The keys of the large view. */
function keys() {
  const on = (key, text, run) => register({ key, text, run, where: "sample" });
  const { stage, marks, tools } = view;
  const zoom = (factor) => () => stage.scene && stage.zoom(factor, stage.cursor ? [stage.cursor.y + 0.5, stage.cursor.x + 0.5] : undefined);
  on(["+", "="], "Zoom in", zoom(1.5));
  on("-", "Zoom out", zoom(1 / 1.5));
  on("0", "All of the image", () => stage.scene && stage.fit());
  on("1", "One image pixel is one screen pixel", () => stage.scene && stage.look({ scale: 1 }));
  const arrows = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  for (const [key, [down, right]] of Object.entries(arrows)) {
    const text = key === "ArrowUp" ? "Move the image, or the cursor; with Shift farther" : undefined;
    register({ key: [key, `Shift+${key}`], text, shown: "Arrow keys", where: "sample", run: (event) => view.arrow(down, right, event.shiftKey) });
  }
  on("c", "A cursor that the arrow keys move, which tells of its pixel", () => view.cursor());
  on(["j", "PageDown"], "Next image", () => view.go(1));
  on(["k", "PageUp"], "Image before", () => view.go(-1));
  on("n", "Next region", () => marks.step(1));
  on("p", "Region before", () => marks.step(-1));
  on("m", "Darken all but the pixels of the cell, or no longer", () => marks.toggle());
  on("s", "Two layers in one pane, with a divider", () => tools.swipe());
  on("g", "Base of the masks: colour, grey, none", () => tools.nextBase());
  on("?", "These keys", () => showHelp());
}

