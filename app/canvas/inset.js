// One crop enlarged beside its source, in the same window, with its level and score.

import { cropLines, rankOf } from "./boxes.js";
import { placeOf } from "./geometry.js";

export class Inset {
  constructor(panel, viewer) {
    this.panel = panel;
    this.viewer = viewer;
    this.canvas = panel.querySelector("canvas");
    this.caption = panel.querySelector("figcaption");
    this.crop = null;
    panel.querySelector("button").addEventListener("click", () => viewer.closeInset());
  }

  open(crop) {
    this.crop = crop;
    this.panel.hidden = false;
    this.panel.setAttribute("aria-label", this.viewer.text("inset_help"));
    this.panel.querySelector("button").setAttribute("aria-label", this.viewer.text("close"));
    this.draw();
  }

  close() {
    this.crop = null;
    this.panel.hidden = true;
  }

  /** The crop out of the windowed picture; its surroundings fill what the crop does not. */
  draw() {
    const { viewer, crop } = this;
    const image = viewer.shownImage;
    if (!crop || !image || !viewer.evidenceHere()) return this.empty();
    const view = { width: this.canvas.clientWidth || 240, height: this.canvas.clientHeight || 240 };
    const ctx = sized(this.canvas, view);
    const { zoom, x, y } = placeOf(crop.box, view, image.aspect);
    ctx.save();
    ctx.beginPath();
    const [width, height] = [(crop.box[2] - crop.box[0]) * zoom, (crop.box[3] - crop.box[1]) * zoom * image.aspect];
    ctx.rect((view.width - width) / 2, (view.height - height) / 2, width, height);
    ctx.clip();
    ctx.drawImage(viewer.picture.canvas, x, y, image.width * zoom, image.height * zoom * image.aspect);
    ctx.restore();
    this.tell(image);
  }

  empty() {
    const { canvas } = this;
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  }

  tell(image) {
    const { viewer, crop } = this;
    const rank = rankOf(viewer.header, crop);
    const lines = cropLines(crop, image.spacing, viewer.header.texts);
    const text = [rank === null ? lines[0] : `${rank}. ${lines[0]}`, ...lines.slice(1)].join("\n");
    if (this.caption.textContent === text) return;
    this.caption.textContent = text;
    this.panel.style.borderColor = `rgb(${viewer.header.colours.levels[crop.level].join(", ")})`;
    this.canvas.setAttribute("aria-label", text);
  }
}

/** A canvas in the screen's own pixels; its context then measures in CSS pixels. */
export function sized(canvas, { width, height }) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.max(Math.round(width * ratio), 1), Math.max(Math.round(height * ratio), 1)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const ctx = canvas.getContext("2d");
  ctx.setTransform(w / width, 0, 0, h / height, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
}
