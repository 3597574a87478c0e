// The quick look: pictures dropped anywhere on the box are sent at once; leaving the page says so.

const form = document.getElementById("quick-look-form");
if (form) {
  const zone = document.getElementById("quick-look-drop");
  const input = document.getElementById("quick-look-files");
  const chosen = document.getElementById("quick-look-chosen");
  const tell = () => {
    chosen.textContent = [...input.files].map((file) => file.name).join(", ");
  };
  input.addEventListener("change", tell);
  tell(); // a browser that comes back keeps what was chosen
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("drop-zone-over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    zone.addEventListener(name, () => zone.classList.remove("drop-zone-over"));
  }
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) {
      input.files = event.dataTransfer.files;
      tell();
      form.requestSubmit();
    }
  });
}

const look = document.getElementById("quick-look");
if (look) {
  // Not on going to another picture of the same look: that page says it stays. The server keeps the
  // pictures for some seconds, so a reload or a change of language finds them still there.
  window.addEventListener("pagehide", () => {
    const words = new FormData();
    words.set("csrfmiddlewaretoken", look.dataset.token);
    words.set("visit", look.dataset.visit);
    navigator.sendBeacon(look.dataset.leave, words);
  });
  const heatmap = document.getElementById("heatmap");
  document.getElementById("tab-heatmap")?.addEventListener("shown.bs.tab", () => {
    heatmap?.closest(".tab-pane").querySelector("#heatmap-on")?.focus();
  });
}
