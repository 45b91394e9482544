// What goes on behind the page: the dataset changes on disk, its samples are being read, analyses add columns, the server ends.

import { get, post } from "./api.js";
import { failed, gone, note, percent } from "./dom.js";
import { change, state } from "./state.js";

const EVERY = 5000;

const SOON = 700; // while samples are being read

const PATIENCE = 8000;

/** Look every few seconds, while the page can be seen. */
export function mount() {
  const round = async () => {
    if (!document.hidden) await look();
    setTimeout(round, (state.about.ready ?? 1) < 1 ? SOON : EVERY);
  };
  setTimeout(round, SOON);
  sayReady(state.about);
  document.addEventListener("visibilitychange", () => document.hidden || look());
}

/** What an answer says beside its samples. */
export function heard({ changed, edition }) {
  if (changed !== undefined) sayChanged(changed);
  if (edition !== undefined && edition !== state.about.edition) look();
}

async function look() {
  try {
    const about = await get("api/about", [], AbortSignal.timeout(PATIENCE));
    note("", "error", { key: "gone" });
    took(about);
  } catch (error) {
    if (error instanceof TypeError || error.name === "TimeoutError") gone();
    else failed(error);
  }
}

function took(about) {
  const before = state.about;
  sayReady(about);
  sayChanged(about.changed ?? false);
  if (JSON.stringify(about) === JSON.stringify(before)) return;
  state.about = about;
  const whole = (about.ready ?? 1) === 1 && (before.ready ?? 1) < 1;
  if (about.edition !== before.edition || whole) change("about");
  else change("columns");
}

function sayReady({ ready = 1, fault = null }) {
  if (fault) return note(fault, "error", { key: "ready" });
  note(ready < 1 ? `Reading the samples: ${percent(ready)}. What is read can be looked at.` : "", "note", { key: "ready" });
}

function sayChanged(changed) {
  const actions = [["Reload", reload]];
  note(changed ? "The dataset was changed since it was opened." : "", "warning", { key: "changed", actions });
}

async function reload() {
  note("Opening the dataset again ...", "warning", { key: "changed" });
  try {
    await post("api/reload");
    note("", "warning", { key: "changed" });
    await look();
  } catch (error) {
    note("", "warning", { key: "changed" });
    failed(error);
  }
}
