// One cell of the gallery: its picture, the numbers and marks below it, and its words for who hears it.

import { dot, icon, percent, say } from "./words.js";

const STATES = { needs_review: "needsReview", confirmed: "confirmed", corrected: "corrected" };

/** An empty card; the gallery places it and fetches its picture. */
export function newCard(id) {
  const card = document.createElement("div");
  card.id = `cell-${id}`;
  card.className = "cell-tile";
  card.dataset.cell = String(id);
  card.setAttribute("role", "option");
  const photo = document.createElement("img");
  photo.alt = "";
  photo.draggable = false;
  photo.decoding = "async";
  const foot = document.createElement("div");
  foot.className = "cell-tile-foot";
  foot.setAttribute("aria-hidden", "true"); // the words say it
  const words = document.createElement("span");
  words.className = "visually-hidden";
  card.append(photo, words, foot);
  return card;
}

/** What a card says to a screen reader. */
export function describe(cell, { cellClass, marked }) {
  const words = [say("cell", { number: cell.number }), cellClass?.name ?? say("unnamed")];
  if (cell.confidence !== null) {
    words.push(percent(cell.confidence));
  }
  if (STATES[cell.review]) {
    words.push(say(STATES[cell.review]));
  }
  for (const [yes, name] of [[cell.flagged, "flagged"], [cell.unfamiliar, "unfamiliar"], [marked, "changedByOther"]]) {
    if (yes) {
      words.push(say(name));
    }
  }
  return words.join(", ");
}

/** What stands below a picture; `named` puts the class there, where the group does not say it. */
export function drawFoot(foot, cell, { cellClass, named, sprite }) {
  foot.replaceChildren();
  const strange = cell.unfamiliar && !cellClass;
  if (named) {
    const name = document.createElement("span");
    name.className = "cell-tile-name";
    const words = document.createElement("span");
    words.className = "text-truncate";
    words.textContent = cellClass?.name ?? say(strange ? "strange" : "unnamed");
    name.append(...(cellClass ? [dot(cellClass.color)] : []), words);
    foot.append(name);
  }
  const number = document.createElement("span");
  number.textContent = confidence(cell, strange);
  const marks = document.createElement("span");
  marks.className = "cell-tile-marks";
  if (cell.flagged) {
    marks.append(icon(sprite, "flag"));
  }
  if (cell.unfamiliar) {
    marks.append(icon(sprite, "help-circle"));
  }
  if (cell.review === "needs_review") {
    marks.classList.add("mark-review");
    marks.append(icon(sprite, "eye"));
  } else if (cell.review !== "unreviewed") {
    marks.classList.add("mark-done");
    marks.append(icon(sprite, cell.review === "corrected" ? "edit" : "check"));
  }
  foot.append(number, marks);
}

function confidence(cell, strange) {
  if (strange) {
    return say("strange"); // of a cell the model does not know, its confidence says nothing
  }
  if (cell.confidence === null || cell.work !== "done") {
    return say(cell.work === "failed" ? "failed" : "waiting");
  }
  return percent(cell.confidence);
}
