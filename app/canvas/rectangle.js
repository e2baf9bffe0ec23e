// The rectangle of "ask about this region": drawn with the pointer, or with the keys alone.

import { boxBetween, toSource } from "./geometry.js";

const STEP = 10; // CSS pixels a key press

export class Rectangle {
  constructor(viewer) {
    this.viewer = viewer;
    this.box = null;
  }

  /** Between two points of the screen; null where nothing of the picture lies there. */
  between(from, to) {
    const { place, aspect, shownImage: image } = this.viewer;
    if (!image) return;
    const [a, b] = [from, to].map((point) => toSource(place, aspect, point));
    this.box = boxBetween(a, b, image.width, image.height);
  }

  /** The middle of what is seen: where the keys begin. */
  place() {
    const { viewer } = this;
    if (viewer.tool !== "region") return;
    const { width, height } = viewer.view;
    this.between([width * 0.375, height * 0.375], [width * 0.625, height * 0.625]);
    viewer.changed();
  }

  /** With the region tool the arrows move the rectangle, with Shift they size it. Whether the key was taken. */
  key(event) {
    const { viewer } = this;
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (!way || event.ctrlKey || !this.box || viewer.tool !== "region") return false;
    const dx = (way[0] * STEP) / viewer.place.zoom;
    const dy = (way[1] * STEP) / (viewer.place.zoom * viewer.aspect);
    const moved = event.shiftKey ? this.sizedBy(dx, dy) : this.movedBy(dx, dy);
    this.box = moved ?? this.box;
    viewer.changed();
    return true;
  }

  sizedBy(dx, dy) {
    const [x0, y0, x1, y1] = this.box;
    const { width, height } = this.viewer.shownImage;
    return x1 + dx > x0 && y1 + dy > y0 ? boxBetween([x0, y0], [x1 + dx, y1 + dy], width, height) : null;
  }

  movedBy(dx, dy) {
    const [x0, y0, x1, y1] = this.box;
    const { width, height } = this.viewer.shownImage;
    const right = Math.min(Math.max(dx, -x0), width - x1);
    const down = Math.min(Math.max(dy, -y0), height - y1);
    return [x0 + right, y0 + down, x1 + right, y1 + down];
  }
}
