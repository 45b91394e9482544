// What the server is making for this page, and for other pages of the same viewer.

import { get } from "./api.js";
import { change } from "./state.js";

const EVERY = 400; // milliseconds, while something is being made

let jobs = [];
let timer = 0;

/** The jobs that are under way. */
export const runningJobs = () => jobs.filter(({ state }) => state === "running");

/** A job as it was last heard of. */
export const jobOf = (number) => jobs.find(({ job }) => job === number);

/** Ask how far they are, and again until all are done. Tells the topic "jobs". Returns what the server says. */
export async function begun() {
  clearTimeout(timer);
  try {
    const told = await get("api/acts");
    jobs = told.jobs;
    change("jobs");
    if (runningJobs().length) again(EVERY);
    return told;
  } catch {
    again(10 * EVERY); // the page says elsewhere that the server is gone
    return null;
  }
}

function again(wait) {
  clearTimeout(timer); // of another question that was under way
  timer = setTimeout(begun, wait);
}
