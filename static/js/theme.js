// Runs before the page is painted, so that dark mode does not flash. The reader's choice is kept in
// this browser; without one the system's preference holds.
(function () {
  "use strict";
  var kept = null;
  try {
    kept = localStorage.getItem("theme");
  } catch (error) {
    // Storage may be forbidden; the system's preference is used then.
    kept = null;
  }
  var dark = kept ? kept === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.setAttribute("data-bs-theme", dark ? "dark" : "light");
})();
