// Settings: fields that mean nothing hide, lines of a table are kept as soon as they are left, a cell opens its dialogue.

import { all, find, parsed } from "./dom.js";

// What `web.fields.applies` says, said here again: "name=a,b;other=c|third=d".
function applies(when, form) {
  const chosen = (condition) => {
    const [name, wanted] = condition.split("=");
    const found = form.elements[name];
    const field = found instanceof RadioNodeList ? found[found.length - 1] : found;
    // A choice that is not offered has not been made.
    const value = field?.type === "checkbox" && !field.checked ? "0" : (field?.value ?? "");
    return wanted.split(",").includes(value);
  };
  return when.split(";").filter(Boolean).every((part) => part.split("|").some(chosen));
}

function suit(form) {
  for (const element of all("[data-when]", form)) {
    const hides = !applies(element.dataset.when, form);
    const folded = element.closest("details");
    // Why an exception is made is asked as soon as it is made, in a folded section too.
    if (element.hidden && !hides && folded && element.matches('[data-field$="exception_reason"]')) folded.open = true;
    element.hidden = hides;
    if (element.localName === "option") offer(element);
  }
  for (const section of all("fieldset.section, details.section", form)) {
    const fields = all(".field", section);
    if (fields.length && !section.dataset.when) section.hidden = fields.every((field) => field.hidden);
  }
}

// What is not offered any more cannot stay chosen; the first choice is the harmless one.
function offer(option) {
  if (option.hidden && option.selected) option.closest("select").selectedIndex = 0;
  option.disabled = option.hidden;
}

function once(selector, make) {
  for (const element of all(selector)) {
    if (element.dataset.suited) continue;
    element.dataset.suited = "1";
    make(element);
  }
}

export function settings() {
  once("form:has([data-when])", (form) => {
    form.addEventListener("change", () => suit(form));
    suit(form);
  });
  once("form[data-line]", (form) => {
    for (const field of form.elements) {
      if (field.type === "checkbox") field.addEventListener("change", () => form.requestSubmit());
    }
  });
  once("select[data-go]", (select) => select.addEventListener("change", () => select.form.requestSubmit()));
  once(".tabs [aria-current]", (tab) => tab.scrollIntoView({ inline: "center", block: "nearest" }));
  once("[data-print]", (button) => {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  });
  once("form[data-outcome]", (form) => form.addEventListener("submit", (event) => look(form, event)));
  once("form:has([data-once])", (form) =>
    form.addEventListener("submit", () => find("[data-once]", form).setAttribute("aria-busy", "true")),
  );
}

// The file stays chosen between looking and importing: only the outcome is put in.
async function look(form, event) {
  event.preventDefault();
  const data = new FormData(form, event.submitter);
  event.submitter.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.action || location.href, { method: "POST", body: data });
    // It is asked first whether it is still the same person; the file has to be chosen again then.
    if (answer.status === 403) return location.reload();
    const fresh = find("#outcome", parsed(await answer.text()));
    if (fresh) find("#outcome").replaceWith(document.adoptNode(fresh));
  } finally {
    event.submitter.removeAttribute("aria-busy");
  }
}

document.addEventListener("click", async (event) => {
  const dialog = find("#dialog");
  if (!dialog || event.ctrlKey || event.metaKey) return;
  if (event.target.closest?.("[data-close]") && dialog.open) {
    event.preventDefault();
    return dialog.close();
  }
  const link = event.target.closest?.("[data-dialog]");
  if (!link) return;
  event.preventDefault();
  const answer = await fetch(link.href, { headers: { "X-Part": "1" } });
  if (!answer.ok) return location.assign(link.href);
  dialog.replaceChildren(...[...parsed(await answer.text()).childNodes].map((node) => document.adoptNode(node)));
  dialog.showModal();
});
