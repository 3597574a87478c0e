// Naming, confirming or flagging the chosen cells with a comment that their histories keep.

import { say } from "./words.js";

const CONFIRM = "confirm";
const FLAG = "flag";

export class Comment {
  constructor(store, gallery, commands) {
    this.store = store;
    this.gallery = gallery;
    this.commands = commands;
    this.dialog = document.getElementById("with-comment");
    this.form = this.dialog.querySelector("form");
    this.choice = this.form.elements.what;
    this.words = this.form.elements.comment;
    this.choice.addEventListener("change", () => this.#limit());
    this.form.addEventListener("submit", () => this.#act());
    this.dialog.addEventListener("click", (event) => event.target.closest("[data-dialog-close]") && this.dialog.close());
    this.words.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        this.form.requestSubmit();
      }
    });
    this.dialog.addEventListener("close", () => gallery.window.focus({ preventScroll: true }));
    // What was typed for a step that the server refused is there when the dialog opens again.
    commands.addEventListener("refused", (event) => {
      this.refused = event.detail.comment;
    });
  }

  open() {
    const ids = this.gallery.targets().filter((id) => this.store.cell(id));
    if (!ids.length || !this.commands.may()) {
      return;
    }
    // Words typed for other cells do not fit these; those of a refused step do.
    if (this.refused || ids.join() !== this.ids?.join()) {
      this.words.value = this.refused ?? "";
    }
    this.refused = "";
    this.ids = ids;
    const flagged = ids.every((id) => this.store.cell(id).flagged);
    const named = ids.every((id) => this.store.cell(id).order !== 0);
    const option = (value, label) => new Option(label, value);
    this.choice.replaceChildren(
      ...(named ? [option(CONFIRM, say("confirm"))] : []),
      option(FLAG, say(flagged ? "lowerFlag" : "flag")),
      ...this.store.classes.map((each) => option(String(each.order), each.name)),
    );
    this.dialog.querySelector("h2").textContent = say("menuFor", { count: ids.length });
    this.#limit();
    this.dialog.showModal();
    this.words.focus();
  }

  #limit() {
    const { choice, words } = this;
    words.maxLength = Number(choice.value === FLAG ? words.dataset.mostOfFlag : words.dataset.most);
  }

  #act() {
    const value = this.choice.value;
    const words = this.words.value.trim().slice(0, this.words.maxLength);
    this.words.value = "";
    if (value === FLAG) {
      this.commands.flag(this.ids, words);
    } else {
      this.commands.correct(this.ids, value === CONFIRM ? null : Number(value), words);
    }
  }
}
