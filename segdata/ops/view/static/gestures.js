// Mouse, fingers and wheel over the panes: drag moves, wheel and pinch zoom, a double click zooms in, Shift and drag zoom to a part.

const STILL = 6; // CSS pixels within which a press stays a click

/** Have a stage follow the pointers; `point(at, pinned, touched)` is told the point of the image under one:
 * [y, x], or null. */
export function follow(stage, point) {
  const down = new Map(); // pointers that are pressed: where they are, and where they began
  const { root } = stage;
  let [rest, anchor, turned] = [null, null, null]; // where the pointer rests, the point that the wheel keeps there, the view since
  const on = (name, heard) => root.addEventListener(name, (event) => stage.scene && !event.target.closest(".divider") && heard(event), { passive: false });
  const at = (event) => stage.pointAt(event.clientX, event.clientY);

  on("pointerdown", (event) => {
    event.target.setPointerCapture(event.pointerId);
    const from = at(event);
    down.set(event.pointerId, { x: event.clientX, y: event.clientY, from, begun: [event.clientX, event.clientY], band: event.shiftKey });
  });

  on("pointermove", (event) => {
    [rest, turned] = [event, null];
    const before = down.get(event.pointerId);
    if (!before) return event.pointerType === "mouse" && point(at(event), false);
    const others = [...down].filter(([id]) => id !== event.pointerId);
    if (before.band) stage.band = between(before.from, at(event));
    else if (others.length) pinch(stage, before, event, others[0][1]);
    else if (far(before, event)) stage.pan(event.clientY - before.y, event.clientX - before.x);
    else return undefined;
    Object.assign(before, { x: event.clientX, y: event.clientY, moved: true });
    return stage.draw();
  });

  const up = (event) => {
    const before = down.get(event.pointerId);
    down.delete(event.pointerId);
    if (stage.scene && before?.band && stage.band) stage.goTo({ ...stage.band, height: stage.band.height / 2, width: stage.band.width / 2, ...middle(stage.band) });
    stage.band = null;
    if (before && !before.moved && event.type === "pointerup") point(at(event), true, event.pointerType === "touch");
    stage.draw();
  };
  for (const end of ["pointerup", "pointercancel"]) root.addEventListener(end, up); // also when the image has been closed meanwhile
  on("pointerleave", (event) => event.pointerType === "mouse" && point(null, false));

  on("wheel", (event) => {
    event.preventDefault();
    if (stage.view !== turned) anchor = at(rest && near(rest, event) ? rest : event);
    const lines = event.deltaMode === 1 ? 16 : 1;
    stage.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), anchor ?? undefined);
    turned = stage.view;
  });
  on("dblclick", (event) => stage.zoom(event.shiftKey || event.altKey ? 0.5 : 2, at(event) ?? undefined));
}

/** A wheel's event is at a whole CSS pixel, that of a pointer may be between two. */
const near = (a, b) => Math.abs(a.clientX - b.clientX) < 1 && Math.abs(a.clientY - b.clientY) < 1;

const far = (before, event) => before.moved || Math.hypot(event.clientX - before.begun[0], event.clientY - before.begun[1]) > STILL;

/** Two fingers: what is under them stays under them. */
function pinch(stage, before, event, other) {
  const apart = (one) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
  const now = { x: event.clientX, y: event.clientY };
  const point = stage.pointAt((now.x + other.x) / 2, (now.y + other.y) / 2);
  stage.pan((now.y - before.y) / 2, (now.x - before.x) / 2);
  stage.zoom(apart(now) / apart(before), point ?? undefined);
  other.moved = true;
}

/** The rectangle between two points [y, x]; null beside the panes. */
function between(a, b) {
  if (!a || !b) return null;
  const [y, x] = [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
  return { y, x, height: Math.max(1, Math.abs(a[0] - b[0])), width: Math.max(1, Math.abs(a[1] - b[1])) };
}

/** The part of a band that `goTo`, which shows what is around it, turns into the whole band. */
const middle = ({ y, x, height, width }) => ({ y: y + height / 4, x: x + width / 4 });
