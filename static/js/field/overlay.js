// The boxes over the picture: one canvas, drawn anew whenever the picture moves.

const NAMED_FROM = 18; // a box narrower than this on the screen carries no number
const HANDLE = 11;
const REACH = 14; // how near a finger has to come to a handle
const CORNERS = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

/** Where the handles of a rectangle on the screen are. */
function handles({ x, y, width, height }) {
  const [middle, centre] = [x + width / 2, y + height / 2];
  return {
    nw: [x, y],
    n: [middle, y],
    ne: [x + width, y],
    e: [x + width, centre],
    se: [x + width, y + height],
    s: [middle, y + height],
    sw: [x, y + height],
    w: [x, centre],
  };
}

/** The box with one side or corner, or all of it, moved to a place of the image. */
export function moved(box, part, dx, dy, image) {
  const edges = { left: box.left, top: box.top, right: box.left + box.width, bottom: box.top + box.height };
  if (part === "all") {
    dx = Math.max(-edges.left, Math.min(image.width - edges.right, dx));
    dy = Math.max(-edges.top, Math.min(image.height - edges.bottom, dy));
    return { ...box, left: Math.round(edges.left + dx), top: Math.round(edges.top + dy) };
  }
  const clamp = (value, most) => Math.round(Math.max(0, Math.min(most, value)));
  if (part.includes("w")) {
    edges.left = Math.min(clamp(edges.left + dx, image.width), edges.right - 4);
  }
  if (part.includes("e")) {
    edges.right = Math.max(clamp(edges.right + dx, image.width), edges.left + 4);
  }
  if (part.includes("n")) {
    edges.top = Math.min(clamp(edges.top + dy, image.height), edges.bottom - 4);
  }
  if (part.includes("s")) {
    edges.bottom = Math.max(clamp(edges.bottom + dy, image.height), edges.top + 4);
  }
  return { ...box, left: edges.left, top: edges.top, width: edges.right - edges.left, height: edges.bottom - edges.top };
}

export class Overlay {
  constructor(viewer, store) {
    this.viewer = viewer;
    this.store = store;
    this.chosen = null;
    this.sketch = null; // a box being drawn or fixed, in pixels of the image
    this.canvas = document.createElement("canvas");
    this.canvas.className = "field-boxes";
    this.canvas.setAttribute("aria-hidden", "true");
    viewer.canvas.after(this.canvas);
    const redraw = () => this.draw();
    for (const event of ["update-viewport", "resize", "open"]) {
      viewer.addHandler(event, redraw);
    }
    store.addEventListener("boxes", () => this.later());
  }

  /** Draw before the next frame, once however often it is asked for. */
  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  get item() {
    return this.viewer.world.getItemAt(0);
  }

  /** Pixels of the screen per pixel of the image, and where the image begins. */
  get place() {
    const viewport = this.viewer.viewport;
    const scale = viewport.viewportToImageZoom(viewport.getZoom(true));
    const origin = viewport.pixelFromPoint(new OpenSeadragon.Point(0, 0), true);
    return { scale, x: origin.x, y: origin.y };
  }

  toImage(point) {
    const { scale, x, y } = this.place;
    return { x: (point.x - x) / scale, y: (point.y - y) / scale };
  }

  onScreen(box) {
    const { scale, x, y } = this.place;
    return { x: x + box.left * scale, y: y + box.top * scale, width: box.width * scale, height: box.height * scale };
  }

  /** Left, top, right, bottom of the image that is in sight, in its pixels. */
  rectangle() {
    const size = this.viewer.viewport.getContainerSize();
    const first = this.toImage({ x: 0, y: 0 });
    const last = this.toImage(size);
    return [Math.floor(first.x), Math.floor(first.y), Math.ceil(last.x), Math.ceil(last.y)];
  }

  /** The smallest shown box under a point of the screen. */
  at(point) {
    const place = this.toImage(point);
    let found = null;
    for (const box of this.store.boxes.values()) {
      const inside =
        place.x >= box.left && place.x <= box.left + box.width && place.y >= box.top && place.y <= box.top + box.height;
      if (inside && this.store.isShown(box) && (!found || box.width * box.height < found.width * found.height)) {
        found = box;
      }
    }
    return found;
  }

  /** The part of the sketch under a point: a handle's name, "all", or nothing. */
  part(point) {
    if (!this.sketch) {
      return null;
    }
    const area = this.onScreen(this.sketch);
    const places = handles(area);
    const near = CORNERS.find((name) => Math.hypot(places[name][0] - point.x, places[name][1] - point.y) <= REACH);
    if (near) {
      return near;
    }
    const inside = point.x >= area.x && point.x <= area.x + area.width && point.y >= area.y && point.y <= area.y + area.height;
    return inside ? "all" : null;
  }

  draw() {
    if (!this.item) {
      return;
    }
    const size = this.viewer.viewport.getContainerSize();
    const density = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(size.x * density), Math.round(size.y * density)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, size.x, size.y);
    const { scale, x, y } = this.place;
    let drawn = 0;
    for (const box of this.store.boxes.values()) {
      if (!this.store.isShown(box) || box.id === this.chosen || box.id === this.sketch?.id) {
        continue;
      }
      const area = { x: x + box.left * scale, y: y + box.top * scale, width: box.width * scale, height: box.height * scale };
      if (area.x < size.x && area.y < size.y && area.x + area.width > 0 && area.y + area.height > 0) {
        this.#box(context, box, area, false);
        drawn += 1;
      }
    }
    const chosen = this.store.boxes.get(this.chosen);
    if (chosen && chosen.id !== this.sketch?.id) {
      this.#box(context, chosen, this.onScreen(chosen), true);
      drawn += 1;
    }
    if (this.sketch) {
      this.#sketch(context);
    }
    this.canvas.dataset.drawn = String(drawn);
  }

  #box(context, box, area, chosen) {
    const colour = this.store.colour(box);
    const thick = chosen ? 4 : 2;
    context.setLineDash(box.excluded ? [6, 4] : []);
    // Pale colours on a pale background, and dark ones on cells: light within dark shows on both.
    context.strokeStyle = "rgba(20, 25, 35, 0.55)";
    context.lineWidth = thick + (chosen ? 7 : 4);
    context.strokeRect(area.x, area.y, area.width, area.height);
    context.strokeStyle = chosen ? "#fff" : "rgba(255, 255, 255, 0.75)";
    context.lineWidth = thick + (chosen ? 4 : 2);
    context.strokeRect(area.x, area.y, area.width, area.height);
    context.strokeStyle = this.store.marked.has(box.id) ? "#b3261e" : colour;
    context.lineWidth = thick;
    context.strokeRect(area.x, area.y, area.width, area.height);
    if (box.excluded === "removed") {
      context.beginPath();
      context.moveTo(area.x, area.y);
      context.lineTo(area.x + area.width, area.y + area.height);
      context.stroke();
    }
    context.setLineDash([]);
    if (box.edges.length) {
      this.#edges(context, box.edges, area);
    }
    if (area.width >= NAMED_FROM || chosen) {
      const text = String(box.number);
      context.font = `${chosen ? "700 13px" : "600 11px"} system-ui, sans-serif`;
      const width = context.measureText(text).width + 6;
      const top = area.y - 15 >= 0 ? area.y - 15 : area.y;
      context.fillStyle = chosen ? "#000" : "rgba(20, 25, 35, 0.82)";
      context.fillRect(area.x - 1, top, width, 15);
      context.fillStyle = "#fff";
      context.fillText(text, area.x + 2, top + 11.5);
    }
  }

  /** Edges of the image that cut the cell: a thick bar where it is cut. */
  #edges(context, edges, { x, y, width, height }) {
    context.fillStyle = "#14191f";
    const bars = {
      left: [x - 2, y, 5, height],
      top: [x, y - 2, width, 5],
      right: [x + width - 3, y, 5, height],
      bottom: [x, y + height - 3, width, 5],
    };
    edges.forEach((edge) => context.fillRect(...bars[edge]));
  }

  #sketch(context) {
    const area = this.onScreen(this.sketch);
    context.strokeStyle = "#fff";
    context.lineWidth = 5;
    context.strokeRect(area.x, area.y, area.width, area.height);
    context.strokeStyle = "#0b5ed7";
    context.lineWidth = 3;
    context.setLineDash([8, 4]);
    context.strokeRect(area.x, area.y, area.width, area.height);
    context.setLineDash([]);
    if (!this.sketch.fixed) {
      return;
    }
    for (const [left, top] of Object.values(handles(area))) {
      context.fillStyle = "#fff";
      context.fillRect(left - HANDLE / 2, top - HANDLE / 2, HANDLE, HANDLE);
      context.lineWidth = 2;
      context.strokeRect(left - HANDLE / 2, top - HANDLE / 2, HANDLE, HANDLE);
    }
  }
}
