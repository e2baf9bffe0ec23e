// Pictures that are made once and drawn often: the windowed scan, the file's graphics, the map of evidence.

import { fill } from "./pixels.js";

const GRAPHICS = 0xff80e6ff; // A B G R

/** The scan in its window; computed again only when frame, window or inversion changed. */
export class Picture {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.canvas.height = 0;
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.shown = null;
  }

  show(image, window, flip) {
    const wish = JSON.stringify([window, flip]);
    if (this.shown?.image === image && this.shown.wish === wish) return;
    this.resize(image);
    fill(this.pixels, image, window, flip);
    this.context.putImageData(this.data, 0, 0);
    this.shown = { image, wish };
  }

  resize({ width, height }) {
    if (this.canvas.width === width && this.canvas.height === height && this.data) return;
    [this.canvas.width, this.canvas.height] = [width, height];
    this.data = this.context.createImageData(width, height);
    this.pixels = new Int32Array(this.data.data.buffer);
  }
}

/** The file's graphics as a canvas of their own; null where there are none. */
export function graphicsOf(image) {
  if (!image.overlay) return null;
  image.graphics ??= paintedOn(image.width, image.height, (out) => {
    for (let i = 0; i < out.length; i++) if (image.overlay[i]) out[i] = GRAPHICS;
  });
  return image.graphics;
}

/** The map of evidence as a canvas in colour, its opacity growing with the value. colours: from none to most. */
export function heatOf(heat, colours) {
  heat.canvas ??= paintedOn(heat.width, heat.height, (out) => {
    const ramp = Uint32Array.from({ length: 256 }, (_, step) => heatColour(step, colours));
    for (let i = 0; i < out.length; i++) out[i] = ramp[heat.values[i]];
  });
  return heat.canvas;
}

function heatColour(step, colours) {
  const place = (step / 255) * (colours.length - 1);
  const from = Math.min(Math.floor(place), colours.length - 2);
  const [r, g, b] = colours[from].map((low, i) => Math.round(low + (colours[from + 1][i] - low) * (place - from)));
  return ((step << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

function paintedOn(width, height, paint) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const data = context.createImageData(width, height);
  paint(new Uint32Array(data.data.buffer));
  context.putImageData(data, 0, 0);
  return canvas;
}
