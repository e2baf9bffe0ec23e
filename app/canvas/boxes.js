// The crops of a view: found by their names ("high-3"), by a point, and with what is to be said of them.

import { holds } from "./geometry.js";

export const nameOf = (crop) => `${crop.level}-${crop.crop}`;

/** The crops of these names, an answer's before the grid's; what there is not is left out. */
export function cropsNamed(header, names) {
  const all = [...header.crops, ...header.grid];
  return names.map((name) => all.find((crop) => nameOf(crop) === name)).filter(Boolean);
}

/** The best of the answer's crops under a source point; null where none is. The low one is everywhere and is left out. */
export function cropAt(header, point) {
  return header.crops.find((crop) => crop.level !== "low" && holds(crop.box, point)) ?? null;
}

/** Rank from 1 among the answer's crops; null for one that only the grid has. */
export function rankOf(header, crop) {
  const place = header.crops.findIndex((one) => nameOf(one) === nameOf(crop));
  return place < 0 ? null : place + 1;
}

/** A crop in words: its level, its number from 1, its score, its size. */
export function cropLines(crop, spacing, texts) {
  const [width, height] = [crop.box[2] - crop.box[0], crop.box[3] - crop.box[1]];
  const size = spacing
    ? `${number(width * spacing[1])} × ${number(height * spacing[0])} mm`
    : `${number(width)} × ${number(height)} px`;
  const lines = [`${texts[`level_${crop.level}`]}, ${texts.crop.replace("{number}", crop.crop + 1)}`, size];
  if (crop.score !== null) lines.push(texts.score.replace("{score}", number(crop.score, 3)));
  return lines;
}

/** Up to so many significant digits, without an exponent. */
export function number(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  const whole = Math.abs(value) >= 10 ** digits;
  return whole ? String(Math.round(value)) : String(Number(value.toPrecision(digits)));
}
