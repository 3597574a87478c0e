// The new-case page: fields of a new patient appear only for a new patient.

const form = document.querySelector("[data-new-case]");
const fields = document.getElementById("new-patient");

function show() {
  const isNew = form.querySelector("[name=patient_mode]:checked")?.value === "new";
  fields.hidden = !isNew;
  for (const field of fields.querySelectorAll("input, select")) {
    field.disabled = !isNew;
  }
}

form.addEventListener("change", show);
show();
form.querySelector("[aria-invalid=true]")?.focus();
