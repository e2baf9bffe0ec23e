// How the server is told: what the user did, some time after the last of it, for each telling runs the page's script
// again; and which frames the browser lacks, at once. To those who do not see, a line says what is shown.

import { statusLine } from "./words.js";

const PAUSE = 300; // ms

export class Reporter {
  constructor(viewer, said) {
    this.viewer = viewer;
    this.said = said;
    this.setStateValue = this.setTriggerValue = () => {};
    this.told = null;
  }

  /** What has been done so far is where the user begins: nothing to tell. */
  begin() {
    this.told = JSON.stringify(this.done());
  }

  done() {
    const { header, frame, userWindow, rectangle, chosen } = this.viewer;
    return { series: header.series, frame, window: userWindow, region: rectangle.box, crop: chosen };
  }

  need(frames) {
    this.setTriggerValue("need", { series: this.viewer.header.series, frames });
  }

  /** Something may have changed; tell when it has come to rest. */
  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), PAUSE);
  }

  tell() {
    const { viewer } = this;
    if (viewer.closed) return;
    if (viewer.cine.playing || viewer.gestures.busy) return this.later();
    this.say(statusLine(viewer));
    const done = this.done();
    const text = JSON.stringify(done);
    if (text === this.told) return;
    this.told = text;
    for (const name of ["frame", "window", "region"]) viewer.orders[name].tell(done[name]);
    this.setStateValue("acted", done);
  }

  say(line) {
    if (this.said.textContent !== line) this.said.textContent = line;
  }

  stop() {
    clearTimeout(this.timer);
  }
}
