// Right of the picture: the chosen cell from near, what can be done to it, and what was done.

import { Viewer } from "../viewer.js";
import { say } from "../workspace/words.js";
import { boxName } from "./list.js";

const PAUSE_MS = 120;

export class Panel {
  constructor(store, config) {
    this.store = store;
    this.config = config;
    this.pane = document.getElementById("inspector");
    this.head = document.getElementById("chosen");
    this.history = document.getElementById("chosen-history");
    this.shownCell = null;
  }

  /** Show a box; `again` fetches what is shown already. */
  show(id, { again = false } = {}) {
    const box = this.store.boxes.get(id);
    this.head.hidden = !box;
    document.getElementById("nothing-chosen").hidden = Boolean(box);
    if (!box) {
      this.shown = null;
      this.shownCell = null;
      this.pane.replaceChildren();
      return;
    }
    this.#head(box);
    const key = `${id} ${box.version} ${box.cell?.work} ${box.cell?.review} ${box.cell?.order}`;
    if (key !== this.shown || again) {
      this.shown = key;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#fetch(box), PAUSE_MS);
    }
  }

  #head(box) {
    const may = this.store.mayCorrect;
    const part = (name) => this.head.querySelector(`[data-chosen="${name}"]`);
    part("name").textContent = boxName(this.store, box);
    part("state").textContent = box.excluded ? say(`excluded_${box.excluded}`) : "";
    part("state").hidden = !box.excluded;
    part("edges").textContent = box.edges.length ? say("cutBy", { edges: box.edges.map((each) => say(each)).join(", ") }) : "";
    part("edges").hidden = !box.edges.length;
    part("drawn").hidden = !box.drawn;
    const link = part("workspace");
    link.hidden = !box.cell;
    if (box.cell) {
      link.href = `${this.config.urls.workspace}?cell=${box.cell.number}`;
    }
    const shown = {
      fix: box.excluded !== "removed",
      remove: box.excluded !== "removed",
      restore: box.excluded === "removed",
      duplicate: this.config.fields.length > 0 && ["", "border"].includes(box.excluded),
      unmark: box.excluded === "duplicate",
    };
    for (const [name, wanted] of Object.entries(shown)) {
      const button = part(name);
      if (button) {
        button.hidden = !wanted || !may;
      }
    }
    const kind = part("kind");
    if (kind) {
      kind.value = box.kind;
      kind.disabled = !may || box.excluded === "removed";
    }
  }

  async #fetch(box) {
    this.request?.abort();
    this.request = new AbortController();
    const { signal } = this.request;
    try {
      await Promise.all([this.#inspect(box, signal), this.#tell(box, signal)]);
    } catch (error) {
      if (error.name !== "AbortError") {
        this.shown = null; // the next look tries again
      }
    }
  }

  async #inspect(box, signal) {
    if (!box.cell) {
      this.pane.replaceChildren();
      this.shownCell = null;
      return;
    }
    const answer = await fetch(this.config.urls.inspector.replace("/0/", `/${box.cell.id}/`), {
      headers: { "X-Requested-With": "fetch" },
      signal,
    });
    if (answer.ok && !answer.redirected) {
      this.pane.innerHTML = await answer.text(); // the server's own page, as htmx would put it in
      window.htmx?.process(this.pane);
      this.viewer = new Viewer(this.pane);
      this.shownCell = box.cell.id;
    }
  }

  /** What reviewers did to the box, the latest first. */
  async #tell(box, signal) {
    const answer = await fetch(`${this.config.urls.detection.replace("/0/", `/${box.id}/`)}corrections/`, {
      headers: { Accept: "application/json" },
      signal,
    });
    const rows = answer.ok ? (await answer.json()).results : [];
    const when = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    this.history.replaceChildren(
      ...rows.map((row) => {
        const item = document.createElement("li");
        const what = document.createElement("strong");
        what.textContent = say(`did_${row.action}`);
        const who = document.createElement("span");
        who.className = "text-secondary";
        who.textContent = ` ${row.made_by} · ${when.format(new Date(row.made_at))}`;
        item.append(what, who);
        if (row.comment) {
          const note = document.createElement("div");
          note.textContent = row.comment;
          item.append(note);
        }
        return item;
      }),
    );
    this.history.parentElement.hidden = rows.length === 0;
  }
}
