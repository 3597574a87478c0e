// What the reader does to cells. Every step shows at once and is sent in turn; a refused one is
// taken away again, with the reason and the cells as they are now.

import { announce, say, toast } from "./words.js";

const TRIES = 3;
const PAUSE_MS = 700;
const TOLD_MAX = 5;

function once() {
  const random = crypto.getRandomValues(new Uint32Array(4));
  return [...random].map((each) => each.toString(16).padStart(8, "0")).join("");
}

class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "");
    this.status = status;
    this.problem = problem;
  }
}

/** Send JSON; a request that got no answer is sent again under the same key, and done once. */
export async function send(url, body, method = "POST") {
  const key = once();
  const csrf = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
  for (let attempt = 1; ; attempt += 1) {
    let answer;
    try {
      answer = await fetch(url, {
        method,
        headers: {
          "Content-Type": "application/json",
          Accept: "application/json",
          "Accept-Language": document.documentElement.lang,
          "X-CSRFToken": csrf,
          "Idempotency-Key": key,
        },
        body: body === null ? undefined : JSON.stringify(body),
      });
    } catch {
      if (attempt < TRIES) {
        await new Promise((done) => setTimeout(done, PAUSE_MS * attempt));
        continue;
      }
      throw new Refusal(0, { detail: say("notReached") });
    }
    const content = await answer.json().catch(() => ({}));
    if (answer.ok) {
      return content;
    }
    if (answer.status === 401) {
      throw new Refusal(401, { detail: say("sessionEnded") });
    }
    throw new Refusal(answer.status, content);
  }
}

export class Commands extends EventTarget {
  constructor(store, gallery, config) {
    super();
    this.store = store;
    this.gallery = gallery;
    this.urls = config.urls;
    this.me = config.me;
    // What U takes back, the latest last: keys of steps, or steps still on their way.
    this.undoable = [...config.steps];
    this.queue = Promise.resolve();
  }

  /** Name cells, or confirm each in the class it has (`order` null). */
  correct(ids, order, comment = "") {
    let targets = ids.filter((id) => this.store.cell(id));
    if (!this.may() || !targets.length) {
      return;
    }
    if (order === null) {
      targets = targets.filter((id) => this.store.cell(id).order !== 0);
      if (targets.length < ids.length) {
        toast("warning", say("onlyNamed"));
      }
      if (!targets.length) {
        return;
      }
    }
    const change = (cell) => ({
      ...cell,
      order: order ?? cell.order,
      source: "reviewer",
      review: order === null || order === cell.order ? "confirmed" : "corrected",
      flagged: false,
    });
    const step = this.#lay(targets, change, this.gallery.follower(targets));
    step.comment = comment;
    const code = order === null ? null : this.store.byOrder.get(order).code;
    const name = order === null ? "" : this.store.byOrder.get(order).name;
    this.undoable.push(step);
    this.#enqueue(step, async () => {
      const answer = await send(this.urls.corrections, { cells: this.#seen(step), to: code, comment });
      step.key = answer.step.id;
      return answer;
    });
    announce(say(order === null ? "confirmedCells" : "named", { count: targets.length, name }));
  }

  /** Raise the flag of cells; when all have it, lower it. */
  flag(ids, note = "") {
    if (!this.may() || !ids.length) {
      return;
    }
    const raised = !ids.every((id) => this.store.cell(id).flagged);
    const change = (cell) =>
      cell.flagged === raised ? cell : { ...cell, flagged: raised, review: raised ? "needs_review" : cell.review };
    const step = this.#lay(ids, change, ids.length === 1 ? ids[0] : null);
    step.comment = note;
    this.#enqueue(step, () => send(this.urls.flags, { cells: this.#seen(step), raised, note }));
    announce(say(raised ? "flagRaised" : "flagLowered", { count: ids.length }));
  }

  /** Take back the reader's own latest step. */
  undo() {
    if (!this.may()) {
      return;
    }
    const last = this.undoable.pop();
    if (last === undefined) {
      toast("info", say("nothingToUndo"));
      announce(say("nothingToUndo"));
      return;
    }
    const before = typeof last === "object" ? last.before : null;
    const ids = typeof last === "object" ? last.ids : [];
    const step = this.#lay(ids, (cell) => ({ ...cell, ...(before?.get(cell.id) ?? {}) }), ids[0] ?? null);
    this.#enqueue(step, async () => {
      const key = typeof last === "object" ? last.key : last;
      if (key === undefined) {
        return null; // what was to be taken back was refused itself
      }
      const answer = await send(this.urls.undo.replace("/0/", `/${key}/`), {});
      const count = answer.cells.length;
      announce(say("undone", { count }));
      toast("success", say("undone", { count }));
      return answer;
    });
  }

  may() {
    if (!this.store.mayCorrect) {
      toast("info", say("readOnly"));
      announce(say("readOnly"));
    }
    return this.store.mayCorrect;
  }

  #lay(ids, change, follower) {
    const before = new Map(
      ids.map((id) => {
        const { order, source, review, flagged } = this.store.cell(id);
        return [id, { order, source, review, flagged }];
      }),
    );
    const versions = new Map(ids.map((id) => [id, this.store.known.get(id).version]));
    const step = { ids, members: new Set(ids), change, before, versions };
    this.store.lay(step);
    this.gallery.selectMany([]);
    this.gallery.rearrange();
    if (follower !== null && this.gallery.layout.places.has(follower)) {
      this.gallery.activate(follower);
    } else if (!this.gallery.layout.places.has(this.gallery.active)) {
      this.gallery.activate(this.gallery.layout.flat[0] ?? null);
    }
    return step;
  }

  #seen(step) {
    return step.ids.map((id) => ({ id, version: step.versions.get(id) }));
  }

  #enqueue(step, act) {
    this.queue = this.queue.then(async () => {
      try {
        if (step.cancelled) {
          return;
        }
        const answer = await act();
        if (answer) {
          this.#succeed(step, answer);
        }
        this.store.lift(step);
      } catch (error) {
        if (!(error instanceof Refusal)) {
          this.store.lift(step);
          throw error;
        }
        this.#refuse(step, error);
      }
    });
  }

  #succeed(step, answer) {
    // Later steps of this reader on the same cells were made knowing this one.
    const waiting = this.store.steps.filter((each) => each !== step);
    for (const cell of answer.cells) {
      waiting.filter((each) => each.members.has(cell.id)).forEach((each) => each.versions.set(cell.id, cell.version));
    }
    this.store.learn(answer.cells);
    this.store.setCounts(answer.counts);
    if (answer.revision === this.store.revision + 1) {
      this.store.revision = answer.revision;
    }
    this.dispatchEvent(new CustomEvent("done", { detail: step.ids }));
  }

  #refuse(step, { status, problem }) {
    this.undoable = this.undoable.filter((each) => each !== step);
    // What was built upon the refused step falls with it.
    for (const each of this.store.steps.filter((other) => other !== step)) {
      if (each.ids.some((id) => step.members.has(id))) {
        each.cancelled = true;
        this.undoable = this.undoable.filter((other) => other !== each);
        this.store.lift(each);
      }
    }
    this.store.lift(step);
    const states = problem.cells ?? [];
    const lines = [];
    if (states.length) {
      this.store.learnRefused(states);
      this.store.mark(states.map((each) => each.cell));
      for (const each of states.slice(0, TOLD_MAX)) {
        const name = each.label === null ? say("unnamed") : this.store.byCode.get(each.label).name;
        const who = each.corrected_by ? ` (${say("byWhom", { who: each.corrected_by })})` : "";
        lines.push(say("nowIs", { number: each.number, name }) + who);
      }
    }
    if (problem.code === "case_signed_off") {
      this.store.setMayCorrect(false);
    }
    // The reader's choice is kept: after a look the step can be made again.
    this.gallery.rearrange();
    const still = step.ids.filter((id) => this.gallery.layout.places.has(id));
    if (still.length) {
      this.gallery.activate(still[0]);
      if (still.length > 1) {
        this.gallery.selectMany(still);
      }
    }
    const words = `${say("refused")} ${problem.detail ?? say("notReached")}`;
    toast("danger", words, lines);
    document.getElementById("alarm").textContent = [words, ...lines].join(" ");
    this.dispatchEvent(new CustomEvent("refused", { detail: { ids: step.ids, status, comment: step.comment } }));
  }
}
