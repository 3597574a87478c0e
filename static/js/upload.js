// The upload page: Dropzone takes files, folders and ZIPs and sends one file per request; every file
// shows its own progress and the server's own answer.

const form = document.getElementById("upload");
const texts = form.dataset;
const section = document.getElementById("answers-section");
const list = document.getElementById("answers");
const template = document.getElementById("upload-row");
const summary = document.getElementById("upload-summary");
const tally = { done: 0, total: 0, accepted: 0, duplicate: 0, rejected: 0 };
const SUMMARY_EVERY_MS = 1000;
let summaryTimer = null;

form.querySelector("[data-with-script]").hidden = false;
form.querySelector("[data-without-script]").remove();

function describe() {
  summaryTimer = null;
  const bar = summary.querySelector("progress");
  bar.hidden = false;
  bar.max = tally.total;
  bar.value = tally.done;
  summary.querySelector("[data-summary]").textContent = texts.textDone.replace(
    /\{(\w+)\}/g,
    (whole, name) => String(tally[name]),
  );
}

// Screen readers hear the summary now and then, not a thousand times.
function describeSoon() {
  if (tally.done === tally.total) {
    clearTimeout(summaryTimer);
    describe();
  } else {
    summaryTimer ??= setTimeout(describe, SUMMARY_EVERY_MS);
  }
}

function badge(color, text) {
  const element = document.createElement("span");
  element.className = `badge tone-${color}`;
  element.textContent = text;
  return element;
}

function addRow(file) {
  section.hidden = false;
  const row = template.content.firstElementChild.cloneNode(true);
  const name = file.fullPath || file.webkitRelativePath || file.name;
  row.querySelector("[data-name]").textContent = name;
  row.querySelector("[data-progress]").setAttribute("aria-label", name);
  row.querySelector("[data-answer]").textContent = texts.textWaiting;
  list.append(row);
  file.row = row;
  tally.total += 1;
  describeSoon();
}

function finishRow(file, ...badges) {
  file.row.querySelector("[data-answer]").replaceChildren(...badges);
  file.row.querySelector("[data-progress]").remove();
  tally.done += 1;
  describeSoon();
}

function showAnswers(file, results) {
  for (const result of results) {
    tally[result.outcome] += 1;
  }
  if (results.length === 1 && results[0].name === file.name) {
    finishRow(file, badge(results[0].color, results[0].message));
    return;
  }
  const entries = file.row.querySelector("[data-entries]");
  entries.hidden = false;
  for (const result of results) {
    const entry = document.createElement("li");
    entry.append(`${result.name} `, badge(result.color, result.message));
    entries.append(entry);
  }
  const accepted = results.filter((result) => result.outcome === "accepted").length;
  finishRow(file, badge(accepted === results.length ? "green" : "yellow", `${accepted} / ${results.length}`));
}

function showFailure(file, message, status) {
  let text = texts.textFailed;
  if (status === 403) {
    text = texts.textSession;
  } else if (message && typeof message === "object" && message.message) {
    text = message.message;
  }
  tally.rejected += 1;
  finishRow(file, badge("red", text));
}

window.Dropzone.autoDiscover = false;
const dropzone = new window.Dropzone(document.getElementById("drop-zone"), {
  url: form.action,
  paramName: "files",
  parallelUploads: Number(texts.parallel),
  maxFilesize: Number.POSITIVE_INFINITY, // the server decides and says why
  timeout: 0,
  createImageThumbnails: false,
  disablePreviews: true,
  clickable: "#choose-files",
  params: { kind: form.elements.kind.value },
  headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
});
dropzone.on("addedfile", addRow);
dropzone.on("sending", (file) => {
  file.row.querySelector("[data-answer]").textContent = texts.textSending;
});
dropzone.on("uploadprogress", (file, percent) => {
  const bar = file.row.querySelector("[data-progress]");
  if (bar) {
    bar.value = percent;
    if (percent >= 100) {
      file.row.querySelector("[data-answer]").textContent = texts.textChecking;
    }
  }
});
dropzone.on("success", (file, answer) => {
  if (answer && Array.isArray(answer.results)) {
    showAnswers(file, answer.results);
  } else {
    showFailure(file, answer, 403); // the log-in page came instead
  }
});
dropzone.on("error", (file, message, xhr) => showFailure(file, message, xhr?.status));

const folder = document.getElementById("folder-input");
document.getElementById("choose-folder").addEventListener("click", () => folder.click());
folder.addEventListener("change", () => {
  for (const file of folder.files) {
    dropzone.addFile(file);
  }
  folder.value = "";
});

window.addEventListener("beforeunload", (event) => {
  if (tally.done < tally.total) {
    event.preventDefault();
  }
});
