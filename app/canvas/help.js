// The sheet of shortcuts: what the mouse, fingers and keys do.

import { KEYS } from "./keys.js";

const SIGNS = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };
const MOUSE = ["mouse_left", "mouse_right", "mouse_middle", "mouse_wheel", "mouse_ctrl", "mouse_double", "touch"];

export class Help {
  constructor(sheet, viewer) {
    this.sheet = sheet;
    this.viewer = viewer;
    this.stopper = (event) => {
      if (event.key !== "Escape" && event.key !== "?") return;
      this.toggle();
      event.preventDefault();
      event.stopPropagation();
    };
    sheet.addEventListener("keydown", this.stopper);
    sheet.querySelector("button").addEventListener("click", () => this.toggle());
  }

  get open() {
    return !this.sheet.hidden;
  }

  toggle() {
    this.sheet.hidden = this.open;
    if (!this.open) return this.viewer.stage.focus({ preventScroll: true });
    this.fill();
    this.sheet.querySelector("button").focus();
  }

  fill() {
    const text = (name) => this.viewer.text(name);
    this.sheet.setAttribute("aria-label", text("help_help"));
    this.sheet.querySelector("h2").textContent = text("help_help");
    this.sheet.querySelector("button").textContent = text("close");
    const mouse = MOUSE.map((name) => [text(`${name}_key`), text(name)]);
    const keys = KEYS.map(([names, what]) => [names.map((name) => shown(name, text)).join(", "), text(what)]);
    this.sheet.querySelector("dl").replaceChildren(...[...mouse, ...keys].map(([key, what]) => row(key, what)));
  }
}

function shown(key, text) {
  if (key === " ") return text("space");
  const parts = key === "+" ? [key] : key.split("+");
  return parts.map((part) => SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part)).join(" + ");
}

function row(key, what) {
  const [line, term, said] = ["div", "dt", "dd"].map((name) => document.createElement(name));
  [term.textContent, said.textContent] = [key, what];
  line.append(term, said);
  return line;
}
