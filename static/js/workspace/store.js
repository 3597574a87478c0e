// What the page knows of the case. `known` is what the server said last; steps that are still on
// their way lie over it, so that taking one away again shows the truth underneath.

const SOURCES = ["", "model", "reviewer"];
const REVIEWS = ["unreviewed", "needs_review", "confirmed", "corrected"];
const WORK = ["waiting", "done", "failed"];
// Cells without a prediction come last, as on the server.
const NO_CONFIDENCE = 2;

/** A compact row of the server's stream, as an object. */
function unpack(row) {
  const [id, number, order, source, review, confidence, work, version, marks] = row;
  return {
    id,
    number,
    order,
    source: SOURCES[source],
    review: REVIEWS[review],
    confidence,
    work: WORK[work],
    version,
    unfamiliar: (marks & 1) === 1,
    flagged: (marks & 2) === 2,
    excluded: (marks & 4) === 4,
  };
}

export class Store extends EventTarget {
  constructor(config) {
    super();
    this.classes = config.classes;
    this.byCode = new Map(config.classes.map((each) => [each.code, each]));
    this.byOrder = new Map(config.classes.map((each) => [each.order, each]));
    this.counts = config.counts;
    this.mayCorrect = config.mayCorrect;
    this.revision = config.revision;
    this.known = new Map();
    this.shown = new Map();
    this.steps = [];
    this.complete = false;
    this.marked = new Set(); // changed by somebody else or refused: to be looked at again
    this.take(config.seed.cells);
  }

  /** Rows of the stream; one that is older than what is known is passed over. */
  take(rows) {
    const ids = [];
    for (const row of rows) {
      const cell = unpack(row);
      if ((this.known.get(cell.id)?.version ?? -1) <= cell.version) {
        this.known.set(cell.id, cell);
        ids.push(cell.id);
      }
    }
    this.#cover(ids);
    this.#tell("cells", ids);
  }

  /** Cells as the API tells them; returns those that changed. */
  learn(cells) {
    const ids = [];
    for (const each of cells) {
      const before = this.known.get(each.id);
      // A cell that stopped counting stays where it is, marked; the next visit leaves it out.
      if (before ? before.version > each.version : each.excluded !== "") {
        continue;
      }
      const work = { queued: "waiting", processing: "waiting" }[each.state] ?? each.state;
      const now = {
        id: each.id,
        number: each.number,
        order: each.label === null ? 0 : this.byCode.get(each.label).order,
        source: each.label_source,
        review: each.review_state,
        confidence: each.confidence === null ? null : Number(each.confidence.toFixed(5)), // as in the stream
        work,
        version: each.version,
        unfamiliar: each.unfamiliar,
        flagged: each.flagged,
        excluded: each.excluded !== "",
      };
      if (!before || before.version !== now.version || before.work !== now.work || before.confidence !== now.confidence) {
        ids.push(each.id);
      }
      this.known.set(each.id, now);
    }
    this.#cover(ids);
    this.#tell("cells", ids);
    return ids;
  }

  /** The present states a refusal tells. */
  learnRefused(states) {
    for (const each of states) {
      const before = this.known.get(each.cell);
      if (before && before.version < each.version) {
        this.known.set(each.cell, {
          ...before,
          order: each.label === null ? 0 : this.byCode.get(each.label).order,
          source: each.label_source,
          review: each.review_state,
          version: each.version,
        });
      }
    }
    const ids = states.map((each) => each.cell);
    this.#cover(ids);
    this.#tell("cells", ids);
  }

  setCounts(counts) {
    if (counts) {
      this.counts = counts;
      this.#tell("counts");
    }
  }

  setMayCorrect(may) {
    this.mayCorrect = may;
    this.#tell("permission");
  }

  /** Show a step before the server has answered. `change` gives the new cell for a cell. */
  lay(step) {
    this.steps.push(step);
    this.#cover(step.ids);
    this.#tell("cells", step.ids);
    this.#tell("counts");
  }

  /** The server has answered: what it said is known, the step itself goes. */
  lift(step) {
    this.steps = this.steps.filter((each) => each !== step);
    this.#cover(step.ids);
    this.#tell("cells", step.ids);
    this.#tell("counts");
  }

  cell(id) {
    return this.shown.get(id);
  }

  mark(ids) {
    ids.forEach((id) => this.marked.add(id));
    this.#tell("marks", ids);
  }

  unmark(ids) {
    ids.forEach((id) => this.marked.delete(id));
    this.#tell("marks", ids);
  }

  #cover(ids) {
    for (const id of ids) {
      let cell = this.known.get(id);
      for (const step of this.steps) {
        if (cell && step.members.has(id)) {
          cell = step.change(cell);
        }
      }
      if (cell) {
        this.shown.set(id, cell);
      }
    }
  }

  #tell(name, ids = []) {
    this.dispatchEvent(new CustomEvent(name, { detail: ids }));
  }

  /** How the steps on their way change the server's counts. */
  difference() {
    const orders = new Map();
    let review = 0;
    let reviewed = 0;
    const done = (cell) => cell.review === "confirmed" || cell.review === "corrected";
    const touched = new Set(this.steps.flatMap((step) => step.ids));
    for (const id of touched) {
      const before = this.known.get(id);
      const after = this.shown.get(id);
      const add = (order, count, waiting) => {
        const sum = orders.get(order) ?? { count: 0, review: 0 };
        orders.set(order, { count: sum.count + count, review: sum.review + waiting });
      };
      add(before.order, -1, before.review === "needs_review" ? -1 : 0);
      add(after.order, 1, after.review === "needs_review" ? 1 : 0);
      review += (after.review === "needs_review") - (before.review === "needs_review");
      reviewed += done(after) - done(before);
    }
    return { orders, review, reviewed, any: touched.size > 0 };
  }
}

export function byConfidence(one, other) {
  return (one.confidence ?? NO_CONFIDENCE) - (other.confidence ?? NO_CONFIDENCE) || one.id - other.id;
}

/** The most uncertain first: flagged, unfamiliar, then by confidence; as the server's queue. */
export function byUncertainty(one, other) {
  return other.flagged - one.flagged || other.unfamiliar - one.unfamiliar || byConfidence(one, other);
}
