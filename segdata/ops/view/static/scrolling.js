// Where a list of any height is scrolled to. A browser has no element of more than some million pixels, so a longer list is shown in
// one of `MOST`: its first and last `EDGE` pixels scroll as they are, what lies between them faster.

export const MOST = 4_000_000; // positions are exact to a fraction of a pixel up to here

const EDGE = 40_000;

/** How high the element of a list is. */
export const heightOf = (height) => Math.min(height, MOST);

/** Where the element is scrolled to when a list of `height` shows `top`; `view` pixels are in sight. */
export function toScroll(top, height, view) {
  if (height <= MOST) return top;
  const [last, end] = [height - view, MOST - view];
  if (top <= EDGE) return top;
  if (top >= last - EDGE) return end - (last - top);
  return EDGE + ((top - EDGE) * (end - 2 * EDGE)) / (last - 2 * EDGE);
}

/** What a list shows at the top when its element is scrolled to `scroll`: the inverse of `toScroll`. */
export function toTop(scroll, height, view) {
  if (height <= MOST) return scroll;
  const [last, end] = [height - view, MOST - view];
  if (scroll <= EDGE) return scroll;
  if (scroll >= end - EDGE) return last - (end - scroll);
  return EDGE + ((scroll - EDGE) * (last - 2 * EDGE)) / (end - 2 * EDGE);
}
