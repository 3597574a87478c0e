// The work list: its keys, and no refresh under the reader's hands.

const rows = () => [...document.querySelectorAll("[data-work-row]")];

function step(by) {
  const all = rows();
  const here = all.indexOf(document.activeElement.closest("[data-work-row]"));
  const there = here < 0 ? (by > 0 ? 0 : all.length - 1) : here + by;
  all[Math.min(Math.max(there, 0), all.length - 1)]?.querySelector(".row-link").focus();
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const row = document.activeElement.closest("[data-work-row]");
  const actions = { j: () => step(1), k: () => step(-1) };
  if (row) { // elsewhere the arrows scroll
    actions.arrowdown = actions.j;
    actions.arrowup = actions.k;
    actions.t = () => row.querySelector("[data-take]")?.click();
  }
  const action = actions[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    action();
  }
});

// Focus on a link or button survives a refresh by its id; a list that is being chosen from would not.
document.body.addEventListener("htmx:beforeRequest", (event) => {
  const choosing = document.activeElement?.matches("#work-rows select");
  if (event.detail.elt.id === "work-rows" && (choosing || document.hidden)) {
    event.preventDefault();
  }
});
