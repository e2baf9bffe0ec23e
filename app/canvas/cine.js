// Frames one after the other, from the last on to the first, as fast as the user likes and as they come.

export const SPEEDS = [2, 5, 10, 15, 20, 25, 30]; // frames a second

export class Cine {
  constructor(viewer) {
    Object.assign(this, { viewer, speed: 10, playing: false });
  }

  toggle() {
    const starts = !this.playing && this.viewer.header.frames > 1;
    this.stop();
    this.playing = starts;
    if (starts) this.play(performance.now());
    this.viewer.changed();
  }

  stop() {
    this.playing = false;
    cancelAnimationFrame(this.due); // else it would find the next one playing, and go on beside it
  }

  /** before: when the frame now shown was due. */
  play(before) {
    this.due = requestAnimationFrame((now) => {
      const due = before + 1000 / this.speed;
      const moved = now >= due - 1 && this.next();
      this.play(moved ? Math.max(due, now - 1000 / this.speed) : before);
    });
  }

  /** Show the next frame, if it is there; those that are not to be had are passed over. */
  next() {
    const { viewer } = this;
    const { frames } = viewer;
    let next = (viewer.frame + 1) % frames.count;
    while (frames.lost(next) && next !== viewer.frame) next = (next + 1) % frames.count;
    if (!frames.get(next)) return frames.want(next, 1);
    Object.assign(viewer, { frame: next, way: 1 });
    viewer.redraw();
    return true;
  }

  setSpeed(speed) {
    this.speed = speed;
    this.viewer.redraw();
  }

  change(steps) {
    const place = SPEEDS.indexOf(this.speed) + steps;
    this.setSpeed(SPEEDS[Math.min(Math.max(place, 0), SPEEDS.length - 1)]);
  }
}
