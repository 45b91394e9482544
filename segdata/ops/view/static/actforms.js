// The dialog in which an act is asked for: where to, what happens, the same as a command line; then how far it is, and the result.

import { get, post } from "./api.js";
import { count, failed, h, later } from "./dom.js";
import { begun, jobOf } from "./jobs.js";
import { change, listen, state } from "./state.js";

const dialog = h("dialog", { id: "act", "aria-labelledby": "act-title" });
let shown = null; // the job whose progress is shown
let asked = 0; // how often the dialog was asked for
let endListening = null;

const IGNORED = [["class", "become shapes of a class called ignore"], ["background", "become background: no shape"], ["drop", "leave images out that have any"]];

const ACTS = {
  list: {
    title: "List of ids",
    what: () => `Writes the ids of ${images()} to a file: one per line (.txt), or as a table (.csv). segdata select, pick and export take such lists.`,
    go: "Write the list",
  },
  keep: { title: "Dataset of the selection", what: () => `Copies ${images()} into a new dataset.`, go: "Make the dataset", dataset: true },
  without: { title: "Dataset without the selection", what: () => `Copies all other images, ${count(state.about.samples - state.selected.size)} of ${count(state.about.samples)}, into a new dataset.`, go: "Make the dataset", dataset: true },
  split: { title: "New split", what: () => `Copies the dataset, with ${images()} in a split of their own; all others stay in theirs.`, go: "Make the dataset", dataset: true },
  tasks: { title: "Labelling tasks", what: () => taskWords(), go: "Write the tasks" },
};

const images = () => (state.selected.size === 1 ? "the selected image" : `the ${count(state.selected.size)} selected images`);

const plural = (n, what) => `${count(n)} ${what}${n === 1 ? "" : "s"}`;

/** Ask for an act; with a `job`, show how far that is. */
export async function openForm(act, job = null) {
  const mine = ++asked;
  show(ACTS[act].title, h("p", { class: "faint" }, "..."));
  if (job) return follow(job);
  const told = await begun();
  if (mine !== asked || !dialog.open) return; // closed, or another is shown
  if (told) build(act, told);
  else dialog.close();
}

function show(title, ...content) {
  if (!dialog.isConnected) document.body.append(dialog);
  const close = h("button", { class: "plain close", "aria-label": "Close", onclick: () => dialog.close() }, "×");
  dialog.replaceChildren(h("header", {}, h("h2", { id: "act-title" }, title), close), ...content);
  if (!dialog.open) dialog.showModal();
}

function build(act, told) {
  const { title, what, go, dataset } = ACTS[act];
  const fields = fieldsOf(act, told);
  const sentence = h("p", {});
  const command = h("div", { class: "command" });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const start = h("button", { class: "go" }, go);
  const form = h("form", {}, sentence, ...fields.elements, command, error, h("div", { class: "ends" }, ...(act === "list" ? [download(fields)] : []), h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), start));
  const say = (text) => {
    error.hidden = !text;
    error.textContent = text;
  };
  const update = () => {
    fields.update();
    sentence.textContent = what() + (dataset ? ` ${state.about.name} itself is not changed.` : "");
    ask();
  };
  let asking = null;
  const ask = later(() => {
    asking?.abort();
    asking = new AbortController();
    preview(act, fields.body(true), command, say, asking.signal);
  }, 200);
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start.disabled = true;
    begin(act, fields.body(false), say, form).finally(() => (start.disabled = false));
  });
  if (!state.about.writable) {
    start.hidden = true;
    fields.elements.forEach((element) => (element.hidden = true));
  }
  show(title, form);
  update();
  form.querySelector("input")?.select();
}

/** The fields of an act: elements, and what they say as the body of a request. */
function fieldsOf(act, told) {
  const destination = h("input", { value: told.suggested[act], spellcheck: "false", autocomplete: "off", required: true, "aria-describedby": "act-folder" });
  const elements = [field("Write to", destination, h("small", { id: "act-folder" }, `in ${told.folder}, if it does not begin with /`))];
  const split = h("input", { value: "", placeholder: "such as night", autocomplete: "off", required: true });
  if (act === "split") elements.unshift(field("Name of the split", split));
  const tasks = act === "tasks" ? taskFields(told.tools) : null;
  if (tasks) elements.unshift(...tasks.elements);
  const skip = h("input", { type: "checkbox" });
  const skipping = h("label", { class: "check" }, skip, "Leave out images that cannot be read, and list them");
  if (act !== "list") elements.push(skipping);
  const body = (isPreview) => {
    const some = (all) => (isPreview ? all.slice(0, 1) : all);
    const regions = tasks?.ofRegions() ?? false;
    return {
      destination: destination.value,
      ...(regions ? { regions: some(state.regions) } : { ids: some([...state.selected].sort()) }),
      ...(act === "split" ? { split: split.value.trim() } : {}),
      ...(act === "list" || regions ? {} : { skip: skip.checked }),
      ...(tasks?.body() ?? {}),
      ...(isPreview ? { preview: true } : {}),
    };
  };
  const update = () => {
    tasks?.update();
    skipping.hidden = tasks?.ofRegions() ?? false;
  };
  return { elements, body, update, destination };
}

/** A field with its title before it, and what is told of it below. */
function field(title, input, ...more) {
  input.id ||= `act-${title.toLowerCase().replaceAll(" ", "-")}`;
  return h("div", { class: "ask" }, h("label", { for: input.id }, title), input, ...more);
}

const options = (pairs) => pairs.map(([value, text]) => h("option", { value }, text));

function taskFields(tools) {
  const both = [["images", plural(state.selected.size, "selected image")], ["regions", plural(state.regions.length, "selected region")]];
  const of = h("select", {}, ...options(both.filter((_, i) => [state.selected.size, state.regions.length][i])));
  const tool = h("select", {}, ...options(Object.entries(tools)));
  const ignored = h("select", {}, ...options(IGNORED));
  const proposals = h("input", { type: "checkbox", checked: true });
  const lines = { of: field("Of", of), tool: field("For", tool), ignored: field("Ignored pixels", ignored), proposals: h("label", { class: "check" }, proposals, "The labels are proposals, which people accept or correct") };
  const ofRegions = () => of.value === "regions";
  const update = () => {
    lines.tool.hidden = lines.ignored.hidden = ofRegions();
    lines.proposals.hidden = ofRegions() || tool.value !== "labelstudio";
    taskWords.of = of.value;
  };
  const body = () => (ofRegions() ? {} : { tool: tool.value, ignored: ignored.value, proposals: tool.value === "labelstudio" && proposals.checked });
  update();
  return { elements: Object.values(lines), ofRegions, update, body };
}

function taskWords() {
  if (taskWords.of !== "regions") return `Writes ${images()} with their labels as files that the tool opens.`;
  const n = new Set(state.regions.map(({ id }) => id)).size;
  return `Writes ${plural(state.regions.length, "region")} of ${plural(n, "image")} as COCO instances, regions.json, beside copies of the images.`;
}

/** Ids as a file of the browser: the server writes nothing. */
function download({ destination }) {
  const save = () => {
    const name = destination.value.split("/").at(-1) || "ids.txt";
    const ids = [...state.selected].sort();
    const cell = (id) => (/^[=+\-@]/.test(id) ? `'${id}` : id);
    const quoted = (id) => (/[",\n]/.test(cell(id)) ? `"${cell(id).replaceAll('"', '""')}"` : cell(id));
    const text = name.toLowerCase().endsWith(".csv") ? ["id", ...ids.map(quoted)].join("\n") : ids.join("\n");
    const link = h("a", { href: URL.createObjectURL(new Blob([`${text}\n`], { type: "text/plain" })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  return h("button", { type: "button", onclick: save }, "Download instead");
}

/** The command line that does the same; and whether it can be done at all. */
async function preview(act, body, place, say, signal) {
  if (!state.about.writable || !body.destination.trim() || body.split === "") return say("");
  try {
    const { command } = await post(`api/acts/${act}`, body, signal);
    say("");
    place.replaceChildren(...(command ? [h("span", {}, "The same as a command"), copyable(command)] : []));
  } catch (error) {
    if (signal.aborted) return;
    place.replaceChildren();
    say(error.message);
  }
}

async function begin(act, body, say, form) {
  try {
    const job = await post(`api/acts/${act}`, body);
    if (form.isConnected && dialog.open) follow(job);
    else begun(); // the bar shows it
  } catch (error) {
    say(error.message);
  }
}

/** Show how far a job is, until it is done. */
function follow(job) {
  shown = job;
  endListening ??= listen("jobs", () => {
    const now = dialog.open && shown && jobOf(shown.job);
    if (now && JSON.stringify(now) !== JSON.stringify(shown)) tell(now);
  });
  tell(job);
  begun();
}

function tell(job) {
  const { title } = ACTS[job.name];
  const before = shown.state;
  shown = job;
  const bar = dialog.querySelector("progress");
  if (job.state === "running" && before === "running" && bar) return void (bar.value = job.done);
  if (job.state === "running") return show(title, h("p", { role: "status" }, `Writing ${job.destination} ...`), h("progress", { max: 1, value: job.done, "aria-label": "How far it is" }), h("p", { class: "faint" }, "It goes on if you close this."), ending("Close"));
  show(title, ...(job.state === "done" ? result(job) : failure(job)), ending("Close"));
  dialog.querySelector(".ends button").focus();
}

const ending = (text) => h("div", { class: "ends" }, h("button", { onclick: () => dialog.close() }, text));

function result(job) {
  const next = job.next ? [h("div", { class: "command" }, h("span", {}, "What comes next"), copyable(job.next))] : [];
  const same = job.command ? [h("div", { class: "command" }, h("span", {}, "The same as a command"), copyable(job.command))] : [];
  const receipt = job.receipt ? [h("details", {}, h("summary", {}, "Receipt"), h("pre", { tabindex: 0 }, JSON.stringify(job.receipt, null, 2)))] : [];
  return [h("p", { class: "done", role: "status" }, `Done: ${job.destination}`), h("pre", { tabindex: 0, "aria-label": "What was made" }, job.lines.join("\n")), ...next, ...same, ...receipt];
}

function failure(job) {
  const again = h("button", { onclick: () => openForm(job.name) }, "Change it and try again");
  return [h("p", { class: "error", role: "alert" }, job.message), h("p", { class: "faint" }, "Nothing is left half-written."), again];
}

/** A text that a button copies. */
function copyable(text) {
  const words = text.split(" ").flatMap((word) => [" ", h("span", {}, word)]);
  const code = h("code", { tabindex: 0 }, ...words.slice(1));
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // the page may not copy: the text is marked, for Ctrl-C
    }
  };
  const button = h("button", { type: "button", onclick: copy, "aria-label": "Copy the command" }, "Copy");
  return h("div", { class: "copy" }, code, button);
}

/** Give the selected images a tag, or take it from them. */
export function openTags() {
  const known = Object.entries(state.facets?.tags ?? {});
  const input = h("input", { list: "act-tags", autocomplete: "off", maxlength: 100, required: true, placeholder: "such as blurred" });
  const list = h("datalist", { id: "act-tags" }, ...known.map(([name]) => h("option", { value: name })));
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const where = h("small");
  get("api/tags").then(({ file }) => (where.textContent = `in ${file}`), failed);
  const give = (on) => async () => {
    if (!input.reportValidity()) return;
    try {
      retag(await post("api/tags", { ids: [...state.selected], tag: input.value, on }));
      dialog.close();
    } catch (wrong) {
      error.hidden = false;
      error.textContent = wrong.message;
    }
  };
  const choose = (name) => () => {
    input.value = name;
    input.focus();
  };
  const names = known.map(([name]) => h("button", { type: "button", onclick: choose(name) }, name));
  const form = h("form", {},
    h("p", {}, `Tags ${images()}. Tags are kept in a CSV file, which segdata evaluate --slice takes; ${state.about.name} itself is not changed.`),
    field("Tag", input, list, where), ...(names.length ? [h("div", { class: "names", role: "group", "aria-label": "Known tags" }, ...names)] : []), error,
    h("div", { class: "ends" }, h("button", { type: "button", onclick: give(false) }, "Untag"), h("button", { class: "go" }, "Tag")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    give(true)();
  });
  asked++;
  show("Tags", form);
  input.focus();
}

/** Have the page show what tags there are now. */
function retag({ tags }) {
  state.about = { ...state.about, tags: Object.keys(tags) };
  change("tags");
}

dialog.addEventListener("close", () => (shown = null));
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
