// Masks come as grey PNGs of class ids and are coloured here, so that colours, opacity and hidden classes need no request.
// Pixels are written as one number each (alpha, blue, green, red from the highest byte on), looked up by id.

import { refusal } from "./api.js";
import { state } from "./state.js";

/** The ids of a mask at a URL: {width, height, ids}. A PNG of colours holds ids of 16 bits: red + 256 * green. */
export async function readMask(address, signal = undefined) {
  const response = await fetch(address, { signal });
  if (!response.ok) throw await refusal(response);
  const wide = response.headers.get("segdata-bits") === "16";
  const bitmap = await createImageBitmap(await response.blob(), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  const pixels = pixelsOf(bitmap);
  bitmap.close();
  const ids = wide ? new Uint16Array(pixels.length) : new Uint8Array(pixels.length);
  const bits = wide ? 0xffff : 0xff;
  for (let i = 0; i < ids.length; i++) ids[i] = pixels[i] & bits;
  return { width, height, ids };
}

/** The pixels of an image, one number each. */
export function pixelsOf(image) {
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
}

/** The colour of a class id: [r, g, b]. */
export function colorOf(id) {
  const label = state.about.classes[id];
  return (state.colors === "safe" && label.safe) || label.color;
}

/** A colour as one number. */
function pixel([r, g, b], alpha) {
  return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** What each id becomes; 0, which is clear, if it is hidden or no class, or black, as a background is, over an image. */
function table(length, alpha, black) {
  const out = new Uint32Array(length);
  for (const { id } of state.about.classes) {
    const color = colorOf(id);
    if (!state.hidden.has(id) && (black || color.some(Boolean))) out[id] = pixel(color, alpha);
  }
  return out;
}

const room = (mask) => (mask.ids.BYTES_PER_ELEMENT === 1 ? 256 : 65536);

/** RGBA pixels of a mask as the state says: classes in their colours, hidden ones clear, ignored ones hatched (or clear).
 *  `black`: black classes are painted, too, as there is no image under them. */
export function painted(mask, { opacity = state.opacity, hatched = true, black = false } = {}) {
  const { width, height, ids } = mask;
  const image = new ImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  const alpha = Math.round(255 * opacity);
  const colors = table(room(mask), alpha, black);
  for (let i = 0; i < out.length; i++) out[i] = colors[ids[i]];
  if (state.outlines) outline(mask, out, table(colors.length, 255, black));
  if (hatched && !state.hidden.has(state.about.ignore)) hatch(mask, out, alpha);
  return image;
}

/** Regions get a border of one pixel, inside them, where the id changes. */
function outline({ width, height, ids }, out, full) {
  for (let y = 0, i = 0; y < height; y++) {
    const [above, below] = [y > 0 ? width : 0, y + 1 < height ? width : 0];
    for (let x = 0; x < width; x++, i++) {
      const id = ids[i];
      const inside = ids[i - above] === id && ids[i + below] === id && (x === 0 || ids[i - 1] === id) && (x + 1 === width || ids[i + 1] === id);
      if (!inside) out[i] = full[id];
    }
  }
}

/** Stripes of white, grey and nothing; every eight pixels, so that they go on from tile to tile. */
function hatch({ width, height, ids }, out, alpha) {
  const ignore = state.about.ignore;
  const stripes = Uint32Array.from({ length: 8 }, (_, at) => (at < 2 ? pixel([255, 255, 255], alpha) : at < 4 ? pixel([90, 90, 90], alpha) : 0));
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) if (ids[i] === ignore) out[i] = stripes[(x + y) & 7];
  }
}

/** White where a mask is ignored and clear elsewhere; null if it is nowhere. */
export function ignored({ width, height, ids }) {
  const ignore = state.about.ignore;
  if (!ids.includes(ignore)) return null;
  const image = new ImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  for (let i = 0; i < out.length; i++) if (ids[i] === ignore) out[i] = 0xffffffff;
  return image;
}

/** Where a prediction differs: wrong pixels red, those predicted as ignored yellow, those ignored in truth dark, on grey.
 *  `image` are pixels as of `pixelsOf`; null: there is no image. The colours are those of the pages of `evaluate`. */
export function differing(image, { width, height, ids }, pred) {
  const out = new ImageData(width, height);
  const pixels = new Uint32Array(out.data.buffer);
  const ignore = state.about.ignore;
  const given = pred.ids;
  const base = image ?? new Uint32Array(pixels.length).fill(0x808080);
  const [right, dark, wrong, rejected] = LOOKS;
  for (let i = 0; i < pixels.length; i++) {
    const id = ids[i];
    const other = given[i];
    const look = id === ignore ? dark : id === other ? right : other === ignore ? rejected : wrong;
    pixels[i] = look[greyOf(base[i])];
  }
  return out;
}

// What each grey becomes: where both agree, where truth is ignored, wrong, predicted as ignored.
const LOOKS = [gray((g) => 0.5 * g + 100), gray((g) => 0.25 * g), tinted([220, 40, 40]), tinted([235, 190, 40])];

function gray(look) {
  return Uint32Array.from({ length: 256 }, (_, g) => pixel([look(g), look(g), look(g)], 255));
}

function tinted(color) {
  return Uint32Array.from({ length: 256 }, (_, g) => pixel(color.map((c) => 0.3 * g + 0.7 * c), 255));
}

function greyOf(p) {
  return (((p & 255) + ((p >> 8) & 255) + ((p >> 16) & 255)) * 21846) >> 16; // a third, in whole numbers
}

/** The pixels of an image in grey, as `ImageData`. */
export function greyed(pixels, width, height) {
  const out = new ImageData(width, height);
  const values = new Uint32Array(out.data.buffer);
  for (let i = 0; i < values.length; i++) values[i] = greyOf(pixels[i]) * 0x010101 + 0xff000000;
  return out;
}

/** Dark but for the pixels that are of class `wanted[0]` in truth and of `wanted[1]` in a prediction. */
export function spotlight(truth, pred, wanted) {
  const image = new ImageData(truth.width, truth.height);
  const out = new Uint32Array(image.data.buffer).fill(pixel([0, 0, 0], 160));
  const [ids, given, [id, other]] = [truth.ids, pred.ids, wanted];
  for (let i = 0; i < out.length; i++) if (ids[i] === id && given[i] === other) out[i] = 0;
  return image;
}
