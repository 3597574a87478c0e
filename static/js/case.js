// The case page: the donut, the gallery's refresh while the model works, the reclassify dialog.

// --- donut --------------------------------------------------------------------------------------
let chart = null;

function drawDonut() {
  const canvas = document.querySelector("[data-donut]");
  const source = document.getElementById("donut-data");
  if (!canvas || !source || !window.Chart) {
    return;
  }
  chart?.destroy();
  const slices = JSON.parse(source.textContent);
  const surface = getComputedStyle(canvas.closest(".card")).backgroundColor;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  chart = new window.Chart(canvas, {
    type: "doughnut",
    data: {
      labels: slices.map((slice) => slice.label),
      datasets: [
        {
          data: slices.map((slice) => slice.count),
          backgroundColor: slices.map((slice) => slice.color),
          borderColor: surface,
          borderWidth: 2,
        },
      ],
    },
    options: {
      animation: still || chart ? false : { duration: 300 },
      cutout: "66%",
      responsive: true,
      maintainAspectRatio: true,
      aspectRatio: 1,
      plugins: { legend: { display: false } },
    },
  });
}

drawDonut();
document.addEventListener("themechanged", drawDonut);
document.body.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id === "case-counts" || event.target.id === "case-counts") {
    drawDonut();
  }
});

// --- gallery ------------------------------------------------------------------------------------
const dialog = document.getElementById("reclassify");
let refreshWaits = false;

function refreshGallery() {
  const gallery = document.getElementById("gallery");
  if (!gallery) {
    window.location.reload(); // the first images of the case have come
    return;
  }
  // Not under the reader's hands: the order changes as cells are named.
  if (dialog.open || gallery.contains(document.activeElement)) {
    refreshWaits = true;
    return;
  }
  refreshWaits = false;
  window.htmx.ajax("GET", gallery.dataset.refresh, { target: "#gallery", swap: "outerHTML" });
}

document.body.addEventListener("cellsChanged", refreshGallery);
document.addEventListener("focusout", () => {
  if (refreshWaits) {
    setTimeout(() => refreshWaits && refreshGallery(), 1000);
  }
});

// Pages of the gallery are fetched alone; without the script the links lead to the whole page.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-gallery-pages] a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) {
    return;
  }
  event.preventDefault();
  const url = document.getElementById("gallery").dataset.refresh.split("?")[0];
  const query = new URL(link.href).search;
  window.htmx.ajax("GET", url + query, { target: "#gallery", swap: "outerHTML" }).then(() => {
    document.getElementById("gallery").scrollIntoView({ block: "start" });
  });
});

// --- reclassify dialog ----------------------------------------------------------------------------
let opener = null;

// Only once it is settled does htmx know the form; an Enter before that would leave the page.
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id === "reclassify-body" && event.detail.target.childElementCount) {
    if (!dialog.open) {
      opener = event.detail.requestConfig.elt;
      dialog.showModal();
    }
    dialog.querySelector("[name=to_class]:checked")?.focus();
  }
});
document.body.addEventListener("cellCorrected", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("[data-dialog-close]")) {
    dialog.close();
  }
});
dialog.addEventListener("close", () => {
  document.getElementById("reclassify-body").replaceChildren();
  // The button was drawn anew with its card: give the focus back to where the reader was.
  const card = opener?.closest("[id^=cell-]")?.id ?? opener?.dataset.card;
  (document.querySelector(`#${card} [data-reclassify]`) ?? document.getElementById("gallery-heading"))?.focus();
});
