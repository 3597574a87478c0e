// What comes from the server by itself: the rest of the cells, and what others do meanwhile.

import { announce, say, toast } from "./words.js";

/** Fetch all cells, page by page, in reading order. */
export async function stream(store, config, from) {
  let place = from;
  try {
    while (place !== null) {
      const answer = await fetch(`${config.urls.cells}?from=${encodeURIComponent(place)}`, {
        headers: { Accept: "application/json" },
      });
      if (!answer.ok) {
        throw new Error(String(answer.status));
      }
      const page = await answer.json();
      store.take(page.cells);
      place = page.next;
    }
    store.complete = true;
    store.dispatchEvent(new CustomEvent("cells", { detail: [] }));
  } catch {
    toast("danger", say("loadFailed"));
  }
}

export class Feed extends EventTarget {
  constructor(store, config) {
    super();
    this.store = store;
    this.config = config;
    this.status = config.status;
    this.lastNumber = config.lastNumber;
    document.addEventListener("visibilitychange", () => this.#wake());
    this.#later();
  }

  #later() {
    clearTimeout(this.timer);
    if (!document.hidden) {
      this.timer = setTimeout(() => this.ask(), this.config.pollMilliseconds);
    }
  }

  #wake() {
    clearTimeout(this.timer);
    if (!document.hidden) {
      this.ask();
    }
  }

  /** Ask what changed; asks again by itself while the page is in sight. */
  async ask() {
    if (this.asking) {
      return;
    }
    this.asking = true;
    try {
      let more = true;
      while (more) {
        const answer = await fetch(`${this.config.urls.changes}?since=${this.store.revision}`, {
          headers: { Accept: "application/json" },
        });
        if (!answer.ok) {
          break;
        }
        const changes = await answer.json();
        this.#take(changes);
        more = changes.more;
      }
    } catch {
      // The next question may reach the server again.
    } finally {
      this.asking = false;
      this.#later();
    }
  }

  #take(changes) {
    this.store.revision = Math.max(this.store.revision, changes.revision);
    const changed = new Set(this.store.learn(changes.cells));
    this.store.setCounts(changes.counts);
    const others = changes.cells.filter(
      (cell) => changed.has(cell.id) && cell.corrected_by !== null && cell.corrected_by !== this.config.me,
    );
    if (others.length) {
      this.store.mark(others.map((cell) => cell.id));
      const people = [...new Set(others.map((cell) => cell.corrected_by))].join(", ");
      const words = say("othersChanged", { who: people, count: others.length });
      announce(words);
      toast("info", words);
    }
    if (changed.size) {
      this.dispatchEvent(new CustomEvent("changed", { detail: [...changed] }));
    }
    if (changes.last_number !== this.lastNumber) {
      this.lastNumber = changes.last_number;
      stream(this.store, this.config, "");
    }
    if (changes.status !== this.status) {
      const frozen = changes.status === "signed_off";
      if (frozen !== (this.status === "signed_off")) {
        this.store.setMayCorrect(!frozen && this.config.mayCorrectOpen);
        toast(frozen ? "warning" : "info", say(frozen ? "frozen" : "reopened"));
        announce(say(frozen ? "frozen" : "reopened"));
      }
      this.status = changes.status;
      this.dispatchEvent(new CustomEvent("status"));
    }
  }
}
