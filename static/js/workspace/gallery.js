// The middle pane: a listbox that holds only the cells in sight, however many the case has.

import { arrange, Layout, UNNAMED } from "./arrangement.js";
import { describe, drawFoot, newCard } from "./card.js";
import { dot, say } from "./words.js";

const CARD = 120; // the smallest thumbnail; the inspector shows three times this
const CARD_ON_PHONE = 104;
const PHONE = 480;
const GAP = 8;
const HEADER = 40;
const FOOT = 30;
const FOOT_WITH_NAME = 48;
const BEYOND = 400; // pixels drawn above and below what is in sight
const CALM_MS = 90; // pictures are fetched once a fast scroll has calmed down
const FAST = 2.5; // pixels per millisecond

export class Gallery extends EventTarget {
  constructor(store, config) {
    super();
    this.store = store;
    this.config = config;
    this.window = document.getElementById("gallery");
    this.space = document.createElement("div");
    this.space.className = "gallery-space";
    this.space.setAttribute("role", "presentation");
    this.window.append(this.space);
    this.filter = { order: null, show: "", search: "" };
    this.selected = new Set();
    this.active = null;
    this.anchor = null;
    this.cards = new Map();
    this.heads = new Map();
    this.blanks = [];
    this.lastTop = 0;
    this.lastTime = 0;
    this.window.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.rearrange()).observe(this.window);
    store.addEventListener("cells", () => this.#later());
    store.addEventListener("marks", (event) => event.detail.forEach((id) => this.#dress(id)));
    this.rearrange();
  }

  // --- what is shown ------------------------------------------------------------------------------
  setFilter(change) {
    Object.assign(this.filter, change);
    this.window.scrollTop = 0;
    this.rearrange();
    if (!this.layout.places.has(this.active)) {
      this.activate(this.layout.flat[0] ?? null, { quiet: true });
    }
    this.selected.forEach((id) => this.layout.places.has(id) || this.selected.delete(id));
    this.#told();
    this.dispatchEvent(new CustomEvent("filtered"));
  }

  #later() {
    // Many rows arrive in one tick; they are laid out once, before the next picture is painted.
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.rearrange();
    });
  }

  /** Lay everything out now, also when a frame was asked for. */
  rearrange() {
    const width = this.window.clientWidth - 2 * GAP;
    if (width <= 0) {
      return;
    }
    const named = this.filter.show === "review";
    const card = width < PHONE ? CARD_ON_PHONE : CARD;
    const sizes = { width, card, foot: named ? FOOT_WITH_NAME : FOOT, gap: GAP, header: HEADER };
    this.layout = new Layout(arrange(this.store, this.filter), sizes);
    this.space.style.height = `${this.layout.height}px`;
    this.window.classList.toggle("gallery-named", named);
    this.draw();
    this.dispatchEvent(new CustomEvent("arranged"));
  }

  #scrolled() {
    const now = performance.now();
    const speed = Math.abs(this.window.scrollTop - this.lastTop) / Math.max(1, now - this.lastTime);
    this.lastTop = this.window.scrollTop;
    this.lastTime = now;
    this.fast = speed > FAST;
    clearTimeout(this.calm);
    this.calm = setTimeout(() => {
      this.fast = false;
      this.draw();
    }, CALM_MS);
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const from = this.window.scrollTop - BEYOND;
    const to = this.window.scrollTop + this.window.clientHeight + BEYOND;
    const heads = new Set();
    const cards = new Set();
    let blanks = 0;
    for (const { group, start, end } of this.layout.between(from, to)) {
      const box = this.#groupBox(group);
      heads.add(group.order);
      for (let index = start; index < end; index += 1) {
        const id = group.ids[index];
        if (id === undefined) {
          this.#placeBlank(blanks, group, index);
          blanks += 1;
          continue;
        }
        cards.add(id);
        this.#placeCard(id, group, index, box);
      }
    }
    for (const [id, card] of this.cards) {
      if (!cards.has(id)) {
        card.remove();
        this.cards.delete(id);
      }
    }
    for (const [order, head] of this.heads) {
      if (!heads.has(order)) {
        head.remove();
        this.heads.delete(order);
      }
    }
    this.blanks.splice(blanks).forEach((blank) => blank.remove());
    const shown = this.cards.has(this.active);
    if (shown) {
      this.window.setAttribute("aria-activedescendant", `cell-${this.active}`);
    } else {
      this.window.removeAttribute("aria-activedescendant");
    }
  }

  #groupBox(group) {
    let box = this.heads.get(group.order);
    if (!box) {
      box = document.createElement("div");
      box.className = "gallery-group";
      box.setAttribute("role", "group");
      const head = document.createElement("div");
      head.className = "gallery-group-head";
      head.setAttribute("role", "presentation");
      box.append(head);
      this.heads.set(group.order, box);
      this.space.append(box);
    }
    box.style.transform = `translateY(${group.top}px)`;
    box.style.height = `${group.height}px`;
    const cellClass = this.store.byOrder.get(group.order);
    const plain = group.order === "queue" ? say("queue") : (cellClass?.name ?? say("unnamed"));
    const name = say("group", { name: plain, count: group.size });
    if (box.getAttribute("aria-label") !== name) {
      box.setAttribute("aria-label", name);
      const words = document.createElement("span");
      words.textContent = plain;
      const count = document.createElement("span");
      count.className = "text-secondary";
      count.textContent = String(group.size);
      box.firstElementChild.replaceChildren(...(cellClass ? [dot(cellClass.color)] : []), words, count);
    }
    return box;
  }

  #placeCard(id, group, index, box) {
    let card = this.cards.get(id);
    if (!card) {
      card = newCard(id);
      this.cards.set(id, card);
    }
    const corner = this.layout.corner(index);
    card.style.transform = `translate(${corner.left}px, ${corner.top}px)`;
    card.style.width = `${this.layout.cardWidth}px`;
    card.setAttribute("aria-posinset", String(index + 1));
    card.setAttribute("aria-setsize", String(group.size));
    if (card.parentElement !== box) {
      box.append(card);
    }
    const photo = card.firstElementChild;
    if (!this.fast && !photo.hasAttribute("src")) {
      photo.src = `${this.config.urls.photo.replace("/0/", `/${id}/`)}?size=192`;
    }
    this.#dress(id);
  }

  #placeBlank(number, group, index) {
    let blank = this.blanks[number];
    if (!blank) {
      blank = document.createElement("div");
      blank.className = "cell-tile cell-tile-blank";
      blank.setAttribute("aria-hidden", "true");
      this.blanks.push(blank);
      this.space.append(blank);
    }
    const corner = this.layout.corner(index);
    blank.style.transform = `translate(${corner.left}px, ${group.top + corner.top}px)`;
    blank.style.width = `${this.layout.cardWidth}px`;
    blank.style.height = `${this.layout.rowHeight - GAP}px`;
  }

  /** Bring a card's looks and words in line with its cell. */
  #dress(id) {
    const card = this.cards.get(id);
    const cell = this.store.cell(id);
    if (!card || !cell) {
      return;
    }
    const selected = this.selected.has(id);
    const state = [
      cell.order, cell.review, cell.work, cell.confidence, cell.flagged, cell.unfamiliar, selected,
      id === this.active, this.store.marked.has(id), this.filter.show, cell.excluded,
    ].join();
    if (card.dataset.state === state) {
      return;
    }
    card.dataset.state = state;
    card.dataset.order = String(cell.order);
    card.classList.toggle("is-active", id === this.active);
    card.classList.toggle("is-review", cell.review === "needs_review");
    card.classList.toggle("is-excluded", cell.excluded);
    card.classList.toggle("is-marked", this.store.marked.has(id));
    card.setAttribute("aria-selected", String(selected));
    const look = { cellClass: this.store.byOrder.get(cell.order), marked: this.store.marked.has(id) };
    card.children[1].textContent = describe(cell, look);
    drawFoot(card.lastElementChild, cell, { ...look, named: this.filter.show === "review", sprite: this.config.sprite });
  }

  // --- which cells are meant ----------------------------------------------------------------------
  /** The chosen cells, or the one the reader is on. */
  targets() {
    const order = (id) => {
      const place = this.layout.places.get(id);
      return place ? place.group.first + place.index : Number.MAX_SAFE_INTEGER;
    };
    if (this.selected.size) {
      return [...this.selected].sort((one, other) => order(one) - order(other));
    }
    return this.active === null ? [] : [this.active];
  }

  activate(id, { extend = false, toggle = false, quiet = false } = {}) {
    if (id === null || id === undefined) {
      this.active = null;
      this.dispatchEvent(new CustomEvent("activated", { detail: null }));
      return;
    }
    if (extend) {
      const flat = this.layout.flat;
      const position = (each) => {
        const place = this.layout.places.get(each);
        return place ? place.group.first + place.index : 0;
      };
      const [from, to] = [position(this.anchor ?? id), position(id)].sort((a, b) => a - b);
      this.selected = new Set(flat.slice(from, to + 1));
    } else if (toggle) {
      if (!this.selected.delete(id)) {
        this.selected.add(id);
      }
      this.anchor = id;
    } else {
      this.selected.clear();
      this.anchor = id;
    }
    const changed = this.active !== id;
    this.active = id;
    if (!quiet) {
      this.reveal(id);
    }
    this.draw();
    this.cards.forEach((_card, each) => this.#dress(each));
    this.#told();
    if (changed) {
      this.store.unmark([id]);
      this.dispatchEvent(new CustomEvent("activated", { detail: id }));
    }
  }

  selectMany(ids) {
    this.selected = new Set(ids);
    this.cards.forEach((_card, each) => this.#dress(each));
    this.#told();
  }

  #told() {
    this.dispatchEvent(new CustomEvent("selected"));
  }

  /** Scroll just so far that the cell is wholly in sight. */
  reveal(id) {
    const place = this.layout.places.get(id);
    if (!place) {
      return;
    }
    const top = place.group.top + this.layout.corner(place.index).top;
    const bottom = top + this.layout.rowHeight;
    const headed = place.index < this.layout.columns ? place.group.top : top - GAP;
    if (headed < this.window.scrollTop) {
      this.window.scrollTop = headed;
    } else if (bottom > this.window.scrollTop + this.window.clientHeight) {
      this.window.scrollTop = bottom - this.window.clientHeight + GAP;
    }
  }

  /** The cell that follows the given ones; asked before they move to another class. */
  follower(ids) {
    const gone = new Set(ids);
    const flat = this.layout.flat;
    const places = ids.map((id) => this.layout.places.get(id)).filter(Boolean);
    if (!places.length) {
      return this.active;
    }
    const last = Math.max(...places.map((place) => place.group.first + place.index));
    for (let index = last + 1; index < flat.length; index += 1) {
      if (!gone.has(flat[index])) {
        return flat[index];
      }
    }
    for (let index = last - 1; index >= 0; index -= 1) {
      if (!gone.has(flat[index])) {
        return flat[index];
      }
    }
    return ids.length === 1 ? ids[0] : null;
  }

  move(key, extend) {
    const rows = Math.max(1, Math.floor(this.window.clientHeight / this.layout.rowHeight) - 1);
    const to = this.layout.neighbour(this.active, key, rows);
    if (to !== undefined) {
      this.activate(to, { extend });
    }
  }

  selectGroup() {
    const place = this.layout.places.get(this.active) ?? { group: this.layout.groups[0] };
    if (place.group) {
      this.selectMany(place.group.ids);
    }
  }

  get isEmpty() {
    return this.layout ? this.layout.groups.length === 0 : true;
  }

  get found() {
    return this.layout ? this.layout.groups.reduce((sum, group) => sum + group.size, 0) : 0;
  }
}

export { UNNAMED };
