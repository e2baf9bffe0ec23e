// How the server is told: what the user did, some time after the last of it, for each telling runs the page's script
// again; and what the browser lacks, at once. To those who do not see, a line says what is shown.

import { statusLine } from "./words.js";

const PAUSE = 300; // ms

export class Reporter {
  constructor(viewer, said) {
    this.viewer = viewer;
    this.said = said;
    this.setStateValue = this.setTriggerValue = () => {};
    this.told = null;
    this.underway = null; // a promise, while something is on its way to the server
  }

  /** What has been done so far is where the user begins: nothing to tell. */
  begin() {
    this.told = JSON.stringify(this.done());
  }

  done() {
    const { header, frame, order, userWindow, rectangle, chosen } = this.viewer;
    return { series: header.series, frame, order, window: userWindow, region: rectangle.box, crop: chosen };
  }

  need(frames) {
    const { viewer } = this;
    this.setTriggerValue("need", { series: viewer.header.series, frames, heat: viewer.lacksHeat() });
    this.sent();
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
    this.send();
  }

  /** The reader turns to something else: cine stops, and all is told that is not yet. */
  now() {
    const { viewer } = this;
    if (!viewer.header) return;
    clearTimeout(this.timer);
    viewer.cine.stop();
    viewer.redraw();
    this.send();
  }

  send() {
    const { viewer } = this;
    this.say(statusLine(viewer));
    const done = this.done();
    const text = JSON.stringify(done);
    if (text === this.told) return;
    this.told = text;
    for (const name of ["window", "region"]) viewer.orders[name].tell(done[name]);
    this.setStateValue("acted", done);
    this.sent();
  }

  /** Streamlit's timer, which sends it, was set before this one. */
  sent() {
    const underway = new Promise((away) => setTimeout(away));
    this.underway = underway;
    underway.then(() => {
      if (this.underway === underway) this.underway = null;
    });
  }

  say(line) {
    if (this.said.textContent !== line) this.said.textContent = line;
  }

  stop() {
    clearTimeout(this.timer);
  }
}
