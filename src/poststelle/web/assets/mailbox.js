// The mailbox form: ports follow the encryption, addresses fill in what is still empty, the test fills in below and can be stopped.

import { all, body, fieldsOf, find, parsed } from "./dom.js";
import { passkeys } from "./passkey.js";

const SECRETS = ["login.password", "login.client_certificate", "outgoing.login.password"];

export function mailboxForm(form) {
  const ports = new Map(form.dataset.ports.trim().split(/\s+/).map((pair) => pair.split(":")));
  const field = (name) => form.elements[name];
  const protocol = (way) => (way === "outgoing" ? "smtp" : field("kind").value === "fetch-only" ? "pop3" : "imap");
  const follow = (way) => {
    const port = field(`${way}.port`);
    if (!port) return;
    if ([...ports.values()].includes(port.value)) port.value = "";
    port.placeholder = ports.get(`${protocol(way)}-${field(`${way}.encryption`).value}`) ?? "";
  };
  for (const way of ["incoming", "outgoing"]) {
    const port = field(`${way}.port`);
    if (port) port.placeholder = ports.get(`${protocol(way)}-${field(`${way}.encryption`).value}`) ?? "";
    field(`${way}.encryption`)?.addEventListener("change", () => follow(way));
  }
  field("kind").addEventListener("change", () => follow("incoming"));
  const name = () => {
    const address = field("address").value.trim();
    if (!field("label").value) {
      field("label").value = address;
      // Whoever wants another one types it instead of behind it.
      field("label").addEventListener("focus", () => field("label").select(), { once: true });
    }
    if (field("login.username") && !field("login.username").value) field("login.username").value = address;
  };
  field("address").addEventListener("change", name);
  // Somebody may have typed faster than this script came.
  if (field("address").value !== field("address").defaultValue) name();
  // A remedy changes the form and tests again; the secret that was typed stays.
  find("#probe", form)?.addEventListener("click", (event) => {
    const fix = event.target.closest("[data-fix]");
    if (!fix) return;
    for (const [name, value] of Object.entries(JSON.parse(fix.dataset.fix))) put(field(name), value);
    form.dispatchEvent(new Event("change"));
    find("[data-test]", form).click();
  });
  find("#probe", form)?.addEventListener("click", (event) => {
    const allow = event.target.closest("[data-allow]");
    if (allow) confirmed(form.dataset.allow, fieldsOf({ server: allow.dataset.allow.split(" ") }), () => find("[data-test]", form).click());
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

// A sensitive deed in the background, while what was typed stays in the form: where it is asked who one is, the question comes in a dialogue.
async function confirmed(address, fields, then) {
  const dialog = find("#confirm-here");
  const answer = await fetch(address, { method: "POST", body: fields, headers: { "X-Part": "1", "X-CSRFToken": body().dataset.token } });
  if (answer.ok) {
    if (dialog.open) dialog.close();
    return then();
  }
  const question = find("main", parsed(await answer.text()));
  dialog.replaceChildren(...[...question.childNodes].map((node) => document.adoptNode(node)));
  for (const link of all("a", dialog)) {
    // The identity provider asks in a window of its own; the other link takes the deed back.
    if (link.matches(".button")) link.target = "_blank";
    else link.addEventListener("click", (event) => (event.preventDefault(), dialog.close()));
  }
  for (const form of all("form", dialog)) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      confirmed(address, new FormData(form), then);
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
    usual.text = there ? `${usual.dataset.words}: ${there[0].join(" / ")}` : usual.dataset.words;
    const chosen = select.value;
    select.replaceChildren(usual, ...found.map(([path]) => new Option(path.join(" / "), JSON.stringify(path))));
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
}

let running;

// One at a time: whoever tests again means the form as it is now.
async function test(form, button) {
  const data = new FormData(form);
  const lines = find("#steps");
  const stop = find("[data-stop]", form);
  running?.abort();
  const abort = (running = new AbortController());
  stop.onclick = () => abort.abort();
  stop.hidden = false;
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.dataset.probe, { method: "POST", body: data, headers: { "X-Lines": "1" }, signal: abort.signal });
    if (answer.status === 422) return showWrong(form, await answer.text(), data);
    lines.replaceChildren();
    find("#probe").hidden = false;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = "", part = await reader.read(); ; part = await reader.read()) {
      text += part.value ?? "";
      const end = text.lastIndexOf("</tr>");
      if (end >= 0) {
        lines.append(...parsed(`<table>${text.slice(0, end + 5)}</table>`).querySelectorAll("tr"));
        for (const fix of all("[data-fix], [data-allow]", lines)) fix.hidden = false;
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

// The form again with its mistakes marked. Passwords are not sent back; they have not left this page, so they stay.
function showWrong(form, markup, data) {
  const fresh = document.adoptNode(find("#mailbox-form", parsed(markup)));
  form.replaceWith(fresh);
  for (const name of SECRETS) if (fresh.elements[name]) fresh.elements[name].value = data.get(name) ?? "";
  document.dispatchEvent(new CustomEvent("poststelle:form"));
  find(".wrong", fresh)?.scrollIntoView({ block: "center" });
}
