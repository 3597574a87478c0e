// On every page: the dark mode switch, toasts, and what is said when a request fails.

const root = document.documentElement;

function showTheme() {
  const button = document.getElementById("theme-switch");
  button?.setAttribute("aria-pressed", String(root.dataset.bsTheme === "dark"));
}

document.getElementById("theme-switch")?.addEventListener("click", () => {
  const theme = root.dataset.bsTheme === "dark" ? "light" : "dark";
  root.setAttribute("data-bs-theme", theme);
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // The choice then holds for this page alone.
  }
  showTheme();
  document.dispatchEvent(new CustomEvent("themechanged"));
});
showTheme();

// --- toasts -------------------------------------------------------------------------------------
const SECONDS_SHOWN = 8;

function tendToasts() {
  for (const toast of document.querySelectorAll("[data-toast]:not([data-tended])")) {
    toast.dataset.tended = "";
    toast.querySelector("[data-toast-close]").addEventListener("click", () => toast.remove());
    // Failures stay until they are closed: they must not be missed.
    if (/site-toast-(success|info)/.test(toast.className)) {
      setTimeout(() => toast.remove(), SECONDS_SHOWN * 1000);
    }
  }
}

const toasts = document.getElementById("toasts");
if (toasts) {
  new MutationObserver(tendToasts).observe(toasts, { childList: true });
  tendToasts();
}

function say(text) {
  const toast = document.createElement("div");
  toast.className = "site-toast site-toast-danger";
  toast.dataset.toast = "";
  const words = document.createElement("div");
  words.className = "flex-fill";
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn-close";
  close.dataset.toastClose = "";
  close.setAttribute("aria-label", "×");
  toast.append(words, close);
  toasts.append(toast);
}

// --- forms that take their time -----------------------------------------------------------------
// The button turns and takes no second press; whoever comes back to the page finds it as it was.
document.addEventListener("submit", (event) => {
  const { submitter, target } = event;
  if (target.dataset.takesTime !== undefined && submitter && !event.defaultPrevented) {
    submitter.classList.add("btn-loading");
    submitter.setAttribute("aria-busy", "true");
    setTimeout(() => { submitter.disabled = true; }, 0);
  }
});
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[aria-busy=true].btn-loading")) {
    button.classList.remove("btn-loading");
    button.removeAttribute("aria-busy");
    button.disabled = false;
  }
});

// --- htmx ---------------------------------------------------------------------------------------
// Refusals carry their own words: a toast by HX-Retarget, or the form again inside the dialog.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, target } = event.detail;
  if (xhr.status < 400) {
    return;
  }
  const speaks = xhr.getResponseHeader("HX-Retarget") !== null || "showsErrors" in target.dataset;
  const page = (xhr.getResponseHeader("Content-Type") ?? "").includes("text/html");
  if (speaks && page && !/^\s*<!doctype/i.test(xhr.responseText)) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.body.addEventListener(name, (event) => {
    // Polling tries again by itself; one message a page is enough.
    const text = document.body.dataset.requestFailed;
    const shown = [...toasts.children].some((toast) => toast.textContent.includes(text));
    if (!shown && event.detail.elt.dataset.quiet === undefined) {
      say(text);
    }
  });
}
