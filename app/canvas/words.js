// What the canvas says of itself, in the page's language. A text is the server's, with {names} to be filled in.

import { number } from "./boxes.js";

function filled(text, values) {
  return Object.entries(values).reduce((line, [key, value]) => line.replace(`{${key}}`, value), text);
}

export function frameLine(viewer, frame) {
  return filled(viewer.text("frame_of"), { number: frame + 1, count: viewer.header.frames });
}

/** Of a frame that is wanted and not there. */
export function waitingLine(viewer) {
  const name = viewer.frames.lost(viewer.frame) ? "frame_lost" : "frame_waiting";
  return filled(viewer.text(name), { number: viewer.frame + 1 });
}

/** The window that an image is shown in; empty for colour. */
export function windowLine(viewer, image) {
  const shown = viewer.windowOf(image);
  if (image.kind === "rgb") return "";
  if (!shown) return viewer.text("table_line");
  return filled(viewer.text("window_line"), { width: number(shown.width), level: number(shown.center) });
}

/** All of it in one line, for those who hear the page. */
export function statusLine(viewer) {
  const { shownImage: image } = viewer;
  if (!image) return waitingLine(viewer);
  return [frameLine(viewer, image.frame), windowLine(viewer, image), viewer.text(viewer.tool)].filter(Boolean).join(", ");
}
