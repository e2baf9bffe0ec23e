// Where a source pixel lies on the screen, and how long things are. As in medfly.geometry: x to the right, y down,
// pixel i covers [i, i + 1), boxes are [x0, y0, x1, y1] in source pixels, half-open. It knows no canvas.
//
// A place: {zoom, x, y}: CSS pixels per source column, and where the source's corner lies in CSS pixels. aspect: height
// of a source pixel over its width.

export const LEAST_ZOOM = 0.02;
export const MOST_ZOOM = 100;

export function toScreen(place, aspect, [x, y]) {
  return [place.x + x * place.zoom, place.y + y * place.zoom * aspect];
}

export function toSource(place, aspect, [x, y]) {
  return [(x - place.x) / place.zoom, (y - place.y) / (place.zoom * aspect)];
}

/** The place at which a box fills `share` of a view {width, height} and lies in its middle. */
export function placeOf(box, view, aspect, share = 1) {
  const width = box[2] - box[0];
  const height = (box[3] - box[1]) * aspect;
  const zoom = limited(share * Math.min(view.width / width, view.height / height));
  const middle = [(box[0] + box[2]) / 2, ((box[1] + box[3]) / 2) * aspect];
  return { zoom, x: view.width / 2 - middle[0] * zoom, y: view.height / 2 - middle[1] * zoom };
}

/** Enlarged by `factor`, with what lies under a screen point staying under it. */
export function zoomedAt(place, factor, [x, y]) {
  const zoom = limited(place.zoom * factor);
  const real = zoom / place.zoom;
  return { zoom, x: x - (x - place.x) * real, y: y - (y - place.y) * real };
}

function limited(zoom) {
  return Math.min(Math.max(zoom, LEAST_ZOOM), MOST_ZOOM);
}

/** Some of the picture always stays in view: at least `least` CSS pixels of it. */
export function keptInView(place, size, view, least = 40) {
  const keep = (start, length, room) => Math.min(Math.max(start, least - length), room - least);
  return {
    zoom: place.zoom,
    x: keep(place.x, size[0] * place.zoom, view.width),
    y: keep(place.y, size[1] * place.zoom, view.height),
  };
}

/** The box between two source points, clipped to a width × height picture; null where nothing is left. */
export function boxBetween([ax, ay], [bx, by], width, height) {
  const inside = (value, most) => Math.min(Math.max(value, 0), most);
  const box = [
    inside(Math.min(ax, bx), width),
    inside(Math.min(ay, by), height),
    inside(Math.max(ax, bx), width),
    inside(Math.max(ay, by), height),
  ];
  return box[2] - box[0] >= 1 && box[3] - box[1] >= 1 ? box : null;
}

/** The smallest box around all. */
export function union(boxes) {
  const edge = (index, choose) => choose(...boxes.map((box) => box[index]));
  return [edge(0, Math.min), edge(1, Math.min), edge(2, Math.max), edge(3, Math.max)];
}

export function holds(box, [x, y]) {
  return box[0] <= x && x < box[2] && box[1] <= y && y < box[3];
}

/** {length, unit} between two source points: mm where the spacing [rows, columns] is known, else px. */
export function distance([ax, ay], [bx, by], spacing) {
  const [down, right] = spacing ?? [1, 1];
  return { length: Math.hypot((bx - ax) * right, (by - ay) * down), unit: spacing ? "mm" : "px" };
}

/** {mm, length} of a bar of 1, 2 or 5 · 10ⁿ mm that is at most `room` CSS pixels long; null without spacing. */
export function scaleBar(spacing, zoom, room) {
  if (!spacing) return null;
  const most = (room / zoom) * spacing[1];
  const power = 10 ** Math.floor(Math.log10(most));
  const mm = [5, 2, 1].map((step) => step * power).find((length) => length <= most * (1 + 1e-9));
  return { mm, length: (mm / spacing[1]) * zoom };
}
