// What can be done with the selection: a bar below the images, which is there once something is selected or being made.

import { openForm, openTags } from "./actforms.js";
import { count, failed, h, note } from "./dom.js";
import { begun, runningJobs } from "./jobs.js";
import { register } from "./keys.js";
import { clear, idsThatFit, selectAll, selectOnly } from "./select.js";
import { change, listen, state } from "./state.js";

let edition = null;

/** Show the bar when there is something to do. */
export function mount(root) {
  edition = state.about.edition;
  const told = h("p", { class: "told", role: "status" });
  const buttons = h("div", { class: "buttons", role: "toolbar", "aria-label": "What to do with the selection" });
  const jobs = h("ul", { class: "jobs", "aria-label": "Being made" });
  root.append(told, buttons, jobs);
  const show = () => {
    const words = selectionWords();
    told.textContent = words && `${words} selected`;
    fill(buttons, words ? actions() : []);
    jobs.replaceChildren(...runningJobs().map(jobLine));
    root.hidden = !words && !jobs.children.length;
  };
  listen(["selected", "total", "jobs"], show);
  listen("about", () => {
    forget();
    show();
  });
  listenToKeys(buttons);
}

/** "12 images, 3 regions"; nothing if nothing is selected. */
function selectionWords() {
  const parts = [[state.selected.size, "image"], [state.regions.length, "region"]];
  return parts.filter(([n]) => n).map(([n, what]) => `${count(n)} ${what}${n === 1 ? "" : "s"}`).join(", ");
}

/** Regions have rows of the dataset as it was opened. */
function forget() {
  if (edition !== state.about.edition && state.regions.length) change("selected", { regions: [] });
  edition = state.about.edition;
}

function actions() {
  const { writable } = state.about;
  const images = state.selected.size > 0;
  const all = state.total === null ? "Select all" : `Select all ${count(state.total)}`;
  return [
    button("Clear", clear, "Escape"),
    button(all, selectFitting, "Shift + X"),
    button("Invert", invert, "Shift + I"),
    ...(images && writable ? [button("Tag ...", openTags, "Shift + T")] : []),
    ...(images ? [form("list", "List of ids")] : []),
    ...(images && writable ? [form("keep", "Dataset of them"), form("without", "Dataset without them"), form("split", "New split")] : []),
    ...(writable ? [form("tasks", "Labelling tasks")] : []),
  ];
}

const button = (text, run, title) => h("button", { onclick: run, title }, text);

const form = (act, text) => h("button", { class: "make", onclick: () => openForm(act), "aria-haspopup": "dialog" }, text);

/** Show these buttons; those that are there already stay, with the focus. Without any the focus goes back to the images. */
function fill(root, wanted) {
  const there = new Map([...root.children].map((one) => [one.textContent, one]));
  const had = root.contains(document.activeElement) ? document.activeElement.textContent : null;
  const shown = wanted.map((one) => there.get(one.textContent) ?? one);
  if (shown.length === there.size && shown.every((one, i) => one === root.children[i])) return;
  root.replaceChildren(...shown);
  if (had !== null) (shown.find((one) => one.textContent === had) ?? shown[0] ?? document.querySelector("#grid")).focus();
}

async function selectFitting() {
  try {
    selectAll(await idsThatFit());
  } catch (error) {
    failed(error);
  }
}

/** Of the images that fit, the others; what does not fit stays as it is. */
async function invert() {
  try {
    const fitting = await idsThatFit();
    const among = new Set(fitting);
    const outside = [...state.selected].filter((id) => !among.has(id));
    selectOnly([...outside, ...fitting.filter((id) => !state.selected.has(id))]);
  } catch (error) {
    failed(error);
  }
}

function jobLine(job) {
  const bar = h("progress", { max: 1, value: job.done, "aria-label": job.destination });
  return h("li", {}, h("button", { class: "plain", onclick: () => openForm(job.name, job) }, job.destination), bar);
}

function listenToKeys(buttons) {
  register({ key: "Shift+X", text: "Select all images that fit", run: selectFitting });
  register({ key: "Shift+I", text: "Select the others of those that fit", run: invert });
  register({ key: "Shift+T", text: "Tag the selected images", run: () => (state.selected.size && state.about.writable ? openTags() : note("Select images first: x selects one.")) });
  register({ key: "m", text: "To what can be made of the selection", run: () => (buttons.querySelector(".make") ?? buttons.firstChild)?.focus() ?? note("Select images first: x selects one.") });
  register({ key: "Escape", text: "Select nothing", run: () => selectionWords() && clear() });
  begun();
}
