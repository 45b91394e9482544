// The images, as many as are in sight.

import { get, url } from "./api.js";
import { count, h, note } from "./dom.js";
import { painted, readMask } from "./paint.js";
import { change, listen, state } from "./state.js";

export function mount(root) {
  const show = async () => {
    try {
      const found = await get("api/samples", [...state.query, ["count", 60]]);
      root.replaceChildren(h("p", { id: "total" }, `${count(found.total)} images`), ...found.samples.map(cell));
    } catch (error) {
      note(error.message, "error");
    }
  };
  listen(["query", "about"], show);
}

function cell(sample) {
  const canvas = h("canvas");
  const query = { size: 256, v: state.about.edition };
  readMask(url(`api/mask/${sample.row}`, query)).then((mask) => {
    const paint = () => {
      [canvas.width, canvas.height] = [mask.width, mask.height];
      canvas.getContext("2d").putImageData(painted(mask), 0, 0);
    };
    listen("paint", paint);
    paint();
  });
  const image = h("img", { src: url(`api/image/${sample.row}`, query), alt: "", loading: "lazy" });
  const open = () => change("open", { open: sample.id });
  return h("button", { class: "cell", onclick: open, "data-id": sample.id }, h("span", { class: "picture" }, image, canvas), h("span", { class: "caption" }, sample.id));
}
