// Elements from values. Text goes in as text: names from a dataset never become markup.

/** An element: h("button", {class: "x", onclick: f}, "text", child ...). */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * Say something above the images. A note of another `key` stays beside it; an empty text takes it away. A plain note goes by
 * itself, an error stays until it is closed or replaced. `actions` are buttons: [[text, f] ...].
 */
export function note(text, kind = "note", { key = "said", actions = [] } = {}) {
  const notes = document.querySelector("#notes");
  const old = [...notes.children].find((one) => one.dataset.key === key);
  if (!text) return old?.remove();
  if (old?.dataset.text === text) return;
  const buttons = actions.map(([name, run]) => h("button", { onclick: run }, name));
  const close = h("button", { class: "plain", "aria-label": "Close", onclick: () => line.remove() }, "×");
  const line = h("p", { class: kind, "data-key": key, "data-text": text }, h("span", {}, text), ...buttons, close);
  if (old) old.replaceWith(line);
  else notes.append(line);
  if (kind === "note" && !actions.length) setTimeout(() => line.remove(), 6000);
}

/** Say on the page why something failed. What was cancelled is no failure. */
export function failed(error) {
  if (error.name === "AbortError") return;
  if (error instanceof TypeError && /fetch|network|load/i.test(error.message)) gone();
  else note(error.message, "error");
}

/** Say that the server does not answer. */
export function gone() {
  note("segdata view is not running any more: start it again, then open the URL that it prints.", "error", { key: "gone" });
}

/** 12,345 */
export const count = (n) => n.toLocaleString("en-US");

/** 0.1234 -> "12.3 %" */
export const percent = (share) => (share === null || Number.isNaN(share) ? "-" : `${(100 * share).toFixed(1)} %`);

/** A share of which small ones are told too: "12.3 %", "0.04 %", "< 0.01 %". */
export function fine(share) {
  if (!share) return "0 %";
  if (share < 0.0001) return "< 0.01 %";
  return share < 0.01 ? `${(100 * share).toFixed(2)} %` : percent(share);
}

/** A function that runs `f` once it has not been called for so many milliseconds. */
export function later(f, wait) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => f(...given), wait);
  };
}

/** A function that runs `f` at the next frame, once however often it is called. */
export function atFrame(f) {
  let asked = 0;
  return () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      f();
    });
  };
}
