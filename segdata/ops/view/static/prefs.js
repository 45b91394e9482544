// How this browser likes the page: kept for the next time.

import { change, listen, state } from "./state.js";

const NAMES = { paint: ["opacity", "outlines", "colors"], size: ["size"], theme: ["theme"] };

const KEY = "segdata-view";

/** Take what was kept, and keep what changes from now on. */
export function mount() {
  Object.assign(state, known());
  for (const topic of Object.keys(NAMES)) listen(topic, keep);
  listen("theme", dress);
  dress();
}

/** From system to light to dark. */
export function nextTheme() {
  const themes = ["system", "light", "dark"];
  change("theme", { theme: themes[(themes.indexOf(state.theme) + 1) % themes.length] });
}

/** Keep a text in this browser, if it keeps any. */
export function store(key, text) {
  try {
    localStorage.setItem(key, text);
  } catch {
    // a browser may forbid it, as in a frame of a notebook: then nothing is kept
  }
}

function keep() {
  if (state.held === undefined) store(KEY, JSON.stringify(Object.fromEntries(Object.values(NAMES).flat().map((name) => [name, state[name]]))));
}

function known() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return Object.fromEntries(Object.values(NAMES).flat().filter((name) => typeof found[name] === typeof state[name]).map((name) => [name, found[name]]));
  } catch {
    return {};
  }
}

function dress() {
  if (state.theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = state.theme;
}
