// The blinded reading: keys name the cell and move; every step is fetched alone.

const part = () => document.getElementById("reading");
// Settled at once: until then htmx does not know the form, and a fast reader's key would leave the page.
const SWAP = "outerHTML settle:0ms";

function go(link) {
  if (link) {
    const url = new URL(link.href, window.location.href);
    window.htmx.ajax("GET", url.pathname + url.search, { target: "#reading", swap: SWAP });
    window.history.replaceState(null, "", url.pathname + url.search);
  }
}

const step = (name) => go(part().querySelector(`[data-step=${name}]`));
const MOVES = { arrowleft: "previous", k: "previous", arrowright: "next", j: "next", g: "unnamed" };

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=hidden]), textarea, select");
  if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const key = event.key.toLowerCase();
  if (key in MOVES) {
    event.preventDefault();
    step(MOVES[key]);
    return;
  }
  const button = /^[a-z0-9]$/.test(key) && part().querySelector(`button[data-keys~="${key}"]`);
  // One name at a time: a second key names nothing, its reader has not seen the next cell yet.
  if (button && !part().querySelector(".htmx-request")) {
    event.preventDefault();
    button.click();
  }
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("#reading [data-step]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    go(link);
  }
});

// Where the reader was: on the class of the same place, else on the card itself.
let pressed = "";
document.body.addEventListener("htmx:beforeSwap", () => {
  pressed = document.activeElement?.closest("#reading [data-keys]")?.value ?? "";
});
document.body.addEventListener("htmx:afterSettle", () => {
  part().querySelector(`button[value="${CSS.escape(pressed)}"]`)?.focus();
});
