// Which frames the browser has, which it lacks and should ask for next: the one to be seen first, then its neighbours,
// more of them ahead than behind. It knows no server: `ask` is called with frame numbers.

export const KEPT_BYTES = 400e6;
const ASKED_BYTES = 8e6; // at a time
const MOST_ASKED = 16;
const AT_ONCE = 3; // where the one to be seen is lacking: it shall not wait for its neighbours
const PATIENCE = 4000; // ms before the same is asked for again; twice as long each time
const MOST_TRIES = 5;

export class Frames {
  constructor(ask, now = () => performance.now()) {
    this.ask = ask;
    this.now = now;
    this.clear(0);
  }

  /** Forget everything: another series with so many frames. */
  clear(count) {
    this.count = count;
    this.images = new Map();
    this.bytes = 0;
    this.asked = new Map(); // frame → {until, tries}
    this.missing = new Set();
  }

  get(frame) {
    return this.images.get(frame) ?? null;
  }

  /** Whether it is not to be had: the server said so, or never sent it. */
  lost(frame) {
    return this.missing.has(frame) || (this.asked.get(frame)?.tries ?? 0) > MOST_TRIES;
  }

  /** Keep an image. near: the frame being looked at; those farthest from it go where there is no room. */
  add(image, near) {
    this.drop(image.frame);
    this.images.set(image.frame, image);
    this.bytes += image.bytes;
    this.asked.delete(image.frame);
    this.missing.delete(image.frame);
    while (this.bytes > KEPT_BYTES && this.images.size > 1) {
      const frames = [...this.images.keys()];
      this.drop(frames.reduce((far, one) => (Math.abs(one - near) > Math.abs(far - near) ? one : far)));
    }
  }

  /** These are not to be had: the server says so once, so it holds for the series. */
  lose(frames) {
    for (const frame of frames) this.missing.add(frame);
  }

  drop(frame) {
    this.bytes -= this.images.get(frame)?.bytes ?? 0;
    this.images.delete(frame);
  }

  /** Ask for what is lacking around a frame. step: +1 or −1, the way the user goes. */
  want(frame, step = 1) {
    const time = this.now();
    const pending = (one) => this.asked.get(one)?.until > time;
    const lacks = (one) => !this.get(one) && !this.lost(one) && !pending(one);
    if ([...this.asked.keys()].some(pending) && !lacks(frame)) return;
    const room = lacks(frame) ? Math.min(this.room(), AT_ONCE) : this.room();
    const frames = wanted(frame, step, this.count, room).filter(lacks);
    if (!frames.length) return;
    for (const one of frames) {
      const tries = (this.asked.get(one)?.tries ?? 0) + 1;
      this.asked.set(one, { tries, until: time + PATIENCE * 2 ** (tries - 1) });
    }
    this.ask(frames);
  }

  /** How many frames may be asked for at a time. */
  room() {
    const largest = Math.max(0, ...[...this.images.values()].map((image) => image.bytes));
    return largest ? Math.min(Math.max(Math.floor(ASKED_BYTES / largest), 1), MOST_ASKED) : 1;
  }
}

/** At most `room` frames around one, itself first, then three ahead for each behind. */
export function wanted(frame, step, count, room) {
  const found = [frame];
  for (let ahead = 1, behind = 1; found.length < room && ahead + behind <= 2 * count; ) {
    const forward = ahead <= 3 * behind;
    found.push(forward ? frame + step * ahead++ : frame - step * behind++);
  }
  return found.filter((one) => one >= 0 && one < count);
}
