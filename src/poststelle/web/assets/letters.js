// A letter is kept in this browser until it has been sent.

import { find } from "./dom.js";

const KEPT = ["to", "cc", "bcc", "subject", "text"];

export function keepDraft(form) {
  const key = `draft.${form.dataset.draft}`;
  const saved = JSON.parse(localStorage.getItem(key) || "null");
  const note = find("#draft-note");
  // After an error the page itself carries what was typed.
  if (saved && !find(".bar.warn[role=alert]", form) && KEPT.some((name) => form.elements[name].value !== saved[name])) {
    for (const name of KEPT) form.elements[name].value = saved[name] ?? "";
    note.hidden = false;
  }
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
