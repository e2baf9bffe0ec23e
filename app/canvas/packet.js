// Bytes → header and images, as app/canvas/packet.py writes them. Pixels are copied out, so that the packet can go.

const PIXELS = { u16: Uint16Array, f32: Float32Array, rgb: Uint8Array };

/** The header, with `images` as the other modules take them and `heat` with its values, null where they were sent before. */
export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const blob = (place) => bytes.slice(4 + length + place[0], 4 + length + place[0] + place[1]);
  header.images = header.images.map((facts) => unpackImage(facts, blob));
  if (header.heat?.values) header.heat.values = blob(header.heat.values);
  return header;
}

function unpackImage(facts, blob) {
  const bytes = blob(facts.pixels);
  const count = facts.width * facts.height;
  const image = { ...facts, black: -1, overlay: facts.overlay && maskOf(blob(facts.overlay), count) };
  image.table = facts.table ? blob(facts.table) : null;
  image.pixels = new PIXELS[facts.kind](bytes.buffer);
  if (facts.padding) blacken(image, maskOf(blob(facts.padding), count));
  image.bytes = image.pixels.byteLength + (image.table?.length ?? 0) + (image.overlay?.length ?? 0);
  return image;
}

// One code is always left over for pixels without an image.
function blacken(image, padding) {
  const empty = image.kind === "u16" ? image.top + 1 : NaN;
  if (image.kind === "u16") image.black = empty;
  for (let i = 0; i < padding.length; i++) if (padding[i]) image.pixels[i] = empty;
}

/** Bits, the lowest of a byte first, as bytes 0 and 1. */
export function maskOf(bits, count) {
  return Uint8Array.from({ length: count }, (_, i) => (bits[i >> 3] >> (i & 7)) & 1);
}
