// The projector's form: only the fields of the chosen source are shown.

const form = document.getElementById("projector-form");

function show() {
  for (const part of form.querySelectorAll("[data-for]")) {
    part.hidden = part.dataset.for !== form.elements.source.value;
  }
}

form.addEventListener("change", show);
show();
