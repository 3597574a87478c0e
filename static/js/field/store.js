// What the page knows of a field's boxes. The server says; nothing here is ahead of it.

const KINDS = ["white_cell", "platelet", "red_cell"];
const EXCLUSIONS = ["", "border", "removed", "duplicate", "other_kind"];
const WORK = ["waiting", "done", "failed"];
const REVIEWS = ["unreviewed", "needs_review", "confirmed", "corrected"];
const EDGES = ["left", "top", "right", "bottom"];
const REFETCH_MS = 250;

/** A compact row of the server, as an object. */
function unpack(row) {
  const [id, number, kind, left, top, width, height, excluded, drawn, edges, duplicateOf, version, cell] = row;
  return {
    id,
    number,
    kind: KINDS[kind],
    left,
    top,
    width,
    height,
    excluded: EXCLUSIONS[excluded],
    drawn: drawn === 1,
    edges: EDGES.filter((name, place) => edges & (1 << place)),
    duplicateOf: duplicateOf || null,
    version,
    cell: cell && { id: cell[0], number: cell[1], order: cell[2], work: WORK[cell[3]], review: REVIEWS[cell[4]], confidence: cell[5] },
  };
}

export class Store extends EventTarget {
  constructor(config) {
    super();
    this.config = config;
    this.boxes = new Map();
    this.hidden = new Set(JSON.parse(sessionStorage.getItem("field-hidden") ?? "[]"));
    this.byOrder = new Map(config.classes.map((each) => [each.order, each]));
    this.revision = null;
    this.partial = false;
    this.rectangle = null;
    this.expected = new Map(); // versions this reader's own steps have made
    this.waiting = 0;
    this.marked = new Set(); // refused or changed by somebody else: to be looked at again
    this.mayCorrect = config.mayCorrect;
    this.state = config.state;
    this.total = 0;
    this.groups = [];
    document.addEventListener("visibilitychange", () => !document.hidden && this.ask());
  }

  /** The toggle a box belongs to: its class, its kind where it has no name, or that it is not counted. */
  group(box) {
    if (box.excluded) {
      return "excluded";
    }
    return box.cell?.order ? String(box.cell.order) : box.kind;
  }

  colour(box) {
    const named = box.cell?.order ? this.byOrder.get(box.cell.order) : null;
    return named ? named.color : this.config.colors[box.kind];
  }

  isShown(box) {
    return !this.hidden.has(this.group(box));
  }

  /** Boxes that are shown, by their number. */
  shown() {
    return [...this.boxes.values()].filter((box) => this.isShown(box)).sort((a, b) => a.number - b.number);
  }

  toggle(group) {
    if (!this.hidden.delete(group)) {
      this.hidden.add(group);
    }
    sessionStorage.setItem("field-hidden", JSON.stringify([...this.hidden]));
    this.#tell("boxes");
  }

  mark(id, marked) {
    if (marked) {
      this.marked.add(id);
    } else {
      this.marked.delete(id);
    }
    this.#tell("boxes");
  }

  /** What is in sight of the picture: of a field with very many boxes only those are fetched. */
  look(rectangle) {
    this.rectangle = rectangle;
    if (this.partial) {
      clearTimeout(this.lookTimer);
      this.lookTimer = setTimeout(() => this.ask({ whole: true }), REFETCH_MS);
    }
  }

  /** Fetch what changed, or everything; asks again by itself while the page is in sight. */
  async ask({ whole = false } = {}) {
    clearTimeout(this.timer);
    if (this.asking) {
      this.again = this.again || whole;
      return this.asking;
    }
    this.asking = this.#fetch(whole);
    try {
      await this.asking;
    } finally {
      this.asking = null;
      if (this.again) {
        this.again = false;
        this.ask({ whole: true });
      } else if (!document.hidden) {
        this.timer = setTimeout(() => this.ask(), this.config.pollMilliseconds);
      }
    }
    return null;
  }

  async #fetch(whole) {
    const query = new URLSearchParams();
    if (!whole && this.revision !== null) {
      query.set("since", this.revision);
    }
    if (this.rectangle) {
      query.set("rectangle", this.rectangle.join(","));
    }
    try {
      const answer = await fetch(`${this.config.urls.boxes}?${query}`, { headers: { Accept: "application/json" } });
      if (answer.ok && !answer.redirected) {
        this.#take(await answer.json(), whole || this.revision === null);
      } else {
        this.#tell("lost");
      }
    } catch {
      this.#tell("lost");
    }
  }

  #take(answer, whole) {
    const before = JSON.stringify(this.state);
    this.revision = answer.revision;
    this.state = answer.state;
    const known = this.boxes;
    if (!answer.unchanged) {
      this.partial = answer.partial;
      this.total = answer.total;
      this.waiting = answer.waiting;
      this.groups = answer.groups;
      if (whole || answer.partial) {
        this.boxes = new Map();
      }
    }
    const changed = [];
    for (const row of answer.boxes) {
      const box = unpack(row);
      const old = known.get(box.id);
      this.boxes.set(box.id, box);
      if (old && old.version !== box.version && this.expected.get(box.id) !== box.version) {
        changed.push(box.id);
        this.marked.add(box.id);
      }
    }
    if (answer.may !== this.mayCorrect) {
      this.mayCorrect = answer.may;
      this.#tell("permission");
    }
    if (before !== JSON.stringify(this.state)) {
      this.#tell("state");
    }
    if (!answer.unchanged) {
      this.#tell("boxes");
    }
    if (changed.length) {
      this.#tell("others", changed);
    }
    this.#tell("asked");
  }

  #tell(what, detail = null) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}
