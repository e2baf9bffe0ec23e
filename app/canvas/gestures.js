// Mouse, pen and fingers on the scan. The left button and one finger use the chosen tool, the right button sets the
// window, the middle one (or Shift) moves the picture; two fingers zoom and move it. The wheel goes through frames,
// with Ctrl, or as a pinch on a touchpad, it zooms.

const CLICK = 4; // CSS pixels: a press that moved less is a click
const NOTCH = 100; // of deltaY for a frame: a wheel's notch is 100 or 120, a touchpad sends many small ones
const OF_A_LINE = 36; // of deltaY for a line: Firefox counts three of them for a notch

export class Gestures {
  constructor(stage, viewer, tools) {
    this.stage = stage;
    this.viewer = viewer;
    this.tools = tools;
    this.pointers = new Map();
    this.wheel = 0;
    const listen = (name, handle, options) => stage.addEventListener(name, handle.bind(this), options);
    listen("pointerdown", this.down);
    listen("pointermove", this.move);
    for (const end of ["pointerup", "pointercancel"]) listen(end, this.up);
    listen("pointerleave", () => viewer.pointAt(null));
    listen("contextmenu", (event) => event.preventDefault());
    listen("dblclick", () => viewer.fit());
    listen("wheel", this.wheeled, { passive: false });
  }

  get busy() {
    return this.pointers.size > 0;
  }

  place(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    if (this.pointers.size >= 2) return;
    const at = this.place(event);
    this.stage.setPointerCapture(event.pointerId);
    this.stage.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, at);
    this.moved = this.pointers.size === 2;
    this.tool = this.pointers.size === 2 ? "pinch" : toolOf(event, this.viewer.tool);
    this.start = at;
    if (this.tool !== "pinch") this.tools.begin(this.tool);
    event.preventDefault();
  }

  move(event) {
    const at = this.place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.viewer.pointAt(at);
    this.moved ||= Math.hypot(at[0] - this.start[0], at[1] - this.start[1]) >= CLICK;
    if (this.tool === "pinch") this.pinch(event.pointerId, before, at);
    else if (this.moved) this.tools.drag(this.tool, this.start, before, at);
    if (this.moved) this.pointers.set(event.pointerId, at);
  }

  pinch(id, before, at) {
    const other = [...this.pointers].find(([one]) => one !== id)?.[1];
    if (!other) return;
    const span = (point) => Math.max(Math.hypot(point[0] - other[0], point[1] - other[1]), 1);
    const middle = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    this.viewer.zoomBy(span(at) / span(before), middle);
    this.viewer.panBy((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const clicked = !this.moved && event.type === "pointerup" && event.button === 0;
    if (this.pointers.size) return; // the finger that stays does nothing more
    if (this.tool !== "pinch") this.tools.end(this.tool, this.place(event), clicked);
    this.tool = null;
  }

  wheeled(event) {
    const zooms = event.ctrlKey || event.metaKey;
    if (!zooms && this.viewer.header.frames < 2) return; // the page scrolls
    event.preventDefault();
    const turned = event.deltaMode === 0 ? event.deltaY : event.deltaY * OF_A_LINE;
    if (zooms) return this.viewer.zoomBy(Math.exp(-turned / 300), this.place(event));
    const frames = this.frames(turned);
    if (frames) this.viewer.step(frames);
  }

  // Whole notches are frames; what is less adds up.
  frames(turned) {
    if (Math.abs(turned) >= NOTCH) {
      this.wheel = 0;
      return Math.round(turned / (1.1 * NOTCH));
    }
    this.wheel += turned;
    const whole = Math.trunc(this.wheel / NOTCH);
    this.wheel -= whole * NOTCH;
    return whole;
  }
}

function toolOf(event, chosen) {
  if (event.button === 2) return "window";
  if (event.button === 1 || event.shiftKey) return "pan";
  return chosen;
}
