// What is selected: images by id, regions by image and place. Whoever shows a selection listens to the topic "selected".

import { get } from "./api.js";
import { change, state } from "./state.js";

const AT_ONCE = 500; // samples that one answer of api/samples holds

/** Whether an image is selected. */
export const isSelected = (id) => state.selected.has(id);

/** Select an image, or let go of it: the other way round than it is if `on` is left out. */
export function toggle(id, on = !isSelected(id)) {
  selectAll([id], on);
}

/** Select many images at once, or let go of them. */
export function selectAll(ids, on = true) {
  for (const id of ids) {
    if (on) state.selected.add(id);
    else state.selected.delete(id);
  }
  change("selected");
}

/** Select these images and no others. */
export function selectOnly(ids) {
  change("selected", { selected: new Set(ids) });
}

/** Let go of all images and regions. */
export function clear() {
  change("selected", { selected: new Set(), regions: [] });
}

/** Select the images between two places of the query's order, both included; places count from 0. */
export async function selectRange(fromPlace, toPlace, on = true) {
  const [start, end] = [Math.min(fromPlace, toPlace), Math.max(fromPlace, toPlace) + 1];
  selectAll(await idsBetween(start, end), on);
}

/** The ids of all images that fit the query, in its order. */
export async function idsThatFit() {
  return (await get("api/rows", state.query)).ids;
}

/** Whether a region is selected. */
export const isRegionSelected = (region) => regions().some((one) => keyOf(one) === keyOf(region));

/** Select a region {id, row, y, x, height, width}, or let go of it. */
export function toggleRegion(region, on = !isRegionSelected(region)) {
  const rest = regions().filter((one) => keyOf(one) !== keyOf(region));
  change("selected", { regions: on ? [...rest, region] : rest });
}

const regions = () => state.regions ?? [];

const keyOf = ({ id, y, x, height, width }) => [y, x, height, width, id].join(" ");

async function idsBetween(start, end) {
  if (end - start > AT_ONCE) return (await idsThatFit()).slice(start, end);
  const pairs = [...state.query, ["start", start], ["count", end - start]];
  return (await get("api/samples", pairs)).samples.map((sample) => sample.id);
}
