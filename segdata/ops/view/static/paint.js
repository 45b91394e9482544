// Masks come as grey PNGs of class ids and are coloured here, so that colours, opacity and hidden classes need no request.

import { state } from "./state.js";

/** The ids of a mask at a URL: {width, height, ids}. A PNG of colours holds ids of 16 bits: red + 256 * green. */
export async function readMask(address, signal = undefined) {
  const response = await fetch(address, { signal });
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error?.message ?? "no mask");
  const wide = response.headers.get("segdata-bits") === "16";
  const bitmap = await createImageBitmap(await response.blob(), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const ids = new Uint16Array(bitmap.width * bitmap.height);
  for (let i = 0; i < ids.length; i++) ids[i] = wide ? data[4 * i] + 256 * data[4 * i + 1] : data[4 * i];
  return { width: bitmap.width, height: bitmap.height, ids };
}

/** The colour of a class id: [r, g, b]. */
export function colorOf(id) {
  const label = state.about.classes[id];
  return (state.colors === "safe" && label.safe) || label.color;
}

/** RGBA pixels of a mask as the state says: classes in their colours, hidden ones clear, ignored ones hatched. */
export function painted({ width, height, ids }) {
  const out = new ImageData(width, height);
  const alpha = Math.round(255 * state.opacity);
  const { ignore, classes } = state.about;
  const table = classes.map((label) => (state.hidden.has(label.id) ? null : colorOf(label.id)));
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    const color = id === ignore ? hatch(i % width, Math.floor(i / width)) : table[id];
    if (color) out.data.set([...color, alpha], 4 * i);
  }
  return out;
}

function hatch(x, y) {
  if (state.hidden.has(state.about.ignore)) return null;
  const stripe = (x + y) % 9;
  return stripe < 3 ? [255, 255, 255] : stripe < 6 ? [110, 110, 110] : null;
}
