// The tools above the scan: buttons, the window's presets, the frame's slider, the heat's opacity, cine. They show the
// viewer's state and call its commands; they keep none of their own.

import { SPEEDS } from "./cine.js";

const OWN = "own";
const CUSTOM = "custom";

export class Controls {
  /** bar: the element to fill. */
  constructor(bar, viewer) {
    this.bar = bar;
    this.viewer = viewer;
    this.updates = [];
    this.made = null;
  }

  /** Make the tools that this view needs, where they are others than those there, and show the state. */
  show() {
    const { header } = this.viewer;
    const needs = JSON.stringify([header.texts, header.presets, header.frames > 1, this.viewer.grey(), this.offered()]);
    if (needs !== this.made) this.make(needs);
    for (const update of this.updates) update();
  }

  offered() {
    const { header, shownImage } = this.viewer;
    const offered = { crops: header.crops.length, grid: header.grid.length, heat: header.heat };
    return Object.keys(offered).filter((name) => offered[name]).concat(shownImage?.overlay ? ["graphics"] : [], "texts");
  }

  make(needs) {
    const focused = this.bar.getRootNode().activeElement?.dataset?.name;
    this.made = needs;
    this.updates = [];
    const groups = [this.tools(), this.windows(), this.views(), this.layers(), this.frames(), this.sheet()];
    this.bar.setAttribute("aria-label", this.viewer.text("bar"));
    this.bar.replaceChildren(...groups.filter((group) => group.childElementCount));
    if (focused) this.bar.querySelector(`[data-name="${focused}"]`)?.focus();
  }

  group(name, ...children) {
    const group = document.createElement("div");
    group.className = "group";
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", this.viewer.text(name));
    group.append(...children);
    return group;
  }

  /** A button that does a command; pressed: tells whether it is on, for one that can be. */
  button(name, command, key, pressed) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.name = name;
    button.textContent = this.viewer.text(name);
    button.title = `${this.viewer.text(`${name}_help`)}${key ? ` (${key})` : ""}`;
    button.addEventListener("click", command);
    if (pressed) this.updates.push(() => button.setAttribute("aria-pressed", String(pressed())));
    return button;
  }

  tools() {
    const { viewer } = this;
    const tool = (name, key) => this.button(name, () => viewer.setTool(name), key, () => viewer.tool === name);
    const grey = viewer.grey() ? [tool("window", "W")] : [];
    return this.group("tools", ...grey, tool("pan", "P"), tool("measure", "M"), tool("region", "G"));
  }

  windows() {
    const { viewer } = this;
    const invert = this.button("invert", () => viewer.invert(), "I", () => viewer.inverted);
    if (!viewer.grey()) return this.group("windows", invert);
    const names = viewer.header.presets.map(([name]) => name);
    const options = [[OWN, viewer.text("own_window")], ...names.map((name, i) => [String(i), name])];
    const select = choice("preset", viewer.text("preset_help"), [...options, [CUSTOM, viewer.text("custom_window")]]);
    select.lastElementChild.disabled = true; // shown where the user has set one, and not to be chosen
    select.addEventListener("change", () => viewer.choosePreset(select.value === OWN ? null : Number(select.value)));
    this.updates.push(() => (select.value = this.presetNow()));
    return this.group("windows", select, invert);
  }

  presetNow() {
    const { userWindow, header } = this.viewer;
    if (userWindow === null) return OWN;
    const place = header.presets.findIndex(([, preset]) => same(preset, userWindow));
    return place < 0 ? CUSTOM : String(place);
  }

  views() {
    const { viewer } = this;
    return this.group(
      "views",
      this.button("fit", () => viewer.fit(), "F"),
      this.button("actual", () => viewer.actualSize(), "1"),
      this.button("reset", () => viewer.reset(), "R"),
    );
  }

  layers() {
    const { viewer } = this;
    const keys = { crops: "C", grid: "D", heat: "H", graphics: "O", texts: "T" };
    const buttons = this.offered().map((name) =>
      this.button(name, () => viewer.toggle(name), keys[name], () => viewer.shows[name]),
    );
    if (!viewer.header.heat) return this.group("layers", ...buttons);
    const opacity = slider("opacity", viewer.text("opacity_help"), 0, 100);
    opacity.addEventListener("input", () => viewer.setOpacity(opacity.value / 100));
    this.updates.push(() => (opacity.value = Math.round(viewer.opacity * 100)));
    return this.group("layers", ...buttons, opacity);
  }

  frames() {
    const { viewer } = this;
    if (viewer.header.frames < 2) return this.group("frames");
    const frame = slider("frame", viewer.text("frame_help"), 1, viewer.header.frames);
    frame.addEventListener("input", () => viewer.goTo(frame.value - 1));
    const speeds = SPEEDS.map((speed) => [String(speed), `${speed}/s`]);
    const speed = choice("speed", viewer.text("speed_help"), speeds);
    speed.addEventListener("change", () => viewer.cine.setSpeed(Number(speed.value)));
    this.updates.push(() => {
      frame.max = viewer.header.frames;
      frame.value = viewer.frame + 1;
      speed.value = String(viewer.cine.speed);
    });
    const play = this.button("cine", () => viewer.cine.toggle(), viewer.text("space"), () => viewer.cine.playing);
    return this.group("frames", frame, play, speed);
  }

  sheet() {
    const button = this.button("help", () => this.viewer.help.toggle(), "?");
    button.setAttribute("aria-label", this.viewer.text("help_help"));
    return this.group("help_help", button);
  }
}

const same = (a, b) => a.center === b.center && a.width === b.width && a.function === b.function;

function labelled(element, name, label) {
  element.dataset.name = name;
  element.setAttribute("aria-label", label);
  element.title = label;
  return element;
}

function choice(name, label, options) {
  const select = labelled(document.createElement("select"), name, label);
  select.append(...options.map(([value, text]) => new Option(text, value)));
  return select;
}

function slider(name, label, least, most) {
  const input = labelled(document.createElement("input"), name, label);
  Object.assign(input, { type: "range", min: least, max: most });
  return input;
}
