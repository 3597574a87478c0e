// The page of one field: brings its parts together, and gives every key its meaning.

import { isTyping } from "../viewer.js";
import { announce, say, setTexts, toast } from "../workspace/words.js";
import { Commands } from "./commands.js";
import { DuplicateDialog } from "./duplicate.js";
import { Editor } from "./editor.js";
import { Groups } from "./groups.js";
import { boxName, List } from "./list.js";
import { Overlay } from "./overlay.js";
import { Panel } from "./panel.js";
import { centre, openPicture, showAll, showImage, zoom } from "./picture.js";
import { Store } from "./store.js";

const config = JSON.parse(document.getElementById("field-data").textContent);
setTexts(config.texts);
const store = new Store(config);
const viewer = openPicture(document.getElementById("field-picture"), config, config.texts);
const overlay = new Overlay(viewer, store);
const commands = new Commands(store, config);
const editor = new Editor(viewer, overlay, store, commands, config);
const list = new List(store);
const panel = new Panel(store, config);
new Groups(store, config);
const duplicate = new DuplicateDialog(store, commands, config);
const keys = document.getElementById("keys");

// --- choosing a box -----------------------------------------------------------------------------
function choose(id, { near = false, tell = true } = {}) {
  const box = store.boxes.get(id);
  overlay.chosen = box ? id : null;
  overlay.later();
  list.choose(overlay.chosen);
  panel.show(overlay.chosen);
  if (box) {
    centre(viewer, box, { near });
    if (tell) {
      announce(boxName(store, box));
    }
  }
}

/** The nearest shown box in a direction; from nothing, the one nearest to the middle of the picture. */
function neighbour(dx, dy) {
  const from = store.boxes.get(overlay.chosen);
  const [left, top, right, bottom] = overlay.rectangle();
  const x = from ? from.left + from.width / 2 : (left + right) / 2;
  const y = from ? from.top + from.height / 2 : (top + bottom) / 2;
  let found = null;
  let least = Infinity;
  for (const box of store.boxes.values()) {
    if (box === from || !store.isShown(box)) {
      continue;
    }
    const away = [box.left + box.width / 2 - x, box.top + box.height / 2 - y];
    const along = away[0] * dx + away[1] * dy;
    const aside = Math.abs(away[0] * dy) + Math.abs(away[1] * dx);
    const far = from ? along + 2 * aside : Math.hypot(...away);
    if ((!from || along > 0) && far < least) {
      [found, least] = [box, far];
    }
  }
  return found;
}

viewer.addHandler("canvas-click", (event) => {
  event.preventDefaultAction = true;
  if (event.quick && !editor.mode) {
    viewer.canvas.focus({ preventScroll: true });
    choose(overlay.at(event.position)?.id ?? null);
  }
});
viewer.addHandler("canvas-double-click", (event) => {
  const box = overlay.at(event.position);
  if (box && !editor.mode) {
    choose(box.id, { near: true });
  }
});
list.addEventListener("chosen", (event) => choose(event.detail, { tell: false }));

// --- the picture, as soon as it is there --------------------------------------------------------
const stage = document.getElementById("field-stage");
let opened = false;
viewer.addHandler("open", () => {
  stage.classList.add("is-open");
  store.look(overlay.rectangle());
  if (config.chosen && !overlay.chosen) {
    arrive();
  }
});
viewer.addHandler("open-failed", () => {
  stage.classList.add("is-broken");
});
viewer.addHandler("animation-finish", () => store.look(overlay.rectangle()));

/** The cell the address asks for, from near. */
function arrive() {
  if (store.boxes.has(config.chosen)) {
    choose(config.chosen, { near: true });
    config.chosen = null;
  } else if (config.chosenBox) {
    centre(viewer, config.chosenBox, { near: true }); // its neighbourhood is fetched next
  }
}

function follow() {
  const { picture, search } = store.state;
  if (!opened && picture.state === "done") {
    opened = true;
    showImage(viewer, config);
  }
  for (const [name, work] of Object.entries({ picture, search })) {
    const box = document.querySelector(`[data-progress="${name}"]`);
    const busy = ["queued", "processing"].includes(work.state);
    box.hidden = work.state === "done";
    const bar = box.querySelector("progress");
    bar.hidden = !busy;
    bar.value = work.progress;
    box.querySelector("[data-progress-words]").textContent = busy ? say(`${name}Busy`, { percent: work.progress }) : (work.failure ?? "");
    box.classList.toggle("is-failed", work.state === "failed");
    const again = box.querySelector("form");
    if (again) {
      again.hidden = work.state !== "failed";
    }
  }
  document.getElementById("field-empty").hidden = search.state !== "done" || store.total > 0;
}
store.addEventListener("state", () => {
  follow();
  permit();
  if (store.state.search.state === "done") {
    announce(say("searched", { count: store.total }));
  }
});
store.addEventListener("asked", () => {
  const waiting = document.getElementById("boxes-waiting");
  waiting.hidden = !store.waiting;
  waiting.textContent = say("naming", { count: store.waiting });
  document.getElementById("field-partial").hidden = !store.partial || store.boxes.size >= store.total;
  document.getElementById("field-empty").hidden = store.state.search.state !== "done" || store.total > 0;
});
store.addEventListener("boxes", () => {
  if (overlay.chosen && !store.partial && !store.boxes.has(overlay.chosen)) {
    choose(null);
  } else if (overlay.chosen) {
    panel.show(overlay.chosen);
  } else if (config.chosen && store.boxes.has(config.chosen) && stage.classList.contains("is-open")) {
    arrive();
  }
});
store.addEventListener("permission", permit);
store.addEventListener("others", () => {
  toast("info", say("othersChanged"));
  announce(say("othersChanged"));
});

// --- what was done ------------------------------------------------------------------------------
commands.addEventListener("done", (event) => {
  if (store.boxes.has(event.detail.id)) {
    choose(event.detail.id, { tell: false });
    panel.show(event.detail.id, { again: true });
  }
});
commands.addEventListener("refused", (event) => {
  if (event.detail.id !== null) {
    panel.show(event.detail.id, { again: true });
  }
});

function permit() {
  for (const button of document.querySelectorAll("[data-corrects]")) {
    const tooEarly = button.dataset.command === "draw" && store.state.search.state !== "done";
    button.disabled = !store.mayCorrect || tooEarly;
  }
  if (overlay.chosen) {
    panel.show(overlay.chosen, { again: true });
  }
}

// --- buttons ------------------------------------------------------------------------------------
function withChosen(act) {
  return () => {
    const box = store.boxes.get(overlay.chosen);
    if (box) {
      act(box);
    } else {
      announce(say("chooseFirst"));
    }
  };
}

const COMMANDS = {
  draw: () => {
    if (editor.mode === "draw") {
      editor.cancel();
    } else if (store.state.search.state === "done") {
      editor.draw();
    }
  },
  save: () => editor.save(),
  cancel: () => editor.cancel(),
  undo: () => commands.undo(),
  help: () => keys.showModal(),
  "zoom-in": () => zoom(viewer, 1),
  "zoom-out": () => zoom(viewer, -1),
  "show-all": () => showAll(viewer),
  near: withChosen((box) => centre(viewer, box, { near: true })),
  fix: withChosen((box) => {
    if (store.mayCorrect && box.excluded !== "removed") {
      centre(viewer, box, { near: true });
      editor.fix(box);
      viewer.canvas.focus({ preventScroll: true });
    }
  }),
  remove: withChosen((box) => box.excluded !== "removed" && commands.remove(box.id)),
  restore: withChosen((box) => commands.restore(box.id)),
  duplicate: withChosen((box) => duplicate.open(box)),
  unmark: withChosen((box) => commands.unmarkDuplicate(box.id)),
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-command]");
  if (button && !button.disabled) {
    COMMANDS[button.dataset.command](button);
    if (button.dataset.command === "draw") {
      viewer.canvas.focus({ preventScroll: true });
    }
  }
});
document.querySelector('[data-chosen="kind"]')?.addEventListener("change", (event) => {
  commands.changeKind(overlay.chosen, event.target.value);
});
editor.addEventListener("mode", () => {
  if (editor.mode) {
    stage.scrollIntoView({ block: "nearest" }); // on a phone the buttons are far from the picture
  }
  const button = document.querySelector('[data-command="draw"]');
  button?.setAttribute("aria-pressed", String(editor.mode === "draw"));
  button?.classList.toggle("active", editor.mode === "draw");
});

// --- keys ---------------------------------------------------------------------------------------
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const KEYS = {
  n: COMMANDS.draw,
  e: COMMANDS.fix,
  u: COMMANDS.undo,
  h: () => panel.viewer?.toggleHeatmap(),
  "+": COMMANDS["zoom-in"],
  "-": COMMANDS["zoom-out"],
  0: COMMANDS["show-all"],
  z: COMMANDS.near,
  "?": COMMANDS.help,
  delete: COMMANDS.remove,
  backspace: COMMANDS.remove,
};

document.addEventListener("keydown", (event) => {
  const target = event.target;
  const aside = event.altKey || event.defaultPrevented || document.querySelector("dialog[open]") || isTyping(target);
  if (aside) {
    return;
  }
  const onPicture = target === document.body || viewer.element.contains(target);
  if ((onPicture || event.key === "Escape") && editor.key(event)) {
    event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey) {
    return;
  }
  if (event.key in ARROWS && onPicture) {
    const next = neighbour(...ARROWS[event.key]);
    if (next) {
      choose(next.id);
    }
  } else if (event.key === "Escape" && overlay.chosen) {
    choose(null);
  } else if (KEYS[event.key.toLowerCase()]) {
    if (["n", "e"].includes(event.key.toLowerCase())) {
      viewer.canvas.focus({ preventScroll: true });
    }
    KEYS[event.key.toLowerCase()]();
  } else {
    return;
  }
  event.preventDefault();
});

permit();
follow();
store.ask().then(() => {
  follow();
  if (config.chosen && stage.classList.contains("is-open") && !overlay.chosen) {
    arrive();
  }
});
