// The keyboard: one table of what a key does, for the canvas and for the sheet of shortcuts.

const PAN = 40; // CSS pixels
const TURN = 10; // as if the mouse had been dragged so far

/** [keys, name of the text on the sheet, what is done]. A key is event.key, behind "Shift+" or "Ctrl+" for arrows. */
export const KEYS = [
  [["ArrowDown", "ArrowRight", "PageDown"], "key_next", (viewer) => viewer.step(1)],
  [["ArrowUp", "ArrowLeft", "PageUp"], "key_previous", (viewer) => viewer.step(-1)],
  [["Home"], "key_first", (viewer) => viewer.goTo(0)],
  [["End"], "key_last", (viewer) => viewer.goTo(viewer.header.frames - 1)],
  [[" "], "key_cine", (viewer) => viewer.cine.toggle()],
  [["["], "key_slower", (viewer) => viewer.cine.change(-1)],
  [["]"], "key_faster", (viewer) => viewer.cine.change(1)],
  [["Shift+ArrowRight"], "key_wider", (viewer) => viewer.turnWindow(TURN, 0)],
  [["Shift+ArrowLeft"], "key_narrower", (viewer) => viewer.turnWindow(-TURN, 0)],
  [["Shift+ArrowUp"], "key_brighter", (viewer) => viewer.turnWindow(0, -TURN)],
  [["Shift+ArrowDown"], "key_darker", (viewer) => viewer.turnWindow(0, TURN)],
  [["i"], "key_invert", (viewer) => viewer.invert()],
  [["+", "="], "key_in", (viewer) => viewer.zoomBy(1.25)],
  [["-"], "key_out", (viewer) => viewer.zoomBy(0.8)],
  [["Ctrl+ArrowLeft"], "key_left", (viewer) => viewer.panBy(PAN, 0)],
  [["Ctrl+ArrowRight"], "key_right", (viewer) => viewer.panBy(-PAN, 0)],
  [["Ctrl+ArrowUp"], "key_up", (viewer) => viewer.panBy(0, PAN)],
  [["Ctrl+ArrowDown"], "key_down", (viewer) => viewer.panBy(0, -PAN)],
  [["f"], "key_fit", (viewer) => viewer.fit()],
  [["1"], "key_actual", (viewer) => viewer.actualSize()],
  [["r"], "key_reset", (viewer) => viewer.reset()],
  [["w"], "key_window", (viewer) => viewer.setTool("window")],
  [["p"], "key_pan", (viewer) => viewer.setTool("pan")],
  [["m"], "key_measure", (viewer) => viewer.setTool("measure")],
  [["g"], "key_region", (viewer) => viewer.setTool("region")],
  [["Enter"], "key_place", (viewer) => viewer.rectangle.place()],
  [["Delete", "Backspace"], "key_remove", (viewer) => viewer.removeMarks()],
  [["c"], "key_crops", (viewer) => viewer.toggle("crops")],
  [["d"], "key_grid", (viewer) => viewer.toggle("grid")],
  [["h"], "key_heat", (viewer) => viewer.toggle("heat")],
  [["o"], "key_graphics", (viewer) => viewer.toggle("graphics")],
  [["t"], "key_texts", (viewer) => viewer.toggle("texts")],
  [["Escape"], "key_escape", (viewer) => viewer.escape()],
  [["?"], "key_help", (viewer) => viewer.help.toggle()],
];

const COMMANDS = new Map(KEYS.flatMap(([keys, , command]) => keys.map((key) => [key, command])));

export function keyOf(event) {
  const arrow = event.key.startsWith("Arrow");
  const held = arrow ? (event.shiftKey ? "Shift+" : "") + (event.ctrlKey ? "Ctrl+" : "") : "";
  return held + (event.key.length === 1 ? event.key.toLowerCase() : event.key);
}

/** Listen on the stage. What is ours goes no further, for Streamlit has keys of its own (R, C). */
export function listenToKeys(stage, viewer) {
  stage.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || (event.ctrlKey && !event.key.startsWith("Arrow"))) return;
    const moved = viewer.rectangle.key(event);
    const command = COMMANDS.get(keyOf(event));
    if (!moved && !command) return;
    if (!moved) command(viewer);
    event.preventDefault();
    event.stopPropagation();
  });
}
