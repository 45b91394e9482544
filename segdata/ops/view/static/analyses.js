// What can be found out, how far it is, and what it found that leads to images.

import { get, post } from "./api.js";
import { count, h, note, percent } from "./dom.js";
import { isShown, lead } from "./leads.js";
import { change, setValues, state, values } from "./state.js";

const AGAIN = 700; // milliseconds between looks at what runs

/** The analyses of the server. `heard` is called when one of them is done or went on. */
export class Analyses {
  constructor(heard) {
    Object.assign(this, { heard, jobs: [], codes: [] });
  }

  /** The names of those that are done. */
  ready() {
    return this.jobs.filter((job) => job.state === "ready").map(({ name }) => name);
  }

  isReady(name) {
    return this.ready().includes(name);
  }

  /** Ask how far they are; again soon, if one runs. */
  async look(signal) {
    const before = this.jobs;
    this.jobs = await get("api/analyses", [], signal);
    const done = this.jobs.filter((job) => job.state === "ready" && before.some((old) => old.name === job.name && old.state !== "ready"));
    if (this.isReady("check")) this.codes = await get("api/findings", [], signal);
    if (done.length) await tellColumns(signal);
    clearTimeout(this.timer);
    if (this.jobs.some((job) => job.state === "running")) this.timer = setTimeout(this.heard, AGAIN);
  }

  async start(job) {
    try {
      await post(`api/analyses/${encodeURIComponent(job.name)}`);
    } catch (error) {
      note(error.message, "error");
    }
    this.heard();
  }

  list() {
    const items = this.jobs.map((job) => h("li", { class: job.state }, h("span", { class: "title" }, job.title), this.told(job), this.more(job)));
    return h("section", { class: "analyses", "aria-labelledby": "numbers-analyses" }, h("h3", { id: "numbers-analyses" }, "Find out"), h("ul", {}, ...items));
  }

  told(job) {
    if (job.state === "running" && job.message) return h("span", { class: "faint" }, job.message);
    if (job.state === "running") return h("span", { class: "faint" }, h("progress", { value: job.done, max: 1, "aria-label": job.title }), ` ${percent(job.done)}`);
    if (job.state === "ready") return h("span", { class: "faint" }, job.message);
    if (job.needs) return h("span", { class: "faint" }, job.needs);
    const words = job.state === "failed" ? "Try again" : "Start";
    const button = h("button", { "data-key": `start ${job.name}`, "aria-label": `${words}: ${job.title}`, disabled: !state.about.writable, onclick: () => this.start(job) }, words);
    return h("span", {}, button, job.message && h("span", { class: "failure" }, ` ${job.message}`));
  }

  /** What leads on from an analysis that is done. */
  more(job) {
    if (job.state !== "ready") return null;
    const [name, of = ""] = job.name.split(/(?=@)/);
    if (name === "suspects") return orderButton("Most suspect first", `-suspicion${of}`, { suspects: true, of: Number(of.slice(1)) });
    if (name === "confidence") return orderButton("Least sure first", `confidence${of}`);
    if (name === "evaluate") return orderButton("Worst first", `iou${of}`);
    if (name === "duplicates") return leadButton("Show them side by side", "duplicates", "yes", "duplicates");
    return h("ul", { class: "codes" }, ...this.codes.map(codeItem));
  }
}

/** The columns that samples have now, for all who show them. */
async function tellColumns(signal) {
  const { columns } = await get("api/about", [], signal);
  change("columns", { about: { ...state.about, columns } });
}

function orderButton(text, sort, highlight = null) {
  const order = () => {
    change("highlight", { highlight });
    setValues("sort", [sort]);
  };
  return h("button", { "data-key": `order ${sort}`, "aria-pressed": String(values("sort")[0] === sort), onclick: order }, text);
}

function leadButton(text, name, value, sort) {
  return h("button", { "data-key": `lead ${name} ${value}`, "aria-pressed": String(isShown(name, value)), onclick: () => lead([name, value], sort) }, text);
}

function codeItem(one) {
  const rest = one.findings > 1 ? ` (the first of ${count(one.findings)})` : "";
  const button = one.samples ? leadButton(`${one.code}: ${count(one.samples)}`, "finding", one.code, "id") : h("strong", {}, one.code);
  return h("li", { class: one.level }, button, ` ${one.level}: ${one.message}${rest}. `, h("span", { class: "faint" }, one.repair));
}
