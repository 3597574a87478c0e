// Which cells the gallery shows, in which groups and order; and where each lies on the page.

import { byConfidence, byUncertainty } from "./store.js";

export const UNNAMED = 0;

const SHOW = {
  "": () => true,
  review: (cell) => cell.review === "needs_review",
  flagged: (cell) => cell.flagged,
  unfamiliar: (cell) => cell.unfamiliar,
  unreviewed: (cell) => cell.review === "unreviewed" || cell.review === "needs_review",
  reviewed: (cell) => cell.review === "confirmed" || cell.review === "corrected",
};

/** Small letters without accents: who types "neutrofilo" means "Neutrófilo". */
function plainly(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase();
}

/** Groups of cells: `{ order, ids, missing }`; `missing` are known to exist and still to arrive. */
export function arrange(store, filter) {
  const search = plainly(filter.search.trim());
  const digits = /^\d+$/.test(search);
  const wanted = new Set();
  for (const { order, name, code } of [...store.classes, { order: UNNAMED, name: "", code: "" }]) {
    const here = filter.order === null || filter.order === order;
    const named = !search || digits || plainly(name).includes(search) || code.includes(search);
    if (here && named) {
      wanted.add(order);
    }
  }
  const keep = SHOW[filter.show] ?? SHOW[""];
  const lists = new Map();
  for (const cell of store.shown.values()) {
    if (!wanted.has(cell.order) || !keep(cell) || (digits && !String(cell.number).startsWith(search))) {
      continue;
    }
    const group = filter.show === "review" ? "queue" : cell.order;
    if (!lists.has(group)) {
      lists.set(group, []);
    }
    lists.get(group).push(cell);
  }
  if (filter.show === "review") {
    const cells = (lists.get("queue") ?? []).sort(byUncertainty);
    return cells.length ? [{ order: "queue", ids: cells.map((cell) => cell.id), missing: 0 }] : [];
  }
  const groups = [];
  for (const order of [...store.classes.map((each) => each.order), UNNAMED]) {
    const cells = (lists.get(order) ?? []).sort(byConfidence);
    const plain = !store.complete && filter.show === "" && !digits && wanted.has(order);
    const missing = plain ? Math.max(0, expected(store, order) - cells.length) : 0;
    if (cells.length + missing) {
      groups.push({ order, ids: cells.map((cell) => cell.id), missing });
    }
  }
  return groups;
}

function expected(store, order) {
  const change = store.difference().orders.get(order)?.count ?? 0;
  if (order === UNNAMED) {
    return store.counts.total - store.counts.classes.reduce((sum, each) => sum + each.count, 0) + change;
  }
  const code = store.byOrder.get(order).code;
  return (store.counts.classes.find((each) => each.code === code)?.count ?? 0) + change;
}

/** Where everything lies, in pixels from the top of the list. */
export class Layout {
  constructor(groups, { width, card, foot, gap, header }) {
    this.columns = Math.max(2, Math.floor((width + gap) / (card + gap)));
    this.cardWidth = Math.floor((width - gap * (this.columns - 1)) / this.columns);
    this.rowHeight = this.cardWidth + foot + gap;
    this.gap = gap;
    this.header = header;
    this.groups = [];
    this.flat = [];
    this.places = new Map();
    let top = 0;
    for (const group of groups) {
      const size = group.ids.length + group.missing;
      const rows = Math.ceil(size / this.columns);
      const laid = { ...group, size, top, rows, height: header + rows * this.rowHeight, first: this.flat.length };
      group.ids.forEach((id, index) => {
        this.places.set(id, { group: laid, index });
        this.flat.push(id);
      });
      this.groups.push(laid);
      top += laid.height + gap;
    }
    this.height = top;
  }

  /** Top left corner of a place in a group, from the group's own top. */
  corner(index) {
    return {
      left: (index % this.columns) * (this.cardWidth + this.gap),
      top: this.header + Math.floor(index / this.columns) * this.rowHeight,
    };
  }

  /** Groups and places between two heights. */
  *between(from, to) {
    for (const group of this.groups) {
      if (group.top > to) {
        return;
      }
      if (group.top + group.height < from) {
        continue;
      }
      const start = Math.max(0, Math.floor((from - group.top - this.header) / this.rowHeight));
      const end = Math.min(group.rows, Math.ceil((to - group.top - this.header) / this.rowHeight));
      yield { group, start: start * this.columns, end: Math.min(group.size, Math.max(0, end) * this.columns) };
    }
  }

  /** The cell an arrow leads to from another; at an edge the same. */
  neighbour(id, key, pageRows) {
    const place = this.places.get(id);
    if (!place) {
      return this.flat[0];
    }
    const position = place.group.first + place.index;
    const last = this.flat.length - 1;
    switch (key) {
      case "ArrowLeft":
        return this.flat[Math.max(0, position - 1)];
      case "ArrowRight":
        return this.flat[Math.min(last, position + 1)];
      case "Home":
        return this.flat[0];
      case "End":
        return this.flat[last];
      case "ArrowUp":
        return this.#vertical(place, -1);
      case "ArrowDown":
        return this.#vertical(place, 1);
      default:
        return this.#vertical(place, key === "PageUp" ? -pageRows : pageRows);
    }
  }

  #vertical(place, rows) {
    const { group, index } = place;
    const column = index % this.columns;
    const wanted = index + rows * this.columns;
    if (wanted >= 0 && wanted < group.ids.length) {
      return group.ids[wanted];
    }
    const lastRow = Math.floor((group.ids.length - 1) / this.columns);
    if (wanted >= group.ids.length && Math.floor(index / this.columns) < lastRow) {
      return group.ids[group.ids.length - 1]; // the last row is shorter
    }
    const others = this.groups.filter((each) => each.ids.length);
    const next = others[others.indexOf(group) + Math.sign(rows)];
    if (!next) {
      return group.ids[index];
    }
    if (rows > 0) {
      return next.ids[Math.min(column, next.ids.length - 1)];
    }
    const rowStart = Math.floor((next.ids.length - 1) / this.columns) * this.columns;
    return next.ids[Math.min(rowStart + column, next.ids.length - 1)];
  }
}
