// A case without images: the page opens anew when the first ones have come.
document.body.addEventListener("cellsChanged", () => window.location.reload());
