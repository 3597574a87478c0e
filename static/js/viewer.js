// A cell's photo with its heatmap: on and off (also by the key H), opacity, class, zoom and moving about.

const BASE = 3; // how much larger than in the gallery the photo stands at first
const STEP = 1.25;
const MOST = 5;

export class Viewer {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector("#viewer");
    this.stage = root.querySelector("[data-stage]");
    this.heatmap = root.querySelector("#heatmap");
    this.scale = 1;
    this.left = 0;
    this.top = 0;
    this.#bindZoom();
    if (this.heatmap) {
      this.#bindHeatmap();
    }
  }

  // --- heatmap ----------------------------------------------------------------------------------
  #bindHeatmap() {
    this.toggle = this.root.querySelector("#heatmap-on");
    this.opacity = this.root.querySelector("#heatmap-opacity");
    const kept = JSON.parse(sessionStorage.getItem("heatmap") ?? "null");
    if (kept) {
      this.toggle.checked = kept.on;
      this.opacity.value = kept.opacity;
    }
    this.toggle.addEventListener("change", () => this.#keep());
    this.opacity.addEventListener("input", () => this.#keep());
    const choice = this.root.querySelector("#heatmap-class");
    choice.addEventListener("change", () => {
      this.heatmap.src = `${this.heatmap.dataset.url}&class=${encodeURIComponent(choice.value)}`;
    });
    this.#show();
  }

  #show() {
    const shown = this.root.querySelector("#opacity-shown");
    this.heatmap.hidden = !this.toggle.checked;
    this.heatmap.style.opacity = String(Number(this.opacity.value) / 100);
    shown.textContent = `${this.opacity.value} %`;
    this.opacity.setAttribute("aria-valuetext", shown.textContent);
  }

  #keep() {
    // From cell to cell the reader's setting stays.
    sessionStorage.setItem("heatmap", JSON.stringify({ on: this.toggle.checked, opacity: this.opacity.value }));
    this.#show();
  }

  toggleHeatmap() {
    if (this.heatmap) {
      this.toggle.checked = !this.toggle.checked;
      this.#keep();
    }
  }

  // --- zoom -------------------------------------------------------------------------------------
  #bindZoom() {
    this.root.querySelector("[data-zoom-in]").addEventListener("click", () => this.zoom(1));
    this.root.querySelector("[data-zoom-out]").addEventListener("click", () => this.zoom(-1));
    this.box.addEventListener(
      "wheel",
      (event) => {
        // Where nothing is zoomed yet the wheel scrolls the page, unless it is asked to zoom.
        if (this.scale === 1 && !event.ctrlKey && event.deltaY > 0) {
          return;
        }
        event.preventDefault();
        const area = this.box.getBoundingClientRect();
        this.zoom(event.deltaY < 0 ? 1 : -1, event.clientX - area.left, event.clientY - area.top);
      },
      { passive: false },
    );
    this.stage.addEventListener("pointerdown", (event) => {
      if (this.scale === 1 || event.button !== 0) {
        return;
      }
      event.preventDefault();
      this.stage.setPointerCapture(event.pointerId);
      const start = { x: event.clientX - this.left, y: event.clientY - this.top };
      const move = (moved) => {
        this.left = moved.clientX - start.x;
        this.top = moved.clientY - start.y;
        this.#place();
      };
      this.stage.addEventListener("pointermove", move);
      const end = () => this.stage.removeEventListener("pointermove", move);
      this.stage.addEventListener("pointerup", end, { once: true });
      this.stage.addEventListener("pointercancel", end, { once: true });
    });
    this.#place();
  }

  /** One step nearer or farther, around a point of the box; its middle where none is given. */
  zoom(direction, x = this.box.clientWidth / 2, y = this.box.clientHeight / 2) {
    const before = this.scale;
    this.scale = Math.min(MOST, Math.max(1, before * STEP ** direction));
    if (this.scale < STEP * 0.99) {
      this.scale = direction < 0 ? 1 : this.scale;
    }
    this.left = x - ((x - this.left) * this.scale) / before;
    this.top = y - ((y - this.top) * this.scale) / before;
    this.#place();
  }

  #place() {
    const least = (size) => size * (1 - this.scale);
    this.left = Math.min(0, Math.max(least(this.box.clientWidth), this.left));
    this.top = Math.min(0, Math.max(least(this.box.clientHeight), this.top));
    this.stage.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.scale})`;
    this.box.classList.toggle("is-zoomed", this.scale > 1);
    const times = Math.round(BASE * this.scale * 10) / 10;
    const shown = this.root.querySelector("[data-zoom-shown]");
    shown.textContent = `${new Intl.NumberFormat(document.documentElement.lang).format(times)}×`;
  }
}

/** Whether a key pressed here belongs to a field the reader types into. */
export function isTyping(target) {
  return target.closest("input:not([type=checkbox], [type=radio], [type=range], [type=button]), textarea, select, [contenteditable]") !== null;
}
