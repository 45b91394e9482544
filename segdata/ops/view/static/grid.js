// The images, as many as are in sight, of any number.

import { Cell, classWords } from "./cell.js";
import { atFrame, count, failed, h, later, note } from "./dom.js";
import { Feed } from "./feed.js";
import { register } from "./keys.js";
import { heightOf, toScroll, toTop } from "./scrolling.js";
import { isSelected, selectRange, toggle } from "./select.js";
import { change, listen, state } from "./state.js";
import { heard as answered } from "./watch.js";

const HINT = "The class under the pointer is told here.";
const GAP = 10;
const CAPTION = 44;
const PAUSE = 120; // milliseconds that an image must stay in sight of a fast hand until it is asked for
const MARGIN = 1; // rows outside sight that are there already

const scroller = h("div", { class: "scroller", tabindex: "-1" });
const tall = h("div", { class: "tall", role: "grid", "aria-label": "Images", "aria-multiselectable": "true" });
const status = h("p", { class: "status" }, HINT);
const none = h("p", { class: "none", hidden: true });
const cells = new Map(); // row -> Cell
const lines = new Map(); // line number -> element
const shape = { columns: 1, cell: 200, line: 200, aspect: 0.75, view: 0, height: 0, top: 0, scroll: 0 };
let [feed, next, focused, anchor] = [null, null, 0, 0];

/** Show the images that fit the query in the page's main region. */
export function mount(root) {
  scroller.append(none, tall);
  root.append(scroller, status);
  scroller.addEventListener("scroll", scrolled, { passive: true });
  new ResizeObserver(draw).observe(scroller);
  listenToPointer();
  listen("query", () => ask({ keep: false }));
  listen(["about", "tags"], () => ask({ keep: true }));
  listen("size", draw);
  listen(["paint", "of"], atFrame(() => shown().forEach((cell) => cell.paint())));
  listen("selected", atFrame(markAll));
  listenToKeys();
}

/** Ask for the images of the query; what is shown stays until they are here. */
function ask({ keep }) {
  next?.stop();
  const fresh = new Feed(state.query, (answer) => took(fresh, answer, keep), (error) => lost(fresh, error));
  next = fresh;
  fresh.need(keep ? anchor : 0, keep ? anchor : 0);
  tall.setAttribute("aria-busy", "true");
}

function took(fresh, answer, keep) {
  answered(answer);
  if (fresh === next) begin(fresh, answer, keep);
  if (fresh === feed) draw();
}

function begin(fresh, answer, keep) {
  const same = keep && feed?.total === answer.total; // then the lines stay: a click on one is not lost
  feed?.stop();
  [feed, next] = [fresh, null];
  if (!keep) [shape.top, anchor, focused, shape.from] = [0, 0, 0, undefined];
  if (!same) dropLines();
  learnAspect(answer.samples);
  tall.removeAttribute("aria-busy");
  note("", "error", { key: "query" });
  none.hidden = answer.total > 0;
  none.textContent = state.about.samples ? "No image fits these filters." : "The dataset has no images.";
  change("total", { total: answer.total });
}

function lost(fresh, error) {
  if (fresh !== next && fresh !== feed) return;
  tall.removeAttribute("aria-busy");
  if (error.code === undefined) return failed(error);
  note(error.message, "error", { key: "query" });
  change("total", { total: null });
}

/** All images have places of one form: that of the most usual one when the dataset is opened. */
function learnAspect(samples) {
  if (shape.learned === state.about.edition || !samples.length) return;
  const aspects = samples.map((sample) => sample.height / sample.width).sort((a, b) => a - b);
  shape.aspect = Math.min(1.25, Math.max(0.5, aspects[Math.floor(aspects.length / 2)]));
  shape.learned = state.about.edition;
}

/** Measure, keep the image that is at the top there, and show what is in sight. */
function draw() {
  if (!feed || feed.total === null) return;
  const width = scroller.clientWidth - 2 * GAP;
  const columns = Math.max(1, Math.round((width + GAP) / (Math.min(state.size, width) + GAP)));
  const cell = Math.floor((width - (columns - 1) * GAP) / columns);
  const line = Math.round(cell * shape.aspect) + CAPTION + GAP;
  if (columns !== shape.columns || line !== shape.line) {
    const part = (shape.top / shape.line) % 1;
    dropLines();
    shape.top = (Math.floor(anchor / columns) + (columns === shape.columns ? part : 0)) * line;
  }
  Object.assign(shape, { columns, cell, line, view: scroller.clientHeight, height: Math.ceil(feed.total / columns) * line + GAP });
  tall.style.height = `${heightOf(shape.height)}px`;
  tall.style.setProperty("--columns", columns);
  tall.style.setProperty("--picture", `${Math.round(cell * shape.aspect)}px`);
  tall.setAttribute("aria-rowcount", Math.ceil(feed.total / columns));
  tall.setAttribute("aria-colcount", columns);
  moveTo(shape.top);
}

/** Scroll to a point of the list. */
function moveTo(top) {
  shape.top = Math.max(0, Math.min(top, shape.height - shape.view));
  shape.scroll = Math.round(toScroll(shape.top, shape.height, shape.view));
  if (Math.abs(scroller.scrollTop - shape.scroll) >= 1) scroller.scrollTop = shape.scroll;
  else shape.scroll = scroller.scrollTop;
  render();
}

/** A small step moves the list as far as the hand does, whatever its height; a large one goes to that part of it. */
function scrolled() {
  const step = scroller.scrollTop - shape.scroll;
  if (Math.abs(step) < 1) return;
  shape.scroll = scroller.scrollTop;
  const near = shape.height > heightOf(shape.height) && Math.abs(step) < 2 * shape.view;
  const top = near ? shape.top + step : toTop(shape.scroll, shape.height, shape.view);
  shape.top = Math.max(0, Math.min(top, shape.height - shape.view));
  shape.flung = Math.abs(step) > shape.view / 4;
  anchor = Math.floor(shape.top / shape.line) * shape.columns;
  render();
  settle();
}

const settle = later(() => {
  if (shape.height > heightOf(shape.height)) moveTo(shape.top);
}, 200);

const render = atFrame(() => {
  const first = Math.max(0, Math.floor(shape.top / shape.line) - MARGIN);
  const last = Math.min(Math.ceil(feed.total / shape.columns) - 1, Math.floor((shape.top + shape.view) / shape.line) + MARGIN);
  if (shape.flung) needSoon();
  else need();
  for (const [number, line] of lines) {
    if (number < first || number > last) dropLine(number, line);
  }
  const shift = shape.scroll - shape.top + GAP;
  for (let number = first; number <= last; number++) {
    const line = lines.get(number) ?? makeLine(number);
    line.style.transform = `translateY(${Math.round(number * shape.line + shift)}px)`;
    fill(line, number);
  }
  dropCells();
  if (feed.total && !tall.querySelector('.cell[tabindex="0"]')) tall.querySelector(`.cell[data-place="${anchor}"]`)?.setAttribute("tabindex", "0");
});

function need() {
  const first = Math.floor(shape.top / shape.line) * shape.columns;
  const last = first + (Math.ceil(shape.view / shape.line) + 2) * shape.columns;
  if (feed.total) feed.need(Math.max(0, first - shape.columns), Math.min(feed.total - 1, last));
}

/** What is passed in a fling is not asked for. */
const needSoon = later(need, 50);

function makeLine(number) {
  const line = h("div", { class: "line", role: "row", "aria-rowindex": number + 1 });
  for (let column = 0; column < shape.columns; column++) {
    const place = number * shape.columns + column;
    if (place < feed.total) line.append(h("div", { class: "cell", role: "gridcell", "aria-colindex": column + 1, "data-place": place, tabindex: place === focused ? "0" : "-1", "aria-label": `Image ${count(place + 1)}` }));
  }
  const after = [...lines.keys()].filter((one) => one > number).sort((a, b) => a - b)[0];
  tall.insertBefore(line, lines.get(after) ?? null);
  lines.set(number, line);
  return line;
}

function fill(line, number) {
  [...line.children].forEach((slot, column) => {
    const sample = feed.at(number * shape.columns + column);
    if (sample) put(slot, sample);
  });
}

function put(slot, sample) {
  let cell = cells.get(sample.row);
  if (cell?.sample === sample && cell.element.parentNode === slot && cell.serves(shape.cell)) return;
  if (cell && (cell.edition !== state.about.edition || cell.told !== told(sample))) {
    cell.drop();
    cell = null;
  }
  if (!cell) {
    cell = Object.assign(new Cell(sample, shape.cell, shape.flung ? PAUSE : 0), { edition: state.about.edition, told: told(sample) });
    cells.set(sample.row, cell);
  } else if (!cell.serves(shape.cell)) cell.load(shape.cell);
  if (cell.element.parentNode === slot) return;
  slot.replaceChildren(cell.element);
  Object.assign(slot.dataset, { id: sample.id, row: sample.row });
  slot.setAttribute("aria-label", label(sample));
  mark(slot, cell);
  if (document.activeElement === scroller && Number(slot.dataset.place) === focused) slot.focus({ preventScroll: true });
}

const told = (sample) => JSON.stringify([sample, state.query.find(([name]) => name === "sort")]);

const label = (sample) => [sample.id, sample.split, `${sample.width} by ${sample.height} pixels`, ...(sample.tags ?? [])].filter(Boolean).join(", ");

function mark(slot, cell) {
  slot.setAttribute("aria-selected", isSelected(slot.dataset.id));
  cell.mark();
}

function markAll() {
  for (const slot of tall.querySelectorAll(".cell[data-row]")) mark(slot, cells.get(Number(slot.dataset.row)));
}

const shown = () => [...cells.values()];

function dropLine(number, line) {
  if (line.contains(document.activeElement)) scroller.focus({ preventScroll: true });
  line.remove();
  lines.delete(number);
}

function dropLines() {
  for (const [number, line] of lines) dropLine(number, line);
}

function dropCells() {
  for (const [row, cell] of cells) {
    if (cell.element.isConnected) continue;
    cell.drop();
    cells.delete(row);
  }
}

function slotOf(event) {
  return event.target.closest?.(".cell[data-row]");
}

function listenToPointer() {
  tall.addEventListener("click", (event) => {
    const slot = slotOf(event);
    if (!slot || event.target.closest("label, a")) return;
    if (event.target.closest("input")) return void tick(slot, event);
    focus(Number(slot.dataset.place));
    if (event.shiftKey) extend(Number(slot.dataset.place));
    else if (event.ctrlKey || event.metaKey) pick(slot);
    else change("open", { open: slot.dataset.id });
  });
  tall.addEventListener("pointermove", (event) => {
    const cell = cells.get(Number(slotOf(event)?.dataset.row));
    const id = cell?.idAt(event.clientX, event.clientY) ?? null;
    status.textContent = id === null ? (cell?.sample.id ?? HINT) : `${cell.sample.id} · ${classWords(cell.sample, id)}`;
  });
  tall.addEventListener("change", (event) => (shape.from = Number(slotOf(event).dataset.place)));
  tall.addEventListener("focusin", (event) => {
    const slot = event.target.closest(".cell");
    if (slot) focused = Number(slot.dataset.place);
  });
  tall.addEventListener("pointerleave", () => (status.textContent = HINT));
}

function pick(slot) {
  toggle(slot.dataset.id);
  shape.from = Number(slot.dataset.place);
}

/** A check box also begins a range, and with Shift ends one. */
function tick(slot, event) {
  const place = Number(slot.dataset.place);
  if (event.shiftKey) extend(place);
  else shape.from = place;
}

function extend(place) {
  selectRange(shape.from ?? focused, place).catch(failed);
}

/** Move the keyboard's place, and have it in sight. */
export function focus(place) {
  if (!feed?.total) return;
  const to = Math.max(0, Math.min(feed.total - 1, place));
  tall.querySelector('.cell[tabindex="0"]')?.setAttribute("tabindex", "-1");
  focused = to;
  const start = Math.floor(to / shape.columns) * shape.line;
  if (start < shape.top) moveTo(start);
  else if (start + shape.line + GAP > shape.top + shape.view) moveTo(start + shape.line + GAP - shape.view);
  anchor = Math.floor(shape.top / shape.line) * shape.columns;
  const take = () => {
    const slot = tall.querySelector(`.cell[data-place="${to}"]`);
    slot?.setAttribute("tabindex", "0");
    slot?.focus({ preventScroll: true });
    return slot;
  };
  if (!take()) requestAnimationFrame(() => requestAnimationFrame(take));
}

function listenToKeys() {
  const lineAt = () => Math.floor(focused / shape.columns) * shape.columns;
  const page = () => Math.max(1, Math.floor(shape.view / shape.line)) * shape.columns;
  const moves = {
    ArrowRight: () => focused + 1, ArrowLeft: () => focused - 1,
    ArrowDown: () => focused + shape.columns, ArrowUp: () => (focused < shape.columns ? focused : focused - shape.columns),
    PageDown: () => focused + page(), PageUp: () => focused - page(), Home: () => 0, End: () => feed.total - 1,
  };
  const told = { ArrowRight: "Move between images", PageDown: "A page further or back", Home: "The first or the last image" };
  const groups = [["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"], ["PageDown", "PageUp"], ["Home", "End"]];
  for (const key of groups) register({ key, text: told[key[0]], where: "grid", run: (event) => focus(moves[event.key]()) });
  register({ key: Object.keys(moves).map((key) => `Shift+${key}`), text: "Select as far as there", where: "grid", shown: "Shift with these", run: (event) => {
    shape.from ??= focused;
    focus(moves[event.key]());
    extend(focused);
  } });
  const slot = () => tall.querySelector(`.cell[data-place="${focused}"][data-id]`);
  register({ key: "Enter", text: "Open the image", where: "grid", run: () => slot() && change("open", { open: slot().dataset.id }) });
  register({ key: ["x", " "], text: "Select the image, or let go of it", where: "grid", run: () => slot() && pick(slot()) });
  register({ key: "g", text: "To the images", run: () => focus(focused >= anchor && focused < anchor + page() ? focused : anchor) });
}
