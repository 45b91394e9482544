// The page: asks what there is, and has each part mount itself.

import * as acts from "./acts.js";
import { get } from "./api.js";
import { h, note } from "./dom.js";
import * as filters from "./filters.js";
import * as grid from "./grid.js";
import * as keys from "./keys.js";
import * as numbers from "./numbers.js";
import * as sample from "./sample.js";
import * as side from "./side.js";
import { change, readHash, state } from "./state.js";

const parts = { filters, grid, side, numbers, acts, sample, help: keys };

readHash();
try {
  state.about = await get("api/about");
  document.title = `${state.about.name} - segdata view`;
  document.querySelector("#top").append(h("h1", {}, state.about.name));
  for (const [id, part] of Object.entries(parts)) part.mount(document.getElementById(id));
  change("about");
  addEventListener("hashchange", () => {
    readHash();
    change("query");
    change("open");
  });
} catch (error) {
  note(error.message, "error");
}
