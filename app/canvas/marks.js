// What is drawn over the scan: boxes, map, rectangle, measuring line, scale bar, letters, texts. A pen is
// {ctx, place, aspect, view: {width, height}, image, header}; all lengths are CSS pixels.

import { number, rankOf } from "./boxes.js";
import { distance, scaleBar, toScreen } from "./geometry.js";

const INK = "#f2f5f9";
const SHADE = "rgba(5, 8, 12, 0.85)";
const REGION = "#ff7ac8";
const LINE = "#7dffb0";
const EDGE = 8;
const FONT = "13px system-ui, sans-serif";

const colour = ([r, g, b]) => `rgb(${r}, ${g}, ${b})`;

/** [x, y, width, height] on the screen of a box in source pixels. */
export function screenBox(pen, box) {
  const [x0, y0] = toScreen(pen.place, pen.aspect, [box[0], box[1]]);
  const [x1, y1] = toScreen(pen.place, pen.aspect, [box[2], box[3]]);
  return [x0, y0, x1 - x0, y1 - y0];
}

/** Everything outside of the boxes darker, so that they stand out in every colour vision. */
export function dimAround(pen, boxes) {
  const { ctx, image, header } = pen;
  const whole = screenBox(pen, [0, 0, image.width, image.height]);
  ctx.save();
  for (const box of boxes) {
    ctx.beginPath();
    ctx.rect(...whole);
    ctx.rect(...screenBox(pen, box));
    ctx.clip("evenodd");
  }
  ctx.fillStyle = `rgba(0, 0, 0, ${1 - header.colours.dimmed})`;
  ctx.fillRect(...whole);
  ctx.restore();
}

/** Crops in their level's colour, the best on top, each with its rank where it has one. */
export function drawCrops(pen, crops, strong) {
  const taken = [];
  for (const crop of crops) {
    const box = screenBox(pen, crop.box);
    outline(pen.ctx, box, colour(pen.header.colours.levels[crop.level]), strong ? 3 : 1.5);
    const rank = rankOf(pen.header, crop);
    if (rank !== null) drawRank(pen, box, rank, crop.level, taken);
  }
}

// The outline lies inside its box, with a dark line inside it, to be seen on white too.
function outline(ctx, [x, y, width, height], ink, thick) {
  for (const [style, inset, line] of [[SHADE, thick + 0.5, 1], [ink, thick / 2, thick]]) {
    ctx.strokeStyle = style;
    ctx.lineWidth = line;
    ctx.strokeRect(x + inset, y + inset, Math.max(width - 2 * inset, 0.5), Math.max(height - 2 * inset, 0.5));
  }
}

function drawRank({ ctx, header }, [x, y, width, height], rank, level, taken) {
  const side = 18;
  if (Math.min(width, height) < side) return;
  const corners = [[x, y], [x + width - side, y], [x, y + height - side], [x + width - side, y + height - side]];
  const free = corners.find(([a, b]) => taken.every(([c, d]) => Math.abs(a - c) >= side || Math.abs(b - d) >= side));
  const [left, top] = free ?? corners[0];
  taken.push([left, top]);
  ctx.fillStyle = colour(header.colours.levels[level]);
  ctx.fillRect(left, top, side, side);
  ctx.fillStyle = "#0d1117";
  write(ctx, String(rank), left + side / 2, top + side / 2, "center", "middle", false);
}

/** The grid that the model saw: one line a crop, thin, the coarse levels thicker. */
export function drawGrid(pen) {
  const thickness = { low: 3, medium: 2, high: 1 };
  for (const crop of [...pen.header.grid].reverse()) {
    pen.ctx.strokeStyle = colour(pen.header.colours.levels[crop.level]);
    pen.ctx.lineWidth = thickness[crop.level];
    pen.ctx.strokeRect(...screenBox(pen, crop.box));
  }
}

/** A canvas stretched over the whole picture. */
export function drawOver(pen, canvas, opacity) {
  pen.ctx.save();
  pen.ctx.globalAlpha = opacity;
  pen.ctx.drawImage(canvas, ...screenBox(pen, [0, 0, pen.image.width, pen.image.height]));
  pen.ctx.restore();
}

export function drawRegion(pen, box) {
  pen.ctx.setLineDash([8, 5]);
  outline(pen.ctx, screenBox(pen, box), REGION, 2);
  pen.ctx.setLineDash([]);
}

/** A measuring line with its length; in mm only where the spacing is known. */
export function drawLine(pen, [from, to]) {
  const { ctx, place, aspect, image } = pen;
  const [a, b] = [toScreen(place, aspect, from), toScreen(place, aspect, to)];
  for (const [style, width] of [[SHADE, 4], [LINE, 2]]) {
    ctx.strokeStyle = style;
    ctx.lineWidth = width;
    ctx.beginPath();
    for (const [x, y] of [a, b]) ctx.moveTo(x - 6, y), ctx.lineTo(x + 6, y), ctx.moveTo(x, y - 6), ctx.lineTo(x, y + 6);
    ctx.moveTo(...a);
    ctx.lineTo(...b);
    ctx.stroke();
  }
  ctx.fillStyle = LINE;
  write(ctx, lengthText(distance(from, to, image.spacing)), b[0] + 10, b[1], "left", "middle");
}

export function lengthText({ length, unit }) {
  return `${unit === "mm" ? length.toFixed(1) : number(length)} ${unit}`;
}

/** The bar of so many millimetres; nothing where the spacing is unknown. */
export function drawScaleBar({ ctx, place, image, view }) {
  const bar = scaleBar(image.spacing, place.zoom, Math.min(view.width / 4, 140));
  if (!bar) return;
  const [x, y] = [view.width - EDGE - bar.length, view.height - 3 * EDGE];
  for (const [style, width] of [[SHADE, 4], [INK, 2]]) {
    ctx.strokeStyle = style;
    ctx.lineWidth = width;
    ctx.beginPath();
    ctx.moveTo(x, y - 5), ctx.lineTo(x, y), ctx.lineTo(x + bar.length, y), ctx.lineTo(x + bar.length, y - 5);
    ctx.stroke();
  }
  ctx.fillStyle = INK;
  write(ctx, `${number(bar.mm)} mm`, x + bar.length / 2, y - 8, "center", "bottom");
}

/** Left, right, upper, lower; nothing where the file does not say. */
export function drawLetters({ ctx, image, view }) {
  if (!image.letters) return;
  const [left, right, top, bottom] = image.letters;
  ctx.fillStyle = "#ffd479";
  write(ctx, left, EDGE, view.height / 2, "left", "middle");
  write(ctx, right, view.width - EDGE, view.height / 2, "right", "middle");
  write(ctx, top, view.width / 2, EDGE, "center", "top");
  write(ctx, bottom, view.width / 2, view.height - EDGE, "center", "bottom");
}

/** Lines in three corners; the fourth is the scale bar's. */
export function drawTexts({ ctx, view }, { upperLeft = [], upperRight = [], lowerLeft = [] }) {
  const step = 18;
  ctx.fillStyle = INK;
  upperLeft.forEach((line, i) => write(ctx, line, EDGE, EDGE + i * step, "left", "top"));
  upperRight.forEach((line, i) => write(ctx, line, view.width - EDGE, EDGE + i * step, "right", "top"));
  [...lowerLeft].reverse().forEach((line, i) => {
    write(ctx, line, EDGE, view.height - EDGE - i * step, "left", "bottom");
  });
}

/** One line in the middle, for what cannot be shown. */
export function drawNotice({ ctx, view }, line) {
  ctx.fillStyle = INK;
  write(ctx, line, view.width / 2, view.height / 2, "center", "middle");
}

function write(ctx, line, x, y, align, baseline, shaded = true) {
  [ctx.font, ctx.textAlign, ctx.textBaseline] = [FONT, align, baseline];
  if (shaded) {
    [ctx.strokeStyle, ctx.lineWidth, ctx.lineJoin] = [SHADE, 4, "round"];
    ctx.strokeText(line, x, y);
  }
  ctx.fillText(line, x, y);
}
