// The review workspace: brings its parts together, and gives every key its meaning.

import { isTyping } from "../viewer.js";
import { Classes } from "./classes.js";
import { Commands } from "./commands.js";
import { Comment } from "./comment.js";
import { Feed, stream } from "./feed.js";
import { Gallery } from "./gallery.js";
import { Inspector } from "./inspector.js";
import { Menu } from "./menu.js";
import { Pointer } from "./pointer.js";
import { Store } from "./store.js";
import { announce, say, setTexts } from "./words.js";

const SUMMARY_MS = 1200;
const workspace = document.getElementById("workspace");

/** The panes end where the window ends, however much stands above them: a note, a warning. */
function fit() {
  const top = workspace.getBoundingClientRect().top + window.scrollY;
  workspace.style.setProperty("--workspace-top", `${Math.round(top)}px`);
}
fit();
window.addEventListener("resize", fit);
const config = JSON.parse(document.getElementById("workspace-data").textContent);
setTexts(config.texts);

const store = new Store(config);
const gallery = new Gallery(store, config);
const commands = new Commands(store, gallery, config);
const inspector = new Inspector(store, gallery, config);
const comment = new Comment(store, gallery, commands);
const menu = new Menu(store, gallery, commands, comment, config);
const pointer = new Pointer(gallery, commands, menu);
new Classes(store, gallery);
const feed = new Feed(store, config);

const search = document.getElementById("gallery-search");
const show = document.getElementById("gallery-show");
const keys = document.getElementById("keys");
const byKey = new Map(config.classes.flatMap((each) => each.keys.map((key) => [key, each.order])));

// --- what the address asks for ----------------------------------------------------------------------
const asked = new URLSearchParams(window.location.search);
const askedClass = config.classes.find((each) => each.code === asked.get("class"));
/** A state the list offers; anything else shows them all. */
function askedState(name) {
  return [...show.options].some((each) => each.value === name) ? name : "";
}
gallery.setFilter({
  order: askedClass ? askedClass.order : asked.get("class") === "unnamed" ? 0 : null,
  show: asked.get("review") === "1" ? "review" : askedState(asked.get("show")),
});
show.value = gallery.filter.show;
gallery.activate(gallery.layout?.flat[0] ?? null);

/** The cell a field's page links to, as soon as it is there; true when there is nothing left to find. */
function findAsked() {
  const number = Number(asked.get("cell"));
  const found = number && [...store.shown.values()].find((cell) => cell.number === number);
  if (found && gallery.layout.places.has(found.id)) {
    asked.delete("cell"); // first: to activate is to arrange anew
    gallery.activate(found.id);
  }
  return !asked.has("cell");
}
if (!findAsked()) {
  const look = () => findAsked() && gallery.removeEventListener("arranged", look);
  gallery.addEventListener("arranged", look);
}
if (config.seed.next === null) {
  store.complete = true;
} else {
  stream(store, config, config.seed.next).then(() => {
    if (gallery.active === null) {
      gallery.activate(gallery.layout.flat[0] ?? null);
    }
  });
}

// --- filters ------------------------------------------------------------------------------------------
search.addEventListener("input", () => gallery.setFilter({ search: search.value }));
show.addEventListener("change", () => gallery.setFilter({ show: show.value }));
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === "ArrowDown") {
    event.preventDefault();
    gallery.window.focus();
    gallery.activate(gallery.layout.flat[0] ?? null);
  } else if (event.key === "Escape") {
    search.value = "";
    gallery.setFilter({ search: "" });
    gallery.window.focus();
  }
});
gallery.addEventListener("filtered", () => {
  const query = new URLSearchParams();
  const { order, show: state } = gallery.filter;
  if (order !== null) {
    query.set("class", store.byOrder.get(order)?.code ?? "unnamed");
  }
  if (state === "review") {
    query.set("review", "1");
  } else if (state) {
    query.set("show", state);
  }
  const text = query.toString();
  window.history.replaceState(null, "", text ? `?${text}` : window.location.pathname);
  announce(say("found", { count: gallery.found }));
});

// --- the foot, and an empty gallery -------------------------------------------------------------------
function tell() {
  const chosen = gallery.selected.size;
  document.getElementById("gallery-found").textContent = say("found", { count: gallery.found });
  document.getElementById("gallery-selected").textContent = chosen ? say("selected", { count: chosen }) : "";
  const empty = document.getElementById("gallery-empty");
  const nothing = gallery.isEmpty && (store.complete || gallery.filter.show === "review");
  empty.hidden = !nothing;
  gallery.window.classList.toggle("is-empty", nothing);
  if (nothing) {
    const plain = gallery.filter.show === "review" && !gallery.filter.search && gallery.filter.order === null;
    empty.querySelector("[data-empty-words]").textContent = say(plain ? "queueDone" : "nothingFound");
  }
}
gallery.addEventListener("arranged", tell);
gallery.addEventListener("selected", tell);
tell();

// --- buttons ------------------------------------------------------------------------------------------
function showAll() {
  search.value = "";
  show.value = "";
  gallery.setFilter({ order: null, show: "", search: "" });
  gallery.window.focus();
}

const COMMANDS = {
  confirm: () => commands.correct(gallery.targets(), null),
  flag: () => commands.flag(gallery.targets()),
  undo: () => commands.undo(),
  comment: () => comment.open(),
  menu: (button) => {
    const { left, bottom } = button.getBoundingClientRect();
    menu.open({ x: left, y: bottom });
  },
  select: (button) => {
    pointer.several = !pointer.several;
    button.setAttribute("aria-pressed", String(pointer.several));
    button.classList.toggle("active", pointer.several);
  },
  help: () => keys.showModal(),
  "show-all": showAll,
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-command]");
  if (button) {
    COMMANDS[button.dataset.command](button);
  }
});
function permit() {
  for (const name of ["confirm", "flag", "comment", "undo", "menu", "select"]) {
    const button = document.querySelector(`[data-command="${name}"]`);
    if (button) {
      button.disabled = !store.mayCorrect && name !== "select";
    }
  }
}
store.addEventListener("permission", permit);
permit();

// --- keys ---------------------------------------------------------------------------------------------
const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);

/** What a key means anywhere on the page; true when it meant something. */
function anywhere(event) {
  const key = event.key.toLowerCase();
  if (key === "?") {
    keys.showModal();
  } else if (key === "/") {
    search.focus();
    search.select();
  } else if (key === "h") {
    inspector.viewer?.toggleHeatmap();
  } else if (key === "+" || key === "-") {
    inspector.viewer?.zoom(key === "+" ? 1 : -1);
  } else if (key === "u") {
    commands.undo();
  } else if (key === "f") {
    commands.flag(gallery.targets());
  } else if (key === "c") {
    comment.open();
  } else if (byKey.has(key)) {
    commands.correct(gallery.targets(), byKey.get(key));
  } else {
    return false;
  }
  return true;
}

/** What a key means while the gallery has the focus, or nothing has. */
function inGallery(event) {
  if (MOVES.has(event.key)) {
    gallery.move(event.key, event.shiftKey);
  } else if (event.key === "Enter") {
    commands.correct(gallery.targets(), null);
  } else if (event.key === " ") {
    gallery.activate(gallery.active, { toggle: true });
  } else if (event.key === "Escape") {
    gallery.selectMany([]);
  } else if (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey)) {
    menu.open();
    return true; // the focus is in the menu now
  } else {
    return false;
  }
  gallery.window.focus({ preventScroll: true });
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.defaultPrevented || menu.isOpen || document.querySelector("dialog[open]") || isTyping(event.target)) {
    return;
  }
  const here = event.target === document.body || gallery.window.contains(event.target);
  if (event.ctrlKey || event.metaKey) {
    if (event.key.toLowerCase() === "a" && here) {
      gallery.selectGroup();
      event.preventDefault();
    }
    return;
  }
  if ((here && inGallery(event)) || anywhere(event)) {
    event.preventDefault();
  }
});

// --- what else has to follow ----------------------------------------------------------------------------
let summaryTimer = null;

/** The differential and the panels follow once the reader pauses: they are read, not worked with. */
function renewSummary() {
  clearTimeout(summaryTimer);
  summaryTimer = setTimeout(() => {
    document.body.dispatchEvent(new CustomEvent("cellCorrected")); // panels of the left column listen
    window.htmx?.ajax("GET", config.urls.summary, { target: "#case-progress", swap: "outerHTML" });
  }, SUMMARY_MS);
}
commands.addEventListener("done", (event) => {
  inspector.refresh(event.detail);
  renewSummary();
});
commands.addEventListener("refused", (event) => {
  inspector.refresh(event.detail.ids);
  if (event.detail.status === 409) {
    feed.ask();
  }
});
feed.addEventListener("changed", (event) => {
  inspector.refresh(event.detail);
  renewSummary();
});
feed.addEventListener("status", renewSummary);
// While the model is at work its own progress tells that there is something to fetch.
document.body.addEventListener("cellsChanged", () => feed.ask());
