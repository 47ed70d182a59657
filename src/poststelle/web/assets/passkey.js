// Passkeys: the browser asks for finger, face or PIN, and what it answers goes with the form.

import { all, find } from "./dom.js";

const ABLE = Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON && window.PublicKeyCredential.prototype.toJSON);

async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  if (!form.dataset.fetch) return JSON.parse(find("#passkey-options", form).textContent);
  const answer = await fetch(form.dataset.fetch, { headers: { Accept: "application/json" } });
  return (await answer.json()).request_options;
}

async function ask(form) {
  const { publicKey } = await optionsOf(form);
  if (form.dataset.passkey === "get") {
    return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
  }
  // It has to be found again without a name being typed, and to prove its person.
  publicKey.authenticatorSelection = { ...publicKey.authenticatorSelection, residentKey: "required", requireResidentKey: true, userVerification: "required" };
  return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
}

export function passkeys(inside = document) {
  for (const note of all("[data-no-passkeys]", inside)) note.hidden = ABLE;
  if (!ABLE) return;
  for (const form of all("form[data-passkey]", inside)) {
    form.hidden = false;
    find("button", form).addEventListener("click", async (event) => {
      event.currentTarget.setAttribute("aria-busy", "true");
      try {
        find("[name$=credential], [name=confirm-passkey]", form).value = JSON.stringify(await ask(form));
        form.requestSubmit();
      } catch {
        // Whoever changes their mind, or has none for this place, stays where they are.
        event.target.closest("button").removeAttribute("aria-busy");
      }
    });
  }
}
