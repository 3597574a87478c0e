// What the reader does to boxes. Each step is sent at once; what was refused is told and changes nothing.

import { send } from "../workspace/commands.js";
import { announce, say, toast } from "../workspace/words.js";

const SIDES = ["left", "top", "width", "height"];

function sides(box) {
  return Object.fromEntries(SIDES.map((side) => [side, box[side]]));
}

export class Commands extends EventTarget {
  constructor(store, config) {
    super();
    this.store = store;
    this.urls = config.urls;
    this.image = config.image.id;
    this.undoable = [];
    this.queue = Promise.resolve();
  }

  add(kind, box) {
    return this.#do("added", null, () => send(this.urls.detections, { image: this.image, kind, ...sides(box) }), (made) => ({
      undo: () => this.#remove(made.id),
      say: say("added", { number: made.number }),
    }));
  }

  remove(id) {
    return this.#do("removed", id, () => this.#remove(id), () => ({ undo: () => this.#post(id, "restore") }));
  }

  restore(id) {
    return this.#do("restored", id, () => this.#post(id, "restore"), () => ({ undo: () => this.#remove(id) }));
  }

  fix(id, box) {
    const before = sides(this.store.boxes.get(id));
    return this.#do("fixed", id, () => this.#patch(id, sides(box)), () => ({ undo: () => this.#patch(id, before) }));
  }

  changeKind(id, kind) {
    const before = this.store.boxes.get(id).kind;
    return this.#do("kindChanged", id, () => this.#patch(id, { kind }), () => ({ undo: () => this.#patch(id, { kind: before }) }));
  }

  markDuplicate(id, of) {
    return this.#do("duplicate", id, () => this.#post(id, "duplicate", { of }), () => ({
      undo: () => this.#post(id, "unmark_duplicate"),
    }));
  }

  unmarkDuplicate(id) {
    const of = this.store.boxes.get(id).duplicateOf;
    return this.#do("noDuplicate", id, () => this.#post(id, "unmark_duplicate"), () => ({
      undo: () => this.#post(id, "duplicate", { of }),
    }));
  }

  /** Take back the latest step of this visit. */
  undo() {
    if (!this.#may()) {
      return;
    }
    const last = this.undoable.pop();
    if (!last) {
      toast("info", say("nothingToUndo"));
      announce(say("nothingToUndo"));
      return;
    }
    this.#do("undone", last.id, last.undo, null);
  }

  #may() {
    if (!this.store.mayCorrect) {
      toast("info", say("readOnly"));
      announce(say("readOnly"));
    }
    return this.store.mayCorrect;
  }

  #url(id) {
    return this.urls.detection.replace("/0/", `/${id}/`);
  }

  #version(id) {
    return this.store.boxes.get(id)?.version ?? 0;
  }

  #remove(id) {
    return send(`${this.#url(id)}?version=${this.#version(id)}`, null, "DELETE");
  }

  #patch(id, change) {
    return send(this.#url(id), { version: this.#version(id), ...change }, "PATCH");
  }

  #post(id, what, more = {}) {
    return send(`${this.#url(id)}${what}/`, { version: this.#version(id), ...more });
  }

  /** Steps go out one after the other: each knows the version that the one before it made. */
  #do(name, id, act, finish) {
    if (!this.#may()) {
      return Promise.resolve(null);
    }
    const number = this.store.boxes.get(id)?.number;
    this.queue = this.queue.then(async () => {
      try {
        const answer = await act();
        const done = finish?.(answer);
        if (done) {
          this.undoable.push({ id: answer.id, undo: done.undo });
        }
        const words = done?.say ?? say(name, { number: number ?? answer.number });
        announce(words);
        toast("success", words);
        this.store.marked.delete(answer.id);
        this.store.expected.set(answer.id, answer.version);
        await this.store.ask();
        await this.store.asking;
        this.dispatchEvent(new CustomEvent("done", { detail: answer }));
        return answer;
      } catch (error) {
        if (error.problem === undefined) {
          throw error;
        }
        await this.#refuse(id, number, error);
        return null;
      }
    });
    return this.queue;
  }

  async #refuse(id, number, { status, problem }) {
    const lines = Object.values(problem.errors ?? {}).flat();
    const words = `${say("refused")} ${problem.detail ?? say("notReached")}`;
    toast("danger", words, lines.filter((line) => line !== problem.detail));
    document.getElementById("alarm").textContent = [words, ...lines].join(" ");
    if (problem.code === "detection_changed" && id !== null) {
      this.store.mark(id, true);
      this.undoable = this.undoable.filter((each) => each.id !== id);
    }
    if (status === 409) {
      await this.store.ask({ whole: true });
    }
    this.dispatchEvent(new CustomEvent("refused", { detail: { id, number } }));
  }
}
