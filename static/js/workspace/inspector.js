// The right pane: one cell from near, fetched a moment after the reader has stopped on it.

import { Viewer } from "../viewer.js";

const PAUSE_MS = 90;

export class Inspector {
  constructor(store, gallery, config) {
    this.store = store;
    this.gallery = gallery;
    this.config = config;
    this.pane = document.getElementById("inspector");
    gallery.addEventListener("activated", (event) => this.#later(event.detail, PAUSE_MS));
  }

  #later(id, pause) {
    clearTimeout(this.timer);
    this.wanted = id;
    this.pane.setAttribute("aria-busy", "true");
    this.timer = setTimeout(() => this.show(id), pause);
  }

  /** Fetch the shown cell anew when it is among these. */
  refresh(ids) {
    if (ids.includes(this.wanted)) {
      this.#later(this.wanted, 0);
    }
  }

  async show(id) {
    this.request?.abort();
    if (id === null) {
      return;
    }
    this.request = new AbortController();
    try {
      const answer = await fetch(this.config.urls.inspector.replace("/0/", `/${id}/`), {
        headers: { "X-Requested-With": "fetch" },
        signal: this.request.signal,
      });
      if (!answer.ok || answer.redirected) {
        return;
      }
      const place = this.pane.parentElement.scrollTop;
      const held = this.pane.contains(document.activeElement) ? document.activeElement.id : "";
      // The server's own page, as htmx would put it in.
      this.pane.innerHTML = await answer.text();
      window.htmx?.process(this.pane);
      this.viewer = new Viewer(this.pane);
      if (this.shown === id) {
        this.pane.parentElement.scrollTop = place;
      }
      this.shown = id;
      if (held) {
        document.getElementById(held)?.focus();
      }
      this.pane.removeAttribute("aria-busy");
    } catch (error) {
      if (error.name !== "AbortError") {
        this.pane.removeAttribute("aria-busy");
      }
    }
  }
}
