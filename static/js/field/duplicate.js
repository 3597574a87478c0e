// The dialog in which a cell is marked as one that another field shows already.

import { say } from "../workspace/words.js";

const MOST = 200;

export class DuplicateDialog {
  constructor(store, commands, config) {
    this.store = store;
    this.commands = commands;
    this.config = config;
    this.dialog = document.getElementById("duplicate");
    this.field = document.getElementById("duplicate-field");
    this.cells = document.getElementById("duplicate-cells");
    this.field?.addEventListener("change", () => this.#fetch());
    this.cells?.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) {
        this.dialog.close();
        this.commands.markDuplicate(this.box.id, Number(button.dataset.box));
      }
    });
  }

  open(box) {
    this.box = box;
    this.dialog.showModal();
    this.#fetch();
  }

  async #fetch() {
    this.cells.replaceChildren();
    const url = this.config.urls.otherBoxes.replace("/0/boxes/", `/${this.field.value}/boxes/`);
    const answer = await fetch(`${url}?kind=${this.box.kind}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) {
      return;
    }
    // Rows as the store reads them: key, number, kind, four sides, exclusion, ..., the cell last.
    const rows = (await answer.json()).boxes.filter((row) => row[7] === 0).slice(0, MOST);
    this.cells.replaceChildren(
      ...rows.map((row) => {
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        button.className = "btn duplicate-cell";
        button.dataset.box = row[0];
        if (row[12]) {
          const photo = document.createElement("img");
          photo.src = `${this.config.urls.photo.replace("/0/", `/${row[12][0]}/`)}?size=96`;
          photo.alt = "";
          photo.loading = "lazy";
          button.append(photo);
        }
        button.append(say("numbered", { number: row[1] }));
        item.append(button);
        return item;
      }),
    );
    document.getElementById("duplicate-none").hidden = rows.length > 0;
  }
}
