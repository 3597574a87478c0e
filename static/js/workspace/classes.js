// The left pane: live numbers by class. Counts move at once, shares follow with the server's answer.

import { decimal, say } from "./words.js";

export class Classes {
  constructor(store, gallery) {
    this.store = store;
    this.gallery = gallery;
    this.pane = document.querySelector(".pane-classes");
    store.addEventListener("counts", () => this.draw());
    gallery.addEventListener("filtered", () => this.#press());
    this.pane.addEventListener("click", (event) => {
      const row = event.target.closest(".class-row");
      if (row && !row.dataset.dropped) {
        this.#choose(row);
      }
    });
    this.draw();
    this.#press();
  }

  #choose(row) {
    const { filter } = this.gallery;
    const show = document.getElementById("gallery-show");
    if (row.dataset.filter === "all") {
      show.value = "";
      document.getElementById("gallery-search").value = "";
      this.gallery.setFilter({ order: null, show: "", search: "" });
    } else if (row.dataset.filter === "queue") {
      show.value = "review";
      this.gallery.setFilter({ order: null, show: "review" });
    } else {
      const order = Number(row.dataset.order);
      this.gallery.setFilter({ order: filter.order === order ? null : order });
    }
  }

  #press() {
    const { filter } = this.gallery;
    for (const row of this.pane.querySelectorAll(".class-row")) {
      let pressed = filter.order !== null && Number(row.dataset.order) === filter.order && row.dataset.order !== undefined;
      if (row.dataset.filter === "all") {
        pressed = filter.order === null && filter.show === "" && !filter.search;
      } else if (row.dataset.filter === "queue") {
        pressed = filter.order === null && filter.show === "review";
      }
      row.setAttribute("aria-pressed", String(pressed));
    }
  }

  draw() {
    const { counts } = this.store;
    const change = this.store.difference();
    const changeOf = (order) => change.orders.get(order) ?? { count: 0, review: 0 };
    let named = 0;
    let leukocytes = 0;
    for (const each of counts.classes) {
      const { order, counted } = this.store.byCode.get(each.code);
      const row = this.pane.querySelector(`[data-class="${each.code}"]`);
      const count = each.count + changeOf(order).count;
      const review = each.needs_review + changeOf(order).review;
      named += count;
      leukocytes += counted ? count : 0;
      row.querySelector("[data-count]").textContent = String(count);
      const mark = row.querySelector("[data-review]");
      mark.hidden = review <= 0;
      mark.querySelector("[data-review-count]").textContent = String(review);
      row.parentElement.classList.toggle("class-row-rare", count === 0 && row.parentElement.hasAttribute("data-rare"));
      const share = row.querySelector("[data-share]");
      share.classList.toggle("is-settling", change.any);
      if (!change.any) {
        this.#share(share, each, counts);
      }
    }
    this.pane.querySelector("[data-total]").textContent = String(counts.total);
    this.pane.querySelector("[data-unnamed]").textContent = String(counts.total - named);
    const waiting = counts.needs_review + change.review;
    this.pane.querySelector("[data-needs-review]").textContent = String(waiting);
    const reviewed = counts.reviewed + change.reviewed;
    const bar = document.getElementById("review-progress");
    bar.max = Math.max(1, reviewed + waiting);
    bar.value = reviewed;
    this.pane.querySelector("[data-reviewed]").textContent = `${reviewed} / ${reviewed + waiting}`;
    document.getElementById("limited-badge").hidden = leukocytes >= 100;
    this.pane.querySelector("[data-limited]").textContent = say("limited", { total: leukocytes });
  }

  #share(share, each, counts) {
    let numbers = null;
    let unit = " %";
    if (each.percent !== null) {
      numbers = [each.percent, each.ci_low, each.ci_high];
    } else if (each.group === "erythroblast" && counts.nrbc_per_100_wbc !== null) {
      numbers = [counts.nrbc_per_100_wbc, counts.nrbc_ci_low, counts.nrbc_ci_high];
      unit = ` /100 ${say("wbc")}`;
    }
    if (numbers === null) {
      if (each.counted) {
        share.textContent = "–";
      }
      return;
    }
    const interval = document.createElement("span");
    interval.className = "text-secondary";
    interval.textContent = `(${decimal(numbers[1])} – ${decimal(numbers[2])})`;
    share.replaceChildren(`${decimal(numbers[0])}${unit} `, interval);
  }
}
