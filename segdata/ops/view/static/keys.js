// The keyboard: one table of keys, which the help shows.

import { h } from "./dom.js";
import { state } from "./state.js";

const PLACES = { page: "Everywhere", grid: "At the images", sample: "In the large view" };

const NAMES = { " ": "Space", ArrowRight: "→", ArrowLeft: "←", ArrowDown: "↓", ArrowUp: "↑", PageDown: "Page down", PageUp: "Page up" };

const table = [];

/**
 * Have a key do something: `run(event)` when it goes down, `up(event)` when it is let go of. `key` is one name of
 * KeyboardEvent.key or many, with "Shift+" before it where Shift is meant. `where`: "page" (no dialog is open), or the id of a
 * dialog that is open or of a region that has the focus. `shown`: how the help writes the key. Keys do not reach what is typed.
 */
export function register({ key, text, run, up, where = "page", shown }) {
  table.push({ keys: [key].flat(), text, run, up, where, shown });
}

/** The help, in its dialog, and the listeners. */
export function mount(root) {
  addEventListener("keydown", (event) => {
    const found = entry(event);
    if (!found) return;
    event.preventDefault();
    found.run(event);
  });
  addEventListener("keyup", (event) => {
    for (const one of table) if (one.up && one.keys.includes(event.key)) one.up(event);
  });
  register({ key: "?", text: "These keys", run: () => showHelp(root) });
}

/** Show all keys. */
export function showHelp(root = document.querySelector("#help")) {
  const close = h("button", { onclick: () => root.close(), autofocus: true }, "Close");
  root.replaceChildren(h("header", {}, h("h2", {}, "Keys"), close), h("div", { class: "keys" }, ...groups()), h("p", { class: "about" }, `segdata ${state.about.version} · ${state.about.root}`));
  if (!root.open) root.showModal();
}

function groups() {
  const places = [...new Set([...Object.keys(PLACES), ...table.map(({ where }) => where)])];
  const told = places.filter((place) => table.some(({ where, text }) => where === place && text));
  return told.map((place) => {
    const lines = table.filter(({ where, text }) => where === place && text);
    return h("section", {}, h("h3", {}, PLACES[place] ?? place), h("dl", {}, ...lines.map((one) => h("div", {}, h("dt", {}, ...shown(one)), h("dd", {}, one.text)))));
  });
}

function shown({ keys, shown: words }) {
  if (words) return [h("kbd", {}, words)];
  return keys.map((key) => h("kbd", {}, key.split("+").map((part) => NAMES[part] ?? part).join(" + ") || key));
}

function entry(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target, event.key)) return undefined;
  const names = event.shiftKey ? [`Shift+${event.key}`, event.key] : [event.key];
  for (const name of names) {
    const found = table.filter((one) => one.keys.includes(name) && active(one.where));
    if (found.length) return found.find(({ where }) => where !== "page") ?? found[0];
  }
  return undefined;
}

function active(where) {
  const dialog = [...document.querySelectorAll("dialog[open]")].at(-1) ?? null; // the help may lie over another
  if (where === "page") return dialog === null;
  const region = document.getElementById(where);
  return region === dialog || (dialog === null && region !== null && region.contains(document.activeElement));
}

/** What is typed stays where it is typed, and a button that has the focus takes Enter and Space. */
function typing(target, key) {
  if (target.isContentEditable || target.closest("textarea, select")) return true;
  const input = target.closest("input");
  if (input && !["checkbox", "radio", "range", "button"].includes(input.type)) return true;
  if (input && /^(Arrow|Home|End|Page)/.test(key) && input.type !== "checkbox") return true;
  return [" ", "Enter"].includes(key) && target.closest("input, button, a, summary") !== null;
}
