// Mouse and touch: choosing cells, dragging them onto a class, the menu.

import { say } from "./words.js";

const MOVED = 6; // pixels after which a press is a drag
const LONG_MS = 450;

export class Pointer {
  constructor(gallery, commands, menu) {
    this.gallery = gallery;
    this.commands = commands;
    this.menu = menu;
    this.several = false;
    this.ghost = document.getElementById("drag-ghost");
    this.workspace = document.getElementById("workspace");
    gallery.window.addEventListener("pointerdown", (event) => this.#down(event));
    gallery.window.addEventListener("contextmenu", (event) => this.#menu(event));
    gallery.window.addEventListener("dblclick", (event) => {
      if (this.#cellAt(event)) {
        document.getElementById("inspector").scrollIntoView({ block: "nearest" });
      }
    });
    // Once a finger has lifted cells, the page does not scroll under it.
    gallery.window.addEventListener("touchmove", (event) => this.press?.lifted && event.preventDefault(), { passive: false });
    // The click that ends a long touch would fall on whatever the menu has put under the finger.
    gallery.window.addEventListener("touchend", (event) => {
      if (this.swallow) {
        event.preventDefault();
        this.swallow = false;
      }
    });
    document.addEventListener("pointermove", (event) => this.#move(event));
    document.addEventListener("pointerup", (event) => this.#up(event));
    document.addEventListener("pointercancel", () => this.#drop());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.press?.dragging) {
        event.preventDefault(); // the drag is given up, the selection is not
        this.#drop();
      }
    });
  }

  #cellAt(event) {
    const card = event.target.closest?.("[data-cell]");
    return card ? Number(card.dataset.cell) : null;
  }

  #down(event) {
    const id = this.#cellAt(event);
    if (id === null || event.button !== 0 || !event.isPrimary) {
      return;
    }
    const touch = event.pointerType === "touch";
    this.press = { id, x: event.clientX, y: event.clientY, touch, dragging: false, lifted: false, event };
    if (touch) {
      this.press.timer = setTimeout(() => this.#lift(), LONG_MS);
    }
  }

  /** A long touch takes the cells up: moved they are dragged, let go they get their menu. */
  #lift() {
    this.press.lifted = true;
    this.#choose(this.press.id);
    navigator.vibrate?.(15);
  }

  #choose(id) {
    if (!this.gallery.selected.has(id)) {
      this.gallery.activate(id, { quiet: true });
    }
  }

  #move(event) {
    const { press } = this;
    if (!press || !event.isPrimary) {
      return;
    }
    const far = Math.hypot(event.clientX - press.x, event.clientY - press.y) > MOVED;
    if (!press.dragging) {
      if (!far) {
        return;
      }
      if (press.touch && !press.lifted) {
        clearTimeout(press.timer); // the finger scrolls
        this.press = null;
        return;
      }
      if (!this.gallery.store.mayCorrect) {
        return;
      }
      press.dragging = true;
      this.#choose(press.id);
      this.ghost.textContent = say("dragging", { count: this.gallery.targets().length });
      this.ghost.hidden = false;
      this.workspace.classList.add("is-dragging");
    }
    this.ghost.style.transform = `translate(${event.clientX + 12}px, ${event.clientY + 12}px)`;
    const row = this.#rowAt(event);
    if (row !== press.row) {
      press.row?.classList.remove("is-target");
      row?.classList.add("is-target");
      press.row = row;
    }
  }

  #rowAt(event) {
    return document.elementFromPoint(event.clientX, event.clientY)?.closest?.(".class-row[data-class]") ?? null;
  }

  #up(event) {
    const { press } = this;
    if (!press || !event.isPrimary) {
      return;
    }
    clearTimeout(press.timer);
    if (press.dragging) {
      const row = this.#rowAt(event);
      const targets = this.gallery.targets();
      this.#drop();
      if (row) {
        // The click that follows a drop on a row must not filter by it.
        row.dataset.dropped = "1";
        setTimeout(() => delete row.dataset.dropped);
        this.commands.correct(targets, Number(row.dataset.order));
      }
      return;
    }
    this.press = null;
    if (press.lifted) {
      this.swallow = true;
      this.menu.open({ x: event.clientX, y: event.clientY });
      return;
    }
    const toggle = event.ctrlKey || event.metaKey || this.several;
    this.gallery.activate(press.id, { extend: event.shiftKey, toggle, quiet: true });
    this.gallery.window.focus({ preventScroll: true });
  }

  #drop() {
    clearTimeout(this.press?.timer);
    this.press?.row?.classList.remove("is-target");
    this.press = null;
    this.ghost.hidden = true;
    this.workspace.classList.remove("is-dragging");
  }

  #menu(event) {
    event.preventDefault();
    const id = this.#cellAt(event);
    if (id === null || event.pointerType === "touch" || this.press?.touch) {
      return;
    }
    this.press = null;
    this.#choose(id);
    this.menu.open({ x: event.clientX, y: event.clientY });
  }
}
