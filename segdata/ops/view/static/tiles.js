// Tiles of images and masks: asked for as they come into sight, kept while there is room, let go when out of sight.

import { get, refusal, url } from "./api.js";
import { readMask } from "./paint.js";
import { state } from "./state.js";

const ROOM = 240; // tiles that are kept, of 1 to 4 MB with what is painted of them; all that is in sight stays
const AT_ONCE = 6; // requests; more would wait in the browser, in an order of its own
const COUNTED = 16; // tiles of a mask that are fetched to count its pixels, at most
const AGAIN = 4000; // milliseconds until a tile that failed is asked for again

const kept = new Map(); // key -> tile, the one used longest ago first
const waiting = new Map(); // key -> {abort, ahead, row} of requests under way
const failed = new Map(); // key -> {error, when}
let wants = new Map(); // key -> want, of the frame that was drawn last
let frame = 0;
let heard = () => {};

/** Have `arrived` called whenever a tile is there, or failed. */
export function onTile(arrived) {
  heard = arrived;
}

/** The levels of a row: {height, width, tile, levels, building}, finest first. */
export const levelsOf = (row, signal) => get(`api/levels/${row}`, { v: state.about.edition }, signal);

/** Ask again for tiles that failed, and for those of a level that fills while a pyramid is built. What was asked for ahead of other
 * images is not needed any more. */
export function refresh(row, level = -1) {
  failed.clear();
  for (const one of waiting.values()) if (one.ahead && one.row !== row) one.abort.abort();
  for (const tile of kept.values()) if (tile.row === row && tile.level === level) tile.stale = true;
}

/** Begin a frame: only what it asks for is asked of the server. */
export function begin() {
  wants = new Map();
  frame++;
}

/** End a frame: requests for what is out of sight are cancelled, the most urgent ones go first. Whether any is to come. */
export function end() {
  for (const [key, { abort, ahead }] of waiting) if (!ahead && !wants.has(key)) abort.abort();
  pump();
  return wants.size > 0;
}

function pump() {
  const next = [...wants.values()].filter(({ key }) => !waiting.has(key)).sort((a, b) => a.urgency - b.urgency);
  for (const want of next.slice(0, Math.max(0, AT_ONCE - waiting.size))) load(want);
}

async function load(want, ahead = false) {
  const abort = new AbortController();
  waiting.set(want.key, { abort, ahead, row: want.row });
  try {
    const tile = await read(want, abort.signal);
    keep(want.key, tile);
    heard(want);
  } catch (error) {
    if (!abort.signal.aborted) fail(want, error);
  } finally {
    waiting.delete(want.key);
    pump();
  }
}

function keep(key, tile) {
  wants.delete(key);
  drop(key);
  kept.set(key, tile);
  for (const [oldest, { seen }] of kept) {
    if (kept.size <= ROOM || seen === frame) break;
    drop(oldest);
  }
}

/** Let go of a tile, and of what was painted of it: bitmaps lie outside the memory that the browser tidies up by itself. */
function drop(key) {
  for (const one of Object.values(kept.get(key) ?? {})) if (one instanceof ImageBitmap) one.close();
  kept.delete(key);
}

function fail(want, error) {
  wants.delete(want.key);
  failed.set(want.key, { error, when: performance.now() });
  heard(want, error);
}

async function read({ row, of, level, x, y }, signal) {
  const address = url(`api/tile/${row}`, { of, level, x, y, v: state.about.edition });
  if (of !== "image") return { row, level, mask: await readMask(address, signal) };
  const response = await fetch(address, { signal });
  if (!response.ok) throw await refusal(response);
  const bitmap = await createImageBitmap(await response.blob());
  return { row, level, drawn: bitmap, width: bitmap.width, height: bitmap.height };
}

/** The tiles of one image or mask: `of` is image, truth, or the number of a prediction. */
export class Source {
  constructor(row, of, shape) {
    Object.assign(this, { row, of, shape, wrong: null, shown: false });
  }

  /** Why nothing of it can be seen, an `Error`; null if something can, or may yet. */
  get error() {
    return this.shown || this.wrong?.code === "building" ? null : this.wrong;
  }

  /** A tile if it is there; otherwise undefined, and it is asked for, the least urgency first (null: it is not). */
  tile(level, x, y, urgency = null) {
    const key = this.key(level, x, y);
    const tile = kept.get(key);
    if (tile) {
      tile.seen = frame;
      this.shown = true;
      kept.delete(key);
      kept.set(key, tile);
    }
    if (urgency !== null && (!tile || tile.stale)) this.want({ key, row: this.row, of: this.of, level, x, y, urgency });
    return tile;
  }

  want(one) {
    const before = failed.get(one.key);
    if (before) this.wrong = before.error;
    if (before && performance.now() - before.when < AGAIN) return;
    if (!(wants.get(one.key)?.urgency <= one.urgency)) wants.set(one.key, one);
  }

  /** Ask for a tile whatever is in sight: for the image that comes next, or the pixel under the pointer. */
  ahead(level, x, y) {
    const key = this.key(level, x, y);
    if (!kept.has(key) && !waiting.has(key) && !failed.has(key)) load({ key, row: this.row, of: this.of, level, x, y }, true);
  }

  /** The id of a pixel of a mask, as the finest tile that is there has it: {id, exact}, or null. */
  at(y, x) {
    const { tile, levels, height, width } = this.shape;
    for (const [level, size] of levels.entries()) {
      const row = Math.min(size.height - 1, Math.floor((y * size.height) / height));
      const column = Math.min(size.width - 1, Math.floor((x * size.width) / width));
      const found = kept.get(this.key(level, Math.floor(column / tile), Math.floor(row / tile)))?.mask;
      if (found) return { id: found.ids[(row % tile) * found.width + (column % tile)], exact: level === 0 };
    }
    return null;
  }

  /** How many pixels have each id, once all tiles at full size are there; null until then, or if they are too many. */
  counts() {
    const [{ height, width }] = this.shape.levels;
    const [across, down] = [Math.ceil(width / this.shape.tile), Math.ceil(height / this.shape.tile)];
    if (across * down > COUNTED) return null;
    const places = Array.from({ length: across * down }, (_, i) => [0, i % across, Math.floor(i / across)]);
    for (const place of places) this.ahead(...place);
    const masks = places.map((place) => kept.get(this.key(...place))?.mask);
    return masks.every(Boolean) ? counted(masks) : null;
  }

  key(level, x, y) {
    return `${state.about.edition}/${this.row}/${this.of}/${level}/${x}/${y}`;
  }
}

function counted(masks) {
  const pixels = new Uint32Array(65536);
  for (const { ids } of masks) for (const id of ids) pixels[id]++;
  return Object.fromEntries([...pixels.entries()].filter(([, n]) => n));
}
