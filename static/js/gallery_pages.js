// The cells page by page, and the reclassify dialog.

const dialog = document.getElementById("reclassify");

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
