// What a tool does: it begins at a press, is dragged, and ends. Points are CSS pixels of the stage.

import { cropAt, nameOf } from "./boxes.js";
import { toSource } from "./geometry.js";

export class Tools {
  constructor(viewer) {
    this.viewer = viewer;
  }

  begin(tool) {
    const { viewer } = this;
    const image = viewer.shownImage;
    this.windowBefore = image && (viewer.windowOf(image) ?? image.own);
    if (tool !== "window") viewer.cine.stop();
  }

  /** start: of the press; before: the last point. */
  drag(tool, start, before, at) {
    const { viewer } = this;
    if (tool === "window") viewer.turnWindow(at[0] - start[0], at[1] - start[1], this.windowBefore);
    if (tool === "pan") viewer.panBy(at[0] - before[0], at[1] - before[1]);
    if (tool === "region") viewer.rectangle.between(start, at);
    if (tool === "measure") viewer.line = [start, at].map((point) => toSource(viewer.place, viewer.aspect, point));
    viewer.pointAt(at);
  }

  /** clicked: the press moved nowhere. A click goes to the crop under it, or takes the tool's mark away. */
  end(tool, at, clicked) {
    const { viewer } = this;
    if (clicked && tool === "region") viewer.rectangle.box = null;
    if (clicked && tool === "measure") viewer.line = null;
    const crop = clicked && (tool === "window" || tool === "pan") ? this.cropUnder(at) : null;
    if (crop) viewer.choose([nameOf(crop)]);
    viewer.changed();
  }

  cropUnder(at) {
    const { viewer } = this;
    const seen = viewer.shownImage && viewer.shows.crops && viewer.evidenceHere();
    return seen ? cropAt(viewer.header, toSource(viewer.place, viewer.aspect, at)) : null;
  }
}
