// The test of what a form says: its lines come as they happen, can be stopped, and offer what would help with one click.

import { all, body, fieldsOf, find, parsed } from "./dom.js";
import { passkeys } from "./passkey.js";

const SECRETS = "input[type=password], textarea[name$=client_certificate]";

export function probeForm(form) {
  // A remedy changes the form and tests again; the secret that was typed stays.
  find("#probe", form)?.addEventListener("click", (event) => {
    const fix = event.target.closest("[data-fix]");
    if (!fix) return;
    for (const [name, value] of Object.entries(JSON.parse(fix.dataset.fix))) put(form.elements[name], value);
    // Why an exception is made is asked where it is made.
    const why = find("[data-why]", fix.parentElement);
    if (why?.value) put(form.elements[why.dataset.why], why.value);
    form.dispatchEvent(new Event("change"));
    find("[data-test]", form).click();
  });
  find("#probe", form)?.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("[data-why]")) event.preventDefault();
  });
  for (const button of all("[data-test]", form)) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      find("#untested", form)?.remove();
      test(form, find(".form-foot [data-test]", form));
    });
  }
  find("#untested", form)?.scrollIntoView({ block: "center" });
}

// An internal server is allowed where it stands in the way, and what was being tried is tried again.
document.addEventListener("click", (event) => {
  const allow = event.target.closest?.("button[data-allow]");
  if (!allow) return;
  const again = () => {
    const test = find("[data-test]", allow.form);
    if (test) test.click();
    else allow.form.requestSubmit();
  };
  confirmed(allow.dataset.at, fieldsOf({ server: allow.dataset.allow.split(" ") }), again);
});

// A sensitive deed in the background, while what was typed stays in the form: where it is asked who one is, the question comes in a dialogue.
async function confirmed(address, fields, then) {
  const dialog = find("#confirm-here");
  const token = body().dataset.token ?? find("[name=csrfmiddlewaretoken]").value;
  const answer = await fetch(address, { method: "POST", body: fields, headers: { "X-Part": "1", "X-CSRFToken": token } });
  if (answer.ok) {
    if (dialog.open) dialog.close();
    return then();
  }
  ask(await answer.text(), (given) => confirmed(address, given, then));
}

// Who is it? The question of the page in a dialogue; `answered` gets what its form holds.
function ask(markup, answered) {
  const dialog = find("#confirm-here");
  const question = find("main", parsed(markup));
  dialog.replaceChildren(...[...question.childNodes].map((node) => document.adoptNode(node)));
  for (const link of all("a", dialog)) {
    // The identity provider asks in a window of its own; the other link takes the deed back.
    if (link.matches(".button")) link.target = "_blank";
    else link.addEventListener("click", (event) => (event.preventDefault(), dialog.close()));
  }
  for (const form of all("form", dialog)) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answered(new FormData(form));
    });
  }
  passkeys(dialog);
  if (!dialog.open) dialog.showModal();
}

// What the test has found on the server can be chosen before anything is saved; what has been chosen stays while it is there.
function offerFolders(form, found) {
  for (const select of all('select[name^="roles."]', form)) {
    const role = select.name.slice("roles.".length);
    const [usual] = select.options;
    usual.dataset.words ??= usual.text;
    const there = found.find((one) => one[1] === role);
    usual.text = there ? `${usual.dataset.words}: ${there[2]}` : usual.dataset.words;
    const chosen = select.value;
    select.replaceChildren(usual, ...found.map(([path, , words]) => new Option(words, JSON.stringify(path))));
    select.value = chosen;
    if (select.selectedIndex < 0) usual.selected = true;
    select.closest("details").open = true;
  }
}

function put(field, value) {
  const one = field instanceof RadioNodeList ? field[field.length - 1] : field;
  if (!one) return;
  if (one.type === "checkbox") one.checked = value === "1";
  else one.value = value;
  const folded = one.closest("details");
  if (folded) folded.open = true;
}

let running;

// One at a time: whoever tests again means the form as it is now.
async function test(form, button, data = new FormData(form)) {
  const lines = find("#steps", form);
  const stop = find("[data-stop]", form);
  running?.abort();
  const abort = (running = new AbortController());
  stop.onclick = () => abort.abort();
  stop.hidden = false;
  button.setAttribute("aria-busy", "true");
  // What the test before said is over.
  lines.replaceChildren();
  try {
    const answer = await fetch(form.dataset.probe, { method: "POST", body: data, headers: { "X-Lines": "1" }, signal: abort.signal });
    if (answer.status === 422) return showWrong(form, await answer.text());
    if (answer.status === 403) return ask(await answer.text(), (given) => test(form, button, given));
    find("#confirm-here")?.close();
    if (!answer.ok) return refused(lines, await answer.text());
    forgiven(form);
    find("#probe", form).hidden = false;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = "", part = await reader.read(); ; part = await reader.read()) {
      text += part.value ?? "";
      const end = text.lastIndexOf("</tr>");
      if (end >= 0) {
        lines.append(...parsed(`<table>${text.slice(0, end + 5)}</table>`).querySelectorAll("tr"));
        for (const fix of all("[data-fix], [data-allow], [data-why]", lines)) fix.hidden = false;
        for (const step of all("[data-folders]", lines)) offerFolders(form, JSON.parse(step.dataset.folders));
        lines.lastElementChild.scrollIntoView({ block: "nearest" });
        text = text.slice(end + 5);
      }
      if (part.done) break;
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  } finally {
    if (running === abort) {
      button.removeAttribute("aria-busy");
      stop.hidden = true;
    }
  }
}

// What was wrong before the test began is not any more.
function forgiven(form) {
  for (const field of all(".field.wrong", form)) {
    field.classList.remove("wrong");
    find(".error", field)?.remove();
    for (const input of all("[aria-invalid]", field)) for (const name of ["aria-invalid", "aria-describedby"]) input.removeAttribute(name);
  }
}

// Why there is no test now: too many of them, or somebody else's right.
function refused(lines, markup) {
  const cell = lines.insertRow().insertCell();
  cell.parentElement.className = "verdict";
  cell.textContent = all("h1, p:not(:has(a))", find("main", parsed(markup)) ?? parsed(markup)).map((one) => one.textContent.trim()).join(" ");
  lines.closest(".probe").hidden = false;
}

// The form again with its mistakes marked. Secrets are not sent back; they have not left this page, so they stay.
function showWrong(form, markup) {
  const fresh = document.adoptNode(find("form[data-probe]", parsed(markup)));
  for (const old of all(SECRETS, form)) if (fresh.elements[old.name]) fresh.elements[old.name].value = old.value;
  form.replaceWith(fresh);
  document.dispatchEvent(new CustomEvent("poststelle:form"));
  find(".wrong", fresh)?.scrollIntoView({ block: "center" });
}
