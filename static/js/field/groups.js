// Left of the picture: every class with its number of cells; each is a switch.

import { dot, say } from "../workspace/words.js";

export class Groups {
  constructor(store, config) {
    this.store = store;
    this.config = config;
    this.list = document.getElementById("box-groups");
    this.list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) {
        store.toggle(button.dataset.group);
      }
    });
    store.addEventListener("boxes", () => this.draw());
    store.addEventListener("asked", () => this.draw());
  }

  #name(group) {
    const named = this.store.byOrder.get(Number(group));
    return named ? [named.name, named.color] : [say(`group_${group}`), this.config.colors[group] ?? "#7a8699"];
  }

  draw() {
    const held = this.list.contains(document.activeElement) ? document.activeElement.dataset.group : null;
    this.list.replaceChildren(
      ...this.store.groups.map(([group, count]) => {
        const [name, colour] = this.#name(group);
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        button.className = "box-group";
        button.dataset.group = group;
        button.setAttribute("aria-pressed", String(!this.store.hidden.has(group)));
        const words = document.createElement("span");
        words.textContent = name;
        const number = document.createElement("strong");
        number.textContent = count;
        button.append(dot(colour), words, number);
        item.append(button);
        return item;
      }),
    );
    if (held) {
      this.list.querySelector(`[data-group="${held}"]`)?.focus({ preventScroll: true });
    }
  }
}
