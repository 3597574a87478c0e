// The menu of the chosen cells: classes, confirm, flag. Opened by the mouse's right button, a long
// touch, Shift+F10 or the toolbar; on a phone it lies at the bottom of the screen.

import { dot, icon, say } from "./words.js";

const MARGIN = 8;

export class Menu {
  constructor(store, gallery, commands, comment, config) {
    this.store = store;
    this.gallery = gallery;
    this.commands = commands;
    this.comment = comment;
    this.config = config;
    this.box = document.getElementById("cell-menu");
    this.box.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("pointerdown", (event) => {
      if (!this.box.hidden && !this.box.contains(event.target)) {
        this.close(false);
      }
    });
    window.addEventListener("resize", () => this.close(false));
  }

  get isOpen() {
    return !this.box.hidden;
  }

  /** Open at a point of the window; without one below the active cell. */
  open(point) {
    const ids = this.gallery.targets();
    if (!ids.length) {
      return;
    }
    this.ids = ids;
    this.box.setAttribute("aria-label", say("menuFor", { count: ids.length }));
    this.box.replaceChildren(...this.#items());
    this.box.hidden = false;
    const card = document.getElementById(`cell-${this.gallery.active}`)?.getBoundingClientRect();
    const x = point?.x ?? card?.left ?? window.innerWidth / 2;
    const y = point?.y ?? (card ? card.top + card.height / 2 : window.innerHeight / 2);
    const { width, height } = this.box.getBoundingClientRect();
    this.box.style.left = `${Math.max(MARGIN, Math.min(x, window.innerWidth - width - MARGIN))}px`;
    this.box.style.top = `${Math.max(MARGIN, Math.min(y, window.innerHeight - height - MARGIN))}px`;
    this.box.firstElementChild.focus();
  }

  #items() {
    const items = [];
    const add = (label, act, { keys = "", picture = null, ruled = false } = {}) => {
      const item = document.createElement("button");
      item.type = "button";
      item.className = `cell-menu-item${ruled ? " is-ruled" : ""}`;
      item.setAttribute("role", "menuitem");
      item.tabIndex = -1;
      const words = document.createElement("span");
      words.textContent = label;
      const key = document.createElement("kbd");
      key.textContent = keys;
      key.setAttribute("aria-hidden", "true");
      item.append(...(picture ? [picture] : []), words, ...(keys ? [key] : []));
      item.addEventListener("click", () => {
        this.close();
        act();
      });
      items.push(item);
    };
    const { sprite } = this.config;
    if (this.store.mayCorrect) {
      const flagged = this.ids.every((id) => this.store.cell(id)?.flagged);
      add(say("confirm"), () => this.commands.correct(this.ids, null), { keys: "Enter", picture: icon(sprite, "check") });
      add(say(flagged ? "lowerFlag" : "flag"), () => this.commands.flag(this.ids), { keys: "F", picture: icon(sprite, "flag") });
      add(say("withComment"), () => this.comment.open(), { keys: "C", picture: icon(sprite, "message") });
      this.store.classes.forEach((each, index) => {
        const options = { keys: each.keys[0].toUpperCase(), picture: dot(each.color), ruled: index === 0 };
        add(each.name, () => this.commands.correct(this.ids, each.order), options);
      });
    }
    add(say("selectGroup"), () => this.gallery.selectGroup(), { ruled: true, picture: icon(sprite, "stack-2") });
    const page = this.config.urls.page.replace("/0/", `/${this.gallery.active}/`);
    add(say("openPage"), () => window.location.assign(page), { picture: icon(sprite, "photo") });
    return items;
  }

  #key(event) {
    const items = [...this.box.children];
    const here = items.indexOf(document.activeElement);
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      items[(to + items.length) % items.length].focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      this.close();
    }
    event.stopPropagation();
  }

  close(giveFocusBack = true) {
    if (!this.box.hidden) {
      this.box.hidden = true;
      if (giveFocusBack) {
        this.gallery.window.focus({ preventScroll: true });
      }
    }
  }
}
