// A letter is kept in this browser until it has been sent; the signature goes with the sender.

import { find } from "./dom.js";

const KEPT = ["account", "to", "cc", "bcc", "subject", "text"];

export function keepDraft(form) {
  const key = `draft.${form.dataset.draft}`;
  const saved = JSON.parse(localStorage.getItem(key) || "null");
  const note = find("#draft-note");
  // After an error the page itself carries what was typed.
  if (saved && !find(".bar.warn[role=alert]", form) && KEPT.some((name) => name !== "account" && form.elements[name].value !== saved[name])) {
    for (const name of KEPT) put(form.elements[name], saved[name] ?? "");
    note.hidden = false;
  }
  follow(form.elements.account, form.elements.text);
  let waiting = 0;
  const keep = () => localStorage.setItem(key, JSON.stringify(Object.fromEntries(KEPT.map((name) => [name, form.elements[name].value]))));
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(keep, 300);
  });
  form.addEventListener("submit", () => {
    clearTimeout(waiting);
    keep();
    find("[data-send]", form).setAttribute("aria-busy", "true");
  });
  const forget = () => {
    clearTimeout(waiting);
    localStorage.removeItem(key);
  };
  find("[data-discard]", form).addEventListener("click", forget);
  find("[data-forget]", form).addEventListener("click", () => {
    forget();
    form.reset();
    note.hidden = true;
  });
}

// A sender one may no longer write as is not put back.
function put(field, value) {
  if (!field.options || [...field.options].some((option) => option.value === value)) field.value = value;
}

// Another sender brings another signature: the one that stands there unchanged is replaced, what was typed stays as it is.
function follow(senders, text) {
  const block = () => senders.selectedOptions[0]?.dataset.block ?? "";
  let there = block();
  senders.form.addEventListener("reset", () => setTimeout(() => (there = block())));
  senders.addEventListener("change", () => {
    const fresh = block();
    const at = there ? text.value.indexOf(there) : -1;
    if (at >= 0) text.setRangeText(fresh, at, at + there.length, "preserve");
    else if (!there && fresh) text.setRangeText(`\n\n${fresh}\n`, ...above(text.defaultValue, text.value), "preserve");
    else return;
    there = fresh;
  });
}

// Where a signature goes into a letter that had none: above what is quoted, else below what was typed.
function above(begun, now) {
  const at = begun.trim() && now.endsWith(begun) ? now.length - begun.length : now.length;
  return [at, at];
}
