// The canvas: the state of one view and what can be done to it. It lives as long as its place on the page.

import { cropsNamed, nameOf } from "./boxes.js";
import { Cine } from "./cine.js";
import { Controls } from "./controls.js";
import { Echo } from "./echo.js";
import { listenElsewhere } from "./elsewhere.js";
import { Frames } from "./frames.js";
import { keptInView, placeOf, union, zoomedAt } from "./geometry.js";
import { Gestures } from "./gestures.js";
import { Help } from "./help.js";
import { Inset } from "./inset.js";
import { listenToKeys } from "./keys.js";
import { listenToLinks } from "./links.js";
import { unpack } from "./packet.js";
import { Picture } from "./picture.js";
import { dragged } from "./pixels.js";
import { Rectangle } from "./rectangle.js";
import { Reporter } from "./reporter.js";
import { drawScene } from "./scene.js";
import { Tools } from "./tools.js";

const ORDERED = ["window", "region", "focus", "opacity"]; // obeyed when they change
const AROUND = 0.5; // of the view is filled by a crop that is gone to

export class Viewer {
  constructor(root) {
    const find = (name) => root.querySelector(name);
    Object.assign(this, { root, stage: find(".stage"), canvas: find("canvas.scan"), header: null, heat: null });
    Object.assign(this, { tool: "window", view: null, place: { zoom: 1, x: 0, y: 0 } });
    this.shows = { crops: true, grid: false, heat: true, graphics: true, texts: true };
    this.picture = new Picture();
    this.cine = new Cine(this);
    this.reporter = new Reporter(this, find(".said"));
    this.frames = new Frames((frames) => this.reporter.need(frames));
    this.rectangle = new Rectangle(this);
    this.inset = new Inset(find(".inset"), this);
    this.help = new Help(find(".sheet"), this);
    this.controls = new Controls(find(".bar"), this);
    this.gestures = new Gestures(this.stage, this, new Tools(this));
    listenToKeys(this.stage, this);
    this.stops = [listenToLinks(this), listenElsewhere(this)];
    this.watcher = new ResizeObserver(() => this.measured());
    this.watcher.observe(this.stage);
  }

  close() {
    this.closed = true;
    this.cine.stop();
    clearTimeout(this.retry);
    for (const stop of this.stops) stop();
    this.watcher.disconnect();
    this.reporter.stop();
  }

  // What the server sends.

  show(bytes) {
    const header = unpack(bytes);
    const anew = header.series !== this.header?.series;
    const answered = anew || JSON.stringify(header.crops) !== JSON.stringify(this.header.crops);
    if (header.grid.length && !this.header?.grid.length) this.shows.grid = true; // somebody has just asked for it
    this.header = header;
    if (header.heat?.values) this.heat = header.heat;
    this.root.style.height = `${header.height}px`;
    if (anew) this.start(header);
    else this.obey(header);
    this.frames.count = header.frames;
    this.frames.lose(header.missing);
    for (const image of header.images) this.frames.add(image, this.frame);
    if (answered) this.closeInset();
    this.stage.setAttribute("aria-label", this.text("stage_help"));
    if (anew) this.reporter.begin();
    if (this.lacksHeat()) this.reporter.need([]);
    this.changed();
  }

  /** Whether the map of evidence is another than the one that is kept: it is sent once. */
  lacksHeat() {
    const { heat } = this.header;
    return heat !== null && heat.id !== this.heat?.id;
  }

  start(header) {
    this.frames.clear(header.frames);
    this.orders = Object.fromEntries(ORDERED.map((name) => [name, new Echo(header[name])]));
    Object.assign(this, { frame: header.frame, order: header.order, way: 1, shownImage: null });
    Object.assign(this, { userWindow: null, beginWindow: header.window });
    Object.assign(this, { inverted: false, opacity: header.opacity, line: null, pointer: null, focus: header.focus });
    Object.assign(this, { fitted: true, hovered: [], pinned: [], chosen: null });
    this.cine.stop();
    this.rectangle.box = header.region;
  }

  obey(header) {
    const ordered = ORDERED.filter((name) => this.orders[name].orders(header[name]));
    if (header.order !== null && header.order !== this.order) this.goAsOrdered(header);
    if (ordered.includes("window")) Object.assign(this, { beginWindow: header.window, userWindow: null });
    if (ordered.includes("region")) this.rectangle.box = header.region;
    if (ordered.includes("opacity")) this.opacity = header.opacity;
    if (ordered.includes("focus") && header.focus) this.focus = header.focus;
  }

  /** The server sends an order until it is told of it; obeyed once, it does not lead back who has gone on since. */
  goAsOrdered({ frame, order }) {
    this.cine.stop();
    Object.assign(this, { frame, order });
  }

  // Drawing: at most once a screen's picture.

  /** Something changed: draw soon, and tell the server when it has come to rest. */
  changed() {
    this.reporter.later();
    this.redraw();
  }

  redraw() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      if (!this.closed && this.header) this.draw();
    });
  }

  draw() {
    this.fetch();
    this.measure();
    if (this.shownImage) this.settle();
    this.controls.show();
    drawScene(this);
    this.inset.draw();
  }

  /** Take the wanted frame, where it is there; until it is, the last one stays, under its own number. */
  fetch() {
    const image = this.frames.get(this.frame);
    if (image || this.frames.lost(this.frame)) this.shownImage = image;
    this.frames.want(this.frame, this.way);
    clearTimeout(this.retry);
    if (!image && !this.frames.lost(this.frame)) this.retry = setTimeout(() => this.redraw(), 1000);
    if (this.shownImage && !this.grey() && this.tool === "window") this.tool = "pan";
  }

  measure() {
    this.view = { width: this.stage.clientWidth || 1, height: this.stage.clientHeight || 1 };
  }

  settle() {
    const { width, height } = this.shownImage;
    const fit = placeOf([0, 0, width, height], this.view, this.aspect);
    if (this.focus) this.place = placeOf(this.focus, this.view, this.aspect, AROUND);
    if (this.focus) this.fitted = this.place.zoom < fit.zoom; // what is too large for that is shown whole
    this.focus = null;
    if (this.fitted) this.place = fit;
    this.place = keptInView(this.place, [width, height * this.aspect], this.view);
  }

  measured() {
    if (this.view && !this.fitted) {
      const { clientWidth, clientHeight } = this.stage;
      this.place.x += (clientWidth - this.view.width) / 2;
      this.place.y += (clientHeight - this.view.height) / 2;
      this.measure();
    }
    this.redraw();
  }

  get aspect() {
    return this.shownImage?.aspect ?? 1;
  }

  grey() {
    return this.shownImage?.kind !== "rgb";
  }

  /** The window that a frame is shown in; null: through its table, or colour. */
  windowOf(image) {
    const begun = this.userWindow ?? this.beginWindow;
    return image.kind === "rgb" ? null : (begun ?? (image.table ? null : image.own));
  }

  evidenceHere() {
    const { evidence_frame: frame } = this.header;
    return frame === null || frame === this.shownImage?.frame;
  }

  highlighted() {
    return this.hovered.length ? this.hovered : this.pinned;
  }

  text(name) {
    return this.header.texts[name] ?? name;
  }

  // Commands.

  goTo(frame) {
    const wanted = Math.min(Math.max(Math.round(frame), 0), this.header.frames - 1);
    if (wanted === this.frame) return;
    this.way = wanted > this.frame ? 1 : -1;
    this.frame = wanted;
    this.changed();
  }

  step(frames) {
    this.goTo(this.frame + frames);
  }

  turnWindow(right, down, from = null) {
    const image = this.shownImage;
    if (!image || !this.grey()) return;
    this.userWindow = dragged(from ?? this.windowOf(image) ?? image.own, right, down);
    this.changed();
  }

  choosePreset(index) {
    this.userWindow = index === null ? null : { ...this.header.presets[index][1] };
    this.changed();
  }

  invert() {
    this.inverted = !this.inverted;
    this.changed();
  }

  zoomBy(factor, at = [this.view.width / 2, this.view.height / 2]) {
    this.moveTo(zoomedAt(this.place, factor, at));
  }

  panBy(right, down) {
    this.moveTo({ ...this.place, x: this.place.x + right, y: this.place.y + down });
  }

  moveTo(place) {
    Object.assign(this, { place, fitted: false });
    this.redraw();
  }

  fit() {
    this.fitted = true;
    this.redraw();
  }

  /** One source column to one pixel of the screen. */
  actualSize() {
    this.zoomBy(1 / (window.devicePixelRatio || 1) / this.place.zoom);
  }

  /** As it was when the series was opened; frame and rectangle stay. */
  reset() {
    Object.assign(this, { userWindow: null, inverted: false, fitted: true, line: null });
    this.opacity = this.header.opacity;
    this.closeInset();
  }

  setTool(tool) {
    if (tool === "window" && !this.grey()) return;
    this.tool = tool;
    this.changed();
  }

  toggle(layer) {
    this.shows[layer] = !this.shows[layer];
    this.redraw();
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    this.redraw();
  }

  removeMarks() {
    this.line = this.rectangle.box = null;
    this.changed();
  }

  escape() {
    if (this.inset.crop) return this.closeInset();
    this.setTool(this.grey() ? "window" : "pan");
  }

  // Crops.

  highlight(names) {
    this.hovered = this.header ? names : [];
    this.redraw();
  }

  /** Go to crops, highlight them, and show the first one enlarged. */
  choose(names) {
    const crops = this.header ? cropsNamed(this.header, names) : [];
    if (!crops.length) return;
    if (this.header.evidence_frame !== null) this.goTo(this.header.evidence_frame);
    this.focus = union(crops.map((crop) => crop.box));
    Object.assign(this, { pinned: crops.map(nameOf), chosen: [crops[0].level, crops[0].crop] });
    this.inset.open(crops[0]);
    this.changed();
  }

  closeInset() {
    this.inset.close();
    Object.assign(this, { pinned: [], chosen: null });
    this.changed();
  }

  pointAt(at) {
    this.pointer = at;
    this.redraw();
  }
}
