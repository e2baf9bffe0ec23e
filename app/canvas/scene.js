// One drawing of the whole canvas out of the viewer's state.

import { cropsNamed, number } from "./boxes.js";
import { sized } from "./inset.js";
import {
  dimAround,
  drawCrops,
  drawGrid,
  drawLetters,
  drawLine,
  drawNotice,
  drawOver,
  drawRegion,
  drawScaleBar,
  drawTexts,
} from "./marks.js";
import { graphicsOf, heatOf } from "./picture.js";
import { valueAt } from "./pixels.js";
import { toSource } from "./geometry.js";
import { frameLine, waitingLine, windowLine } from "./words.js";

const SHARP = 4; // CSS pixels per source pixel from which the pixels are shown as they are

export function drawScene(viewer) {
  const { view, header, place, aspect, shownImage: image } = viewer;
  const ctx = sized(viewer.canvas, view);
  const pen = { ctx, place, aspect, view, image, header };
  if (!image) return drawNotice(pen, waitingLine(viewer));
  viewer.picture.show(image, viewer.windowOf(image), viewer.inverted);
  ctx.imageSmoothingEnabled = place.zoom < SHARP;
  drawOver(pen, viewer.picture.canvas, 1);
  ctx.imageSmoothingEnabled = true;
  drawLayers(pen, viewer);
  if (viewer.rectangle.box) drawRegion(pen, viewer.rectangle.box);
  if (viewer.line) drawLine(pen, viewer.line);
  if (!viewer.shows.texts) return;
  drawLetters(pen);
  drawScaleBar(pen);
  drawTexts(pen, textsOf(viewer, image));
}

function drawLayers(pen, viewer) {
  const { header, image } = pen;
  const { shows } = viewer;
  const here = viewer.evidenceHere();
  const heat = here && shows.heat && header.heat && !viewer.lacksHeat();
  if (heat) drawOver(pen, heatOf(viewer.heat, header.colours.heat), viewer.opacity);
  const graphics = shows.graphics && graphicsOf(image);
  if (graphics) drawOver(pen, graphics, 1);
  if (!here) return;
  if (shows.grid) drawGrid(pen);
  const chosen = cropsNamed(header, viewer.highlighted());
  if (chosen.length) dimAround(pen, chosen.map((crop) => crop.box));
  if (shows.crops) drawCrops(pen, [...header.crops].reverse().filter((crop) => !chosen.includes(crop)), false);
  drawCrops(pen, chosen, true);
}

function textsOf(viewer, image) {
  const { header } = viewer;
  const upperLeft = header.frames > 1 ? [frameLine(viewer, image.frame)] : [];
  if (viewer.frame !== image.frame) upperLeft.push(waitingLine(viewer));
  return {
    upperLeft,
    upperRight: [windowLine(viewer, image), viewer.inverted ? viewer.text("inverted") : ""].filter(Boolean),
    lowerLeft: [valueLine(viewer, image), `${number(viewer.place.zoom * (window.devicePixelRatio || 1) * 100)} %`]
      .filter(Boolean),
  };
}

/** The pixel under the pointer: where it is, and the scan's value there. */
function valueLine(viewer, image) {
  if (!viewer.pointer) return "";
  const [x, y] = toSource(viewer.place, viewer.aspect, viewer.pointer).map(Math.floor);
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return "";
  const value = valueAt(image, x, y);
  if (value === null) return `${x}, ${y}`;
  return `${x}, ${y}: ${number(value, 5)}${image.unit && !Number.isNaN(value) ? ` ${image.unit}` : ""}`;
}
