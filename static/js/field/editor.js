// Drawing a missed cell and fixing a box: with mouse, pen and finger on the picture, or with keys.

import { announce, say } from "../workspace/words.js";
import { moved } from "./overlay.js";

const LEAST = 4; // pixels of the image; the server takes no smaller box
const FAR = 10;
const CURSORS = { nw: "nwse-resize", se: "nwse-resize", ne: "nesw-resize", sw: "nesw-resize", n: "ns-resize", s: "ns-resize", e: "ew-resize", w: "ew-resize", all: "move" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Editor extends EventTarget {
  constructor(viewer, overlay, store, commands, config) {
    super();
    this.viewer = viewer;
    this.overlay = overlay;
    this.store = store;
    this.commands = commands;
    this.image = config.image;
    this.mode = "";
    this.kind = document.getElementById("draw-kind");
    this.bar = document.getElementById("field-edit");
    this.words = this.bar?.querySelector("[data-edit-words]");
    viewer.addHandler("canvas-press", (event) => this.#press(event));
    viewer.addHandler("canvas-drag", (event) => this.#drag(event));
    viewer.addHandler("canvas-drag-end", (event) => this.#drop(event));
    viewer.canvas.addEventListener("pointermove", (event) => this.#hover(event));
  }

  /** Draw a cell that was missed. */
  draw() {
    this.#begin("draw", null);
    announce(say("drawHow"));
  }

  /** Fix a box of a cell. */
  fix(box) {
    this.#begin("fix", { ...box, fixed: true });
    announce(say("fixHow"));
  }

  #begin(mode, sketch) {
    this.mode = mode;
    this.held = null;
    this.overlay.sketch = sketch;
    this.viewer.canvas.classList.toggle("is-drawing", mode === "draw");
    this.#show();
  }

  cancel() {
    if (this.mode) {
      this.#begin("", null);
      announce(say("givenUp"));
    }
  }

  save() {
    const box = this.overlay.sketch;
    const { mode } = this;
    if (mode === "draw" && !box) {
      this.#place();
      return;
    }
    this.#begin("", null);
    if (mode === "draw") {
      this.commands.add(this.kind.value, box);
    } else if (mode === "fix") {
      const now = this.store.boxes.get(box.id);
      if (now && ["left", "top", "width", "height"].some((side) => now[side] !== box[side])) {
        this.commands.fix(box.id, box);
      }
    }
  }

  /** Without a pointer: a box as large as the other cells of its kind, in the middle of what is in sight. */
  #place() {
    const same = [...this.store.boxes.values()].filter((box) => box.kind === this.kind.value && !box.edges.length);
    const sizes = same.map((box) => Math.max(box.width, box.height)).sort((a, b) => a - b);
    const [left, top, right, bottom] = this.overlay.rectangle();
    const usual = sizes.length ? sizes[Math.floor(sizes.length / 2)] : (right - left) / 8;
    const side = Math.round(Math.min(usual, this.image.width, this.image.height));
    const box = { left: Math.round((left + right - side) / 2), top: Math.round((top + bottom - side) / 2), width: side, height: side };
    this.overlay.sketch = { ...moved(box, "all", 0, 0, this.image), fixed: true };
    announce(say("fixHow"));
    this.#show();
  }

  #show() {
    if (this.bar) {
      this.bar.hidden = !this.mode;
      this.words.textContent = this.mode ? say(this.overlay.sketch?.fixed ? "fixHow" : "drawHow") : "";
      this.bar.querySelector("[data-edit-kind]").hidden = this.mode !== "draw";
    }
    this.overlay.later();
    this.dispatchEvent(new CustomEvent("mode"));
  }

  /** What a key means while a box is drawn or fixed; true when it meant something. */
  key(event) {
    if (!this.mode) {
      return false;
    }
    if (event.key === "Escape") {
      this.cancel();
    } else if (event.key === "Enter") {
      this.save();
    } else if (event.key in ARROWS && this.overlay.sketch) {
      const step = event.ctrlKey || event.metaKey ? 1 : FAR / 2;
      const [x, y] = ARROWS[event.key];
      const part = event.shiftKey ? "se" : "all";
      this.overlay.sketch = moved(this.overlay.sketch, part, x * step, y * step, this.image);
      const { left, top, width, height } = this.overlay.sketch;
      announce(say("boxIs", { left, top, width, height }));
      this.overlay.later();
    } else {
      return false;
    }
    return true;
  }

  #press(event) {
    if (!this.mode) {
      return;
    }
    const point = event.position;
    const part = this.overlay.part(point);
    if (this.overlay.sketch?.fixed) {
      this.held = part && { part, from: this.overlay.toImage(point), box: this.overlay.sketch };
    } else {
      this.held = { part: "new", from: this.overlay.toImage(point) };
    }
    if (this.held) {
      event.preventDefaultAction = true;
    }
  }

  #drag(event) {
    if (!this.held) {
      return;
    }
    event.preventDefaultAction = true;
    const { part, from, box } = this.held;
    const to = this.overlay.toImage(event.position);
    if (part === "new") {
      const clamp = (value, most) => Math.round(Math.max(0, Math.min(most, value)));
      const [x1, x2] = [from.x, to.x].map((value) => clamp(value, this.image.width)).sort((a, b) => a - b);
      const [y1, y2] = [from.y, to.y].map((value) => clamp(value, this.image.height)).sort((a, b) => a - b);
      this.overlay.sketch = { left: x1, top: y1, width: x2 - x1, height: y2 - y1 };
    } else {
      this.overlay.sketch = moved(box, part, to.x - from.x, to.y - from.y, this.image);
    }
    this.overlay.later();
  }

  #drop(event) {
    if (!this.held) {
      return;
    }
    event.preventDefaultAction = true;
    const drawn = this.held.part === "new";
    this.held = null;
    if (!drawn) {
      return;
    }
    const { sketch } = this.overlay;
    if (sketch && Math.min(sketch.width, sketch.height) >= LEAST) {
      this.save();
    } else {
      this.overlay.sketch = null;
      this.overlay.later();
    }
  }

  #hover(event) {
    let cursor = "";
    if (this.mode) {
      const area = this.viewer.canvas.getBoundingClientRect();
      const part = this.overlay.part({ x: event.clientX - area.left, y: event.clientY - area.top });
      cursor = this.overlay.sketch?.fixed ? (CURSORS[part] ?? "") : "crosshair";
    }
    this.viewer.canvas.style.cursor = cursor;
  }
}
