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

/** Say something above the images; an error stays until the next one. */
export function note(text, kind = "note") {
  const notes = document.querySelector("#notes");
  notes.replaceChildren(...(text ? [h("p", { class: kind }, text)] : []));
}

/** 12,345 */
export const count = (n) => n.toLocaleString("en-US");

/** 0.1234 -> "12.3 %" */
export const percent = (share) => (share === null || Number.isNaN(share) ? "-" : `${(100 * share).toFixed(1)} %`);
