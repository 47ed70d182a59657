// What every module needs: the one way markup enters the page, finding elements, and asking the server for a part.

import htmx from "htmx.org";

// Nothing is ever evaluated, and markup passes this policy only (RELIABILITY Q62).
const same = { createHTML: (markup) => markup, createScript: () => "" };
const policy = window.trustedTypes ? window.trustedTypes.createPolicy("poststelle", same) : same;
function NothingIsEvaluated() {
  throw new Error("evaluating code is off");
}
htmx.registerExtension("poststelle", {
  init: (api) => api.initSecurity(policy, NothingIsEvaluated, NothingIsEvaluated),
});

export { htmx };
export const body = () => document.body;
export const find = (selector, inside = document) => inside.querySelector(selector);
export const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
export const parsed = (markup) => new DOMParser().parseFromString(policy.createHTML(`<body>${markup}`), "text/html").body;
export const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable]";

const PART = { "HX-Request": "true", "HX-Request-Type": "partial" };
export const part = (address, target) => fetch(address, { headers: { ...PART, "HX-Target": `x#${target}` } });

// A form posted in the background: what it says becomes a note. Gives the answer, null when it was refused.
export async function post(address, fields) {
  const headers = { ...PART, "X-CSRFToken": body().dataset.token };
  let answer;
  try {
    answer = await fetch(address, { method: "POST", headers, body: fields });
  } catch {
    return null;
  }
  const markup = await answer.text();
  if (answer.ok) {
    if (!fields.get("silent") || answer.headers.has("X-Offer")) note(parsed(markup).firstElementChild);
    return answer;
  }
  const page = parsed(markup);
  const words = all("h1, h2, p:not(:has(a))", page).map((one) => one.textContent);
  complain((words.length ? words.join(" ") : page.textContent).trim().replace(/\s+/g, " "));
  return null;
}

export function complain(words) {
  const said = document.createElement("div");
  said.className = "note lasting";
  said.setAttribute("role", "alert");
  said.textContent = words;
  note(said);
  setTimeout(() => said.remove(), 12_000);
}

// One note at a time: the latest is what one wants to take back.
export function note(element) {
  if (!element) return;
  const notes = find("#notes");
  for (const old of all(".undoable, .passing, .lasting", notes)) old.remove();
  const fresh = document.adoptNode(element);
  notes.append(fresh);
  htmx.process(fresh);
  if (fresh.classList.contains("undoable")) setTimeout(() => fresh.remove(), 10_000);
}

// Something else than the journal says that it should be looked again (own deeds, before the journal is heard).
export const lookAgain = () => document.dispatchEvent(new CustomEvent("poststelle:look"));

export function fieldsOf(values) {
  const fields = new FormData();
  for (const [name, value] of Object.entries(values)) {
    if (Array.isArray(value)) for (const one of value) fields.append(name, one);
    else if (value !== undefined) fields.append(name, value);
  }
  return fields;
}
