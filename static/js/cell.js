// The cell page: the heatmap over the photo, on and off (also by the key H), its opacity and class.

const heatmap = document.getElementById("heatmap");
if (heatmap) {
  const toggle = document.getElementById("heatmap-on");
  const opacity = document.getElementById("heatmap-opacity");
  const shown = document.getElementById("opacity-shown");
  const choice = document.getElementById("heatmap-class");

  const show = () => {
    heatmap.hidden = !toggle.checked;
    heatmap.style.opacity = String(Number(opacity.value) / 100);
    shown.textContent = `${opacity.value} %`;
    opacity.setAttribute("aria-valuetext", shown.textContent);
  };
  const keep = () => {
    // From cell to cell the reader's setting stays.
    sessionStorage.setItem("heatmap", JSON.stringify({ on: toggle.checked, opacity: opacity.value }));
    show();
  };

  const kept = JSON.parse(sessionStorage.getItem("heatmap") ?? "null");
  if (kept) {
    toggle.checked = kept.on;
    opacity.value = kept.opacity;
  }
  toggle.addEventListener("change", keep);
  opacity.addEventListener("input", keep);
  choice.addEventListener("change", () => {
    heatmap.src = `${heatmap.dataset.url}&class=${encodeURIComponent(choice.value)}`;
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox], [type=radio], [type=range]), textarea, select");
    if (event.key.toLowerCase() === "h" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      toggle.checked = !toggle.checked;
      keep();
    }
  });
  show();
}
