// The boxes as a list of buttons: what a screen reader reads, and a way to find a number.

import { percent, say, dot } from "../workspace/words.js";

const PAGE = 100;

/** "12 · Neutrophil, 97.3 %" as it is called everywhere on the page. */
export function boxName(store, box) {
  const named = box.cell?.order ? store.byOrder.get(box.cell.order).name : say(`kind_${box.kind}`);
  return `${box.number} · ${named}`;
}

function describe(store, box) {
  const parts = [];
  if (box.cell && box.cell.work !== "done") {
    parts.push(say(box.cell.work));
  } else if (box.cell && box.cell.confidence !== null && ["unreviewed", "needs_review"].includes(box.cell.review)) {
    parts.push(percent(box.cell.confidence));
  }
  if (box.cell?.review === "needs_review") {
    parts.push(say("needsReview"));
  }
  if (box.excluded) {
    parts.push(say(`excluded_${box.excluded}`));
  } else if (box.edges.length) {
    parts.push(say("atEdge"));
  }
  if (box.drawn) {
    parts.push(say("drawn"));
  }
  return parts.join(", ");
}

export class List extends EventTarget {
  constructor(store) {
    super();
    this.store = store;
    this.list = document.getElementById("box-list");
    this.foot = document.getElementById("box-pages");
    this.page = 0;
    this.list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) {
        this.dispatchEvent(new CustomEvent("chosen", { detail: Number(button.dataset.box) }));
      }
    });
    this.foot.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) {
        this.page += Number(button.dataset.step);
        this.draw();
      }
    });
    store.addEventListener("boxes", () => this.draw());
  }

  choose(id) {
    this.chosen = id;
    const place = this.store.shown().findIndex((box) => box.id === id);
    if (place >= 0) {
      this.page = Math.floor(place / PAGE);
    }
    this.draw();
    this.list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  draw() {
    const shown = this.store.shown();
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    this.page = Math.max(0, Math.min(this.page, pages - 1));
    const held = this.list.contains(document.activeElement) ? document.activeElement.dataset.box : null;
    this.list.replaceChildren(
      ...shown.slice(this.page * PAGE, (this.page + 1) * PAGE).map((box) => {
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        button.className = "box-row";
        button.dataset.box = box.id;
        const name = document.createElement("span");
        name.textContent = boxName(this.store, box);
        const more = document.createElement("small");
        more.textContent = describe(this.store, box);
        button.append(dot(this.store.colour(box)), name, more);
        if (box.id === this.chosen) {
          button.setAttribute("aria-current", "true");
        }
        item.append(button);
        return item;
      }),
    );
    if (held) {
      this.list.querySelector(`[data-box="${held}"]`)?.focus({ preventScroll: true });
    }
    this.foot.hidden = pages === 1;
    this.foot.querySelector("[data-page-words]").textContent = say("page", { page: this.page + 1, pages });
    this.foot.querySelector('[data-step="-1"]').disabled = this.page === 0;
    this.foot.querySelector('[data-step="1"]').disabled = this.page === pages - 1;
    document.getElementById("boxes-found").textContent = say("shown", { count: shown.length, total: this.store.total });
  }
}
