// The cell page: its viewer, and the keys for it.

import { Viewer, isTyping } from "./viewer.js";

const viewer = new Viewer(document);
const KEYS = { h: () => viewer.toggleHeatmap(), "+": () => viewer.zoom(1), "-": () => viewer.zoom(-1) };

document.addEventListener("keydown", (event) => {
  const act = KEYS[event.key.toLowerCase()];
  if (act && !isTyping(event.target) && !event.ctrlKey && !event.metaKey && !event.altKey) {
    act();
  }
});
