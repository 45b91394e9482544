// The panel of filters. Each is a pair of the query, so that the URL has it.

import { count, h } from "./dom.js";
import { box, part, rangeField } from "./fields.js";
import { foundFields } from "./foundfields.js";
import { change, listen, setValues, state, values } from "./state.js";
import { classColumns } from "./words.js";

/** Show the panel. */
export function mount(root) {
  const shows = [];
  const found = foundFields();
  const build = () => {
    shows.length = 0;
    const parts = [splits(shows), classes(), shape(shows), columns(shows), part("Findings", false, found), tags(shows)];
    root.replaceChildren(h("h2", {}, "Filters"), ...parts.filter((one) => one !== null));
    update();
  };
  const update = () => shows.forEach((show) => show(state.facets));
  let built = "";
  const renew = () => {
    const now = JSON.stringify([state.about.edition, state.about.groups, state.about.columns, state.about.tags, Object.keys(state.facets?.tags ?? {}), state.about.splits]);
    if (now === built) return;
    if (root.contains(document.activeElement) && root !== document.activeElement) return; // not under the hands of who uses it
    build();
    built = now;
  };
  listen(["about", "columns", "facets"], renew);
  root.addEventListener("focusout", () => setTimeout(renew));
  listen(["query", "facets"], update);
}

function splits(shows) {
  const names = state.about.splits;
  const chosen = () => values("split").flatMap((value) => (names.includes(value) ? [value] : value.split(",")));
  const boxes = names.map((name) => {
    const one = box(name, (on) => setValues("split", [...chosen().filter((other) => other !== name), ...(on ? [name] : [])]));
    shows.push((facets) => one.show(chosen().includes(name), facets && (!chosen().length || chosen().includes(name)) ? count(facets.splits?.[name] ?? 0) : ""));
    return one.element;
  });
  return names.length > 1 || names[0] ? part("Split", true, ...boxes) : null;
}

function classes() {
  const names = [...state.about.classes.map(({ name }) => name), "ignore"];
  const list = h("datalist", { id: "classnames" }, ...names.map((name) => h("option", { value: name })));
  const how = h("select", { "aria-label": "With or without the class" }, h("option", { value: "class" }, "with"), h("option", { value: "not" }, "without"));
  const name = h("input", { list: "classnames", placeholder: "class", "aria-label": "Class", autocomplete: "off" });
  const end = (word) => h("input", { type: "number", min: "0", max: "100", step: "any", "aria-label": `Share of the class, ${word}, %` });
  const [low, high] = [end("at least"), end("at most")];
  const share = h("div", { class: "field range" }, h("span", { class: "title" }, "share"), low, h("span", {}, "to"), high, h("span", { class: "unit" }, "%"));
  how.addEventListener("change", () => (share.hidden = how.value === "not"));
  const add = (event) => {
    event.preventDefault();
    if (!names.includes(name.value)) return void name.reportValidity();
    const ends = [low, high].map((input) => (input.value === "" ? "" : Number(input.value) / 100)).join("..");
    addClass(how.value, how.value === "class" && ends !== ".." ? `${name.value}:${ends}` : name.value);
    event.target.reset();
    share.hidden = false;
  };
  name.addEventListener("input", () => name.setCustomValidity(names.includes(name.value) ? "" : "There is no such class"));
  const form = h("form", { onsubmit: add }, h("div", { class: "field" }, how, name), share, h("button", {}, "Add"), list);
  return part("Class", true, form);
}

function addClass(how, value) {
  const has = values(how).includes(value);
  if (!has) setValues(how, [...values(how), value]);
}

function shape(shows) {
  const sizes = rangeField("size", "Size", { unit: "px" });
  const ignored = rangeField("ignore", "Ignored", { unit: "%", scale: 100 });
  shows.push((facets) => sizes.show(facets?.columns?.size?.low, facets?.columns?.size?.high));
  shows.push((facets) => ignored.show(facets?.columns?.ignore?.low, facets?.columns?.ignore?.high));
  const fields = [sizes.element, ignored.element];
  if (state.about.groups) fields.push(groupField(shows));
  return part("Image", false, ...fields);
}

function groupField(shows) {
  const input = h("input", { "aria-label": "Group", placeholder: "group" });
  input.addEventListener("change", () => setValues("group", input.value ? [input.value] : []));
  shows.push(() => document.activeElement === input || (input.value = values("group")[0] ?? ""));
  return h("label", { class: "field" }, h("span", { class: "title" }, "Group"), input);
}

function columns(shows) {
  const all = state.about.columns ?? [];
  if (!all.length) return null;
  const plain = all.filter(({ name }) => !name.includes(".")).map((column) => columnField(column, shows));
  const each = classColumns();
  return part("Prediction", true, ...plain, ...(each.length ? [classColumn(each, shows)] : []));
}

function columnField(column, shows) {
  const share = column.kind === "share";
  const field = rangeField(column.name, column.title ?? column.name, share ? { unit: "%", scale: 100 } : {});
  shows.push((facets) => {
    const found = facets?.columns?.[column.name];
    field.show(found?.low, found?.high, found?.known ?? 1);
  });
  return field.element;
}

/** One field for all columns that are there once per class. */
function classColumn(columns, shows) {
  const select = h("select", { "aria-label": "Value of a class" }, ...columns.map(({ name, title }) => h("option", { value: name }, title)));
  const place = h("div");
  const mine = [];
  const show = () => {
    mine.length = 0;
    place.replaceChildren(columnField(columns.find(({ name }) => name === select.value), mine));
    mine.forEach((one) => one(state.facets));
  };
  select.addEventListener("change", show);
  shows.push((facets) => mine.forEach((one) => one(facets)));
  const used = columns.find(({ name }) => values(name).length);
  if (used) select.value = used.name;
  show();
  return h("div", { class: "each" }, select, place);
}

function tags(shows) {
  const names = [...new Set([...(state.about.tags ?? []), ...Object.keys(state.facets?.tags ?? {})])];
  if (!names.length) return null;
  const others = (tag) => values("tag").filter((other) => other !== tag && other !== `-${tag}`);
  const boxes = names.map((tag) => {
    const one = box(tag, (on) => setValues("tag", [...others(tag), ...(on ? [tag] : [])]));
    const not = h("button", { class: "plain", "aria-label": `Not tagged ${tag}`, onclick: () => setValues("tag", [...others(tag), ...(values("tag").includes(`-${tag}`) ? [] : [`-${tag}`])]) }, "not");
    shows.push((facets) => {
      one.show(values("tag").includes(tag), facets ? count(facets.tags?.[tag] ?? 0) : "");
      not.setAttribute("aria-pressed", values("tag").includes(`-${tag}`));
    });
    return h("div", { class: "field" }, one.element, not);
  });
  return part("Tags", true, ...boxes);
}

/** Filter by a class, or not any more. */
export function toggleClass(name) {
  const on = values("class").includes(name);
  change("query", { query: on ? state.query.filter(([key, value]) => key !== "class" || value !== name) : [...state.query, ["class", name]] });
}
