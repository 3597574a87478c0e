// Security keys: the button asks the browser, the answer travels in the form's hidden field.

for (const form of document.querySelectorAll("[data-security-key]")) {
  const options = JSON.parse(document.getElementById(form.dataset.options).textContent);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const credential =
        form.dataset.securityKey === "create"
          ? await window.webauthnJSON.create(options.creation_options)
          : await window.webauthnJSON.get(options.request_options);
      form.querySelector("[name=credential]").value = JSON.stringify(credential);
      form.submit();
    } catch {
      tell(form);
    }
  });
}

function tell(form) {
  let note = form.querySelector("[role=alert]");
  if (!note) {
    note = document.createElement("p");
    note.className = "field-error";
    note.setAttribute("role", "alert");
    form.append(note);
  }
  note.textContent = form.dataset.failed;
}
