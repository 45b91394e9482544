// Filters by what `check` and the search for duplicates find. Neither runs by itself: the panel offers to start them.

import { get, post } from "./api.js";
import { count, failed, h, percent } from "./dom.js";
import { box } from "./fields.js";
import { change, listen, setValues, state, values } from "./state.js";

const EVERY = 1000; // while one runs

const WORDS = { check: "Check files, labels and splits", duplicates: "Look for duplicates" };

/** The fields, in an element that keeps itself up to date. */
export function foundFields() {
  const element = h("div", { class: "fields" });
  let [shows, timer, turn] = [[], 0, 0];
  const build = async () => {
    clearTimeout(timer);
    const mine = ++turn;
    const [jobs, codes] = await known();
    if (mine !== turn) return; // asked again since
    const parts = Object.keys(WORDS).map((name) => of(jobs.find((job) => job.name === name), codes));
    shows = parts.flatMap((part) => part.shows);
    element.replaceChildren(...parts.flatMap((part) => part.elements));
    shows.forEach((show) => show());
    if (jobs.some((job) => job.name in WORDS && job.state === "running")) timer = setTimeout(build, EVERY);
  };
  listen("query", () => shows.forEach((show) => show()));
  listen(["about", "columns", "analyses"], build);
  build();
  element.addEventListener("unfolded", build);
  return element;
}

async function known() {
  try {
    const jobs = await get("api/analyses");
    const checked = jobs.some((job) => job.name === "check" && job.state === "ready");
    return [jobs, checked ? await get("api/findings") : []];
  } catch (error) {
    if (error.code !== "http") failed(error);
    return [[], []];
  }
}

function of(job, codes) {
  if (!job) return { elements: [], shows: [] };
  if (job.state === "running") return said(`${WORDS[job.name]}: ${percent(job.done)}`);
  if (job.state === "failed") return said(`${job.title}: ${job.message}`);
  if (job.state !== "ready") return { elements: [starter(job)], shows: [] };
  const boxes = job.name === "check" ? checks(codes) : [choice("duplicates", "yes", "has duplicates", "")];
  return { elements: boxes.map(({ element }) => element), shows: boxes.map(({ show }) => show) };
}

const said = (text) => ({ elements: [h("p", { class: "faint" }, text)], shows: [] });

function starter(job) {
  const start = async () => {
    try {
      await post(`api/analyses/${job.name}`);
      change("analyses");
    } catch (error) {
      failed(error);
    }
  };
  return h("button", { onclick: start, disabled: Boolean(job.needs) || !state.about.writable, title: job.needs ?? "" }, WORDS[job.name]);
}

function checks(codes) {
  if (!codes.length) return [{ element: h("p", { class: "faint" }, "Check finds nothing wrong."), show: () => undefined }];
  return [choice("finding", "any", "any finding", ""), ...codes.map(({ code, samples }) => choice("finding", code, code, count(samples)))];
}

function choice(name, value, text, number) {
  const { element, show } = box(text, (on) => setValues(name, on ? [value] : []));
  return { element, show: () => show(values(name).includes(value), number) };
}
