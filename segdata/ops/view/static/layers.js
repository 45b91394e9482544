// What a pane shows: an image, a mask over it, or where two masks differ, put together from tiles.
//
// A `scene` has the sources of one image: {shape, image, truth, preds, base, spot}. A `place` says where it lies on a canvas:
// device pixels from the left and top (left, top), device pixels per image pixel (scale), and the canvas's size (width, height).

import { differing, greyed, ignored, painted, pixelsOf, spotlight } from "./paint.js";
import { state } from "./state.js";

const STRIPE = 8; // CSS pixels until the stripes of what is ignored begin again
const GRID = 16; // CSS pixels that an image pixel must have for lines between them
const spare = {}; // canvases that are used again and again, by name

/** Draw what `kind` names ({what: image, truth, pred or errors, of}) of a scene. */
export function drawKind(context, kind, scene, place) {
  const source = kind.what === "truth" ? scene.truth : scene.preds[kind.of];
  if (kind.what === "errors") lay(context, scene, place, errorTiles(scene, source));
  else {
    if (kind.what === "image" || scene.base !== "none") drawImage(context, kind, scene, place);
    if (kind.what !== "image") drawMask(context, source, scene, place);
  }
  if (scene.spot) lay(context, scene, place, spotTiles(scene));
}

function drawImage(context, kind, scene, place) {
  const grey = kind.what !== "image" && scene.base === "grey";
  if (scene.image.error) return fillArea(context, scene.shape, place);
  lay(context, scene, place, imageTiles(scene.image, grey), place.scale < 1);
}

function fillArea(context, shape, { left, top, scale }) {
  context.fillStyle = "#808080";
  context.fillRect(left, top, Math.round(shape.width * scale), Math.round(shape.height * scale));
}

function drawMask(context, source, scene, place) {
  const alone = scene.base === "none";
  const opacity = alone && state.held === undefined ? 1 : state.opacity; // held: masks are hidden for now
  lay(context, scene, place, maskTiles(source, { opacity, black: alone || Boolean(scene.image.error) }));
  if (state.hidden.has(state.about.ignore)) return;
  const over = blank("stripes", place);
  if (!lay(over, scene, place, ignoredTiles(source))) return;
  over.globalCompositeOperation = "source-in";
  over.fillStyle = stripes(over, place);
  over.fillRect(0, 0, place.width, place.height);
  over.globalCompositeOperation = "source-over";
  context.globalAlpha = opacity;
  context.drawImage(over.canvas, 0, 0);
  context.globalAlpha = 1;
}

/** Stripes of one width on the screen at any zoom; they move with the image. */
function stripes(context, { left, top }) {
  const size = STRIPE * devicePixelRatio;
  const cell = blank("stripe", { width: Math.round(size), height: Math.round(size) });
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const at = ((x + y) % size) / size;
      cell.fillStyle = at < 0.25 ? "#fff" : "#5a5a5a";
      if (at < 0.5) cell.fillRect(x, y, 1, 1);
    }
  }
  const pattern = context.createPattern(cell.canvas, "repeat");
  pattern.setTransform(new DOMMatrix().translate(left, top));
  return pattern;
}

function blank(name, { width, height }) {
  spare[name] ??= new OffscreenCanvas(1, 1).getContext("2d");
  Object.assign(spare[name].canvas, { width, height });
  return spare[name];
}

// Tiles as bitmaps: each function gives (level, x, y, urgency) -> bitmap, null if there is nothing to draw, undefined if not there.

function imageTiles(source, grey) {
  return (...at) => {
    const tile = source.tile(...at);
    if (!tile || !grey) return tile?.drawn;
    return (tile.grey ??= bitmap(greyed(pixelsOf(tile.drawn), tile.width, tile.height)));
  };
}

function maskTiles(source, { opacity, black }) {
  const look = [opacity, black, state.outlines, state.colors, ...state.hidden].join();
  return (...at) => {
    const tile = source.tile(...at);
    if (tile && tile.look !== look) {
      tile.painted?.close(); // many are made while opacity is dragged
      Object.assign(tile, { look, painted: bitmap(painted(tile.mask, { opacity, black, hatched: false })) });
    }
    return tile?.painted;
  };
}

function ignoredTiles(source) {
  return (...at) => {
    const tile = source.tile(...at);
    if (tile && tile.ignored === undefined) tile.ignored = bitmap(ignored(tile.mask));
    return tile?.ignored;
  };
}

function errorTiles({ image, truth }, pred) {
  return (...at) => {
    const [base, tile, given] = [image.error ? null : image.tile(...at), truth.tile(...at), pred.tile(...at)];
    if (base === undefined || !tile || !given) return undefined;
    if (given.base !== base || given.truth !== tile) Object.assign(given, { base, truth: tile, errors: bitmap(differing(base && pixelsOf(base.drawn), tile.mask, given.mask)) });
    return given.errors;
  };
}

function spotTiles({ truth, preds, spot }) {
  const wanted = spot.cell.join();
  return (...at) => {
    const [tile, given] = [truth.tile(...at), preds[spot.of].tile(...at)];
    if (!tile || !given) return undefined;
    if (given.wanted !== wanted) Object.assign(given, { wanted, spot: bitmap(spotlight(tile.mask, given.mask, spot.cell)) });
    return given.spot;
  };
}

function bitmap(pixels) {
  if (pixels === null) return null;
  const canvas = new OffscreenCanvas(pixels.width, pixels.height);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas.transferToImageBitmap();
}

/** The coarsest level that has a pixel for each device pixel. */
export function levelFor({ levels, width }, scale) {
  const enough = levels.filter((level) => (scale * width) / level.width < 1.001);
  return Math.max(0, enough.length - 1);
}

/** Lay the tiles in sight onto a canvas; where some are not there yet, coarser ones under them. Whether there were any. */
function lay(context, { shape }, place, tileAt, smooth = false) {
  const level = levelFor(shape, place.scale);
  const tiles = read(shape, level, place, tileAt);
  context.imageSmoothingEnabled = smooth;
  if (tiles.every(({ drawn }) => drawn !== undefined)) return put(context, tiles);
  const scratch = blank("coarse", place);
  scratch.imageSmoothingEnabled = smooth;
  const coarsest = shape.levels.length - 1;
  for (let at = coarsest; at > level; at--) put(scratch, read(shape, at, place, tileAt, at === coarsest ? -1 : null));
  put(scratch, tiles);
  context.drawImage(scratch.canvas, 0, 0);
  return true;
}

/** Tiles go over what lies under them, also where they are clear. */
function put(context, tiles) {
  for (const { drawn, left, top, width, height } of tiles) {
    if (drawn !== undefined && context === spare.coarse) context.clearRect(left, top, width, height);
    if (drawn) context.drawImage(drawn, left, top, width, height);
  }
  return tiles.some(({ drawn }) => drawn);
}

/** The tiles of a level that are in sight, and where they lie. Those in the middle are the most urgent. */
function read(shape, level, place, tileAt, urgency = undefined) {
  const out = [];
  const across = ends(place.left, place.width, shape.width, shape.levels[level].width, shape.tile, place.scale);
  const down = ends(place.top, place.height, shape.height, shape.levels[level].height, shape.tile, place.scale);
  for (const y of down) {
    for (const x of across) {
      const far = Math.hypot(x.from + x.size / 2 - place.width / 2, y.from + y.size / 2 - place.height / 2);
      const drawn = tileAt(level, x.number, y.number, urgency === undefined ? far : urgency);
      out.push({ drawn, left: x.from, top: y.from, width: x.size, height: y.size });
    }
  }
  return out;
}

/** The tiles along one side that are in sight. Ends are rounded to device pixels, so that there is no seam between them. */
function ends(origin, room, full, length, tile, scale) {
  const step = (tile * full * scale) / length;
  const first = Math.max(0, Math.floor(-origin / step));
  const last = Math.min(Math.ceil(length / tile), Math.ceil((room - origin) / step));
  const out = [];
  for (let number = first; number < last; number++) {
    const from = Math.round(origin + number * step);
    const to = Math.round(origin + Math.min((number + 1) * step, full * scale));
    out.push({ number, from, size: Math.max(1, to - from) });
  }
  return out;
}

/** Thin lines between pixels that are large on the screen. */
export function drawGrid(context, shape, { left, top, scale, width, height }) {
  if (scale < GRID * devicePixelRatio) return;
  context.fillStyle = "rgb(128 128 128 / 45%)";
  const [right, bottom] = [Math.min(width, left + shape.width * scale), Math.min(height, top + shape.height * scale)];
  const [x0, y0] = [Math.max(0, left), Math.max(0, top)];
  for (let x = Math.max(0, Math.ceil(-left / scale)); left + x * scale <= right; x++) context.fillRect(Math.round(left + x * scale), y0, 1, bottom - y0);
  for (let y = Math.max(0, Math.ceil(-top / scale)); top + y * scale <= bottom; y++) context.fillRect(x0, Math.round(top + y * scale), right - x0, 1);
}

/** A frame around a region {y, x, height, width}, which stands out on any image; never too small to be seen. */
export function drawFrame(context, region, { left, top, scale }, color) {
  const pixel = devicePixelRatio;
  const least = 8 * pixel;
  const [width, height] = [Math.max(least, region.width * scale), Math.max(least, region.height * scale)];
  const x = left + (region.x + region.width / 2) * scale - width / 2;
  const y = top + (region.y + region.height / 2) * scale - height / 2;
  for (const [stroke, line] of [["rgb(0 0 0 / 75%)", 4], [color, 2]]) {
    Object.assign(context, { strokeStyle: stroke, lineWidth: line * pixel });
    context.strokeRect(Math.round(x) - pixel, Math.round(y) - pixel, Math.round(width) + 2 * pixel, Math.round(height) + 2 * pixel);
  }
}
