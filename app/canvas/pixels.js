// Values → grey levels: the same arithmetic as medfly.display.render, in the same order, so that what is seen is what
// the model sees (DICOM PS3.3 C.11.2.1). It knows no canvas and no packet.
//
// An image: {kind, width, height, pixels, black, slope, intercept, top, inverted, table}. Of kind "u16" the pixels are
// codes and `black` is the code of those without an image; of kind "f32" such pixels are NaN.

const OPAQUE = 255 << 24; // negative: as signed numbers, opaque pixels are small ones, which engines keep unboxed
const SHIFT_LIMIT = 700; // as medfly.display clips the exponent

/** To the nearest whole number, ties to the even one, as numpy does. */
export function rint(x) {
  const nearest = Math.round(x);
  return nearest - x === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
}

const clip = (x) => (x < 0 ? 0 : x > 1 ? 1 : x);

/** The brightness 0 … 1 of a value in a window {center, width, function}. */
export function brightness(value, window) {
  const { center, width } = window;
  if (window.function === "SIGMOID") {
    const exponent = (-4 * (value - center)) / width;
    return 1 / (1 + Math.exp(Math.min(Math.max(exponent, -SHIFT_LIMIT), SHIFT_LIMIT)));
  }
  if (window.function === "LINEAR_EXACT") return clip((value - center) / width + 0.5);
  if (width <= 1) return value > center - 0.5 ? 1 : 0;
  return clip((value - (center - 0.5)) / (width - 1) + 0.5);
}

/** The grey level 0 … 255 of a value; 0 for what is no number, inverted or not. */
export function greyLevel(value, window, inverted) {
  if (Number.isNaN(value)) return 0;
  const share = brightness(value, window);
  return rint((inverted ? 1 - share : share) * 255);
}

const rgba = (grey) => OPAQUE | (grey << 16) | (grey << 8) | grey;

/** The scan's value of a pixel; NaN where there is no image; null for colour. */
export function valueAt(image, x, y) {
  if (image.kind === "rgb") return null;
  const code = image.pixels[y * image.width + x];
  return image.kind === "f32" ? code : codeValue(image, code);
}

function codeValue(image, code) {
  return code === image.black ? NaN : Math.fround(code * image.slope + image.intercept);
}

/** Fill `out`, an Int32Array of RGBA pixels, with the picture. window: null shows the image's table. flip: on demand. */
export function fill(out, image, window, flip) {
  if (image.kind === "rgb") return fillColour(out, image.pixels, flip);
  if (window === null) return fillTable(out, image, flip);
  const inverted = image.inverted !== flip;
  if (image.kind === "u16") return fillCodes(out, image, window, inverted);
  return fillValues(out, image.pixels, window, inverted);
}

function fillCodes(out, image, window, inverted) {
  const colours = new Int32Array(image.top + 2);
  for (let code = 0; code < colours.length; code++) {
    colours[code] = rgba(greyLevel(codeValue(image, code), window, inverted));
  }
  const codes = image.pixels;
  for (let i = 0; i < codes.length; i++) out[i] = colours[codes[i]];
}

const GREYS = Int32Array.from({ length: 256 }, (_, grey) => rgba(grey));

function fillValues(out, values, window, inverted) {
  for (let i = 0; i < values.length; i++) out[i] = GREYS[greyLevel(values[i], window, inverted)];
}

// A table's picture is inverted already where the file says so. Black padding stays black.
function fillTable(out, image, flip) {
  const { table, pixels, black } = image;
  for (let i = 0; i < table.length; i++) {
    const empty = image.kind === "u16" ? pixels[i] === black : Number.isNaN(pixels[i]);
    out[i] = GREYS[flip && !empty ? 255 - table[i] : table[i]];
  }
}

function fillColour(out, rgb, flip) {
  const mask = flip ? 0xffffff : 0;
  for (let i = 0, j = 0; i < out.length; i++, j += 3) {
    out[i] = (OPAQUE | (rgb[j + 2] << 16) | (rgb[j + 1] << 8) | rgb[j]) ^ mask;
  }
}

/** A window after the mouse went so far to the right and down: wider to the right, darker down, at every scale alike. */
export function dragged(window, right, down) {
  const least = window.function === "LINEAR" ? 1 : 1e-6;
  const width = Math.max(window.width * Math.exp(right / 250), least);
  return { ...window, center: window.center + (down * window.width) / 400, width, source: "user" };
}
