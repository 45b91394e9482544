// Filters, orders and classes in words.

import { count, fine, percent } from "./dom.js";
import { state, values } from "./state.js";

const ORDERS = { id: "id", size: "size", ignore: "share ignored", split: "split", group: "group", cell: "pixels of the cell", bin: "pixels of the bin", duplicates: "duplicates" };

const PLAIN = {
  split: (value) => `split ${value}`,
  group: (value) => `group ${value}`,
  text: (value) => `id has “${value}”`,
  id: (value) => `id ${value}`,
  not: (value) => `without ${value}`,
  finding: (value) => (value === "any" ? "any finding" : `finding ${value}`),
  duplicates: (value) => (value === "yes" ? "has duplicates" : `duplicates ${value}`),
  tag: (value) => (value.startsWith("-") ? `not tagged ${value.slice(1)}` : `tagged ${value}`),
  bin: (value) => `confidence bin ${value}`,
  size: (value) => `size ${range(value, (n) => `${count(n)} px`)}`,
  ignore: (value) => `ignored ${range(value, percent)}`,
};

/** The name of a class id. */
export function nameOf(id) {
  if (Number(id) === state.about.ignore) return "ignored";
  return state.about.classes.find((label) => label.id === Number(id))?.name ?? `class ${id}`;
}

/** The column of this name that analyses gave, or none. */
export const columnOf = (name) => [...(state.about.columns ?? []), ...classColumns()].find((column) => column.name === name);

/** The columns that are there once per class: its IoU, wherever there is one of all classes. */
export function classColumns() {
  const columns = state.about.columns ?? [];
  const scored = columns.filter(({ name }) => /^iou(@\d+)?$/.test(name));
  const each = scored.flatMap(({ name }) => state.about.classes.map((label) => classColumn(label.name, name.slice(3))));
  return [...columns.filter(({ name }) => name.includes(".")), ...each];
}

function classColumn(label, number) {
  const of = state.about.preds.length > 1 ? ` (${state.about.preds[Number(number.slice(1))].name})` : "";
  return { name: `iou.${label}${number}`, title: `IoU of ${label}${of}`, kind: "share", low_is_bad: true };
}

/** A value of a column in words. */
export function valueWords(column, value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "-";
  return column.kind === "share" ? percent(value) : String(Number(value.toPrecision(3)));
}

/** A filter in words. */
export function filterWords([name, value]) {
  const [plain, of] = name.split(/@(?=\d+$)/);
  if (of && ["cell", "bin"].includes(plain)) return `${filterWords([plain, value])} (${state.about.preds[of]?.name})`;
  if (Object.hasOwn(PLAIN, name)) return PLAIN[name](value);
  if (name === "class") return classFilterWords(value);
  if (name === "cell") return cellWords(value);
  const column = columnOf(name);
  return `${column?.title ?? name} ${range(value, (n) => (column ? valueWords(column, n) : String(n)))}`;
}

/** What a sample is sorted by: its value, in words. */
export function sortedBy(sample) {
  const name = (values("sort")[0] ?? "").replace(/^-/, "");
  if (name === "size") return `${count(sample.width)} × ${count(sample.height)}`;
  if (name === "group") return sample.group ?? "";
  const area = sample.height * sample.width;
  if (name === "ignore") return `${fine((sample.counts[state.about.ignore] ?? 0) / area)} ignored`;
  if (name.startsWith("class.")) return fine((sample.counts[idOf(name.slice(6))] ?? 0) / area);
  const value = sample.values?.[name];
  if (value === undefined || value === null) return value === null ? "-" : "";
  if (name === "duplicates") return `group ${value}`;
  if (/^(cell|bin)(@\d+)?$/.test(name)) return `${count(value)} px`;
  return valueWords(columnOf(name) ?? { kind: "number" }, value);
}

/** An order in words. */
export function orderWords(name) {
  if (name.startsWith("class.")) return `share of ${name.slice(6)}`;
  return ORDERS[name.replace(/@\d+$/, "")] ?? columnOf(name)?.title ?? name;
}

/** The id of a class name. */
export const idOf = (name) => state.about.classes.find((label) => label.name === name)?.id ?? state.about.ignore;

/** The two ends of "LOW..HIGH" as numbers; null: open. */
export function ends(value) {
  const [low = "", high = ""] = value.split("..");
  return [low, high].map((end) => (end === "" ? null : Number(end)));
}

function range(value, words) {
  const [low, high] = ends(value);
  if (low === null) return `≤ ${words(high)}`;
  return high === null ? `≥ ${words(low)}` : `${words(low)} to ${words(high)}`;
}

function classFilterWords(value) {
  const found = /^(.*):([^:]*\.\.[^:]*)$/.exec(value);
  return found ? `${found[1]} ${range(found[2], fine)}` : `has ${value}`;
}

function cellWords(value) {
  const at = value.lastIndexOf(":");
  return `${value.slice(0, at)} given as ${value.slice(at + 1)}`;
}
