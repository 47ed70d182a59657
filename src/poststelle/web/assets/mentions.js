// A note calls colleagues: behind an @ their names are offered.

import { all, find } from "./dom.js";

const box = () => find("#new-note");
const list = () => find("#mentioned");
const offered = () => all("li:not([hidden])", list());
const fold = (text) => text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase();

// What is typed behind the last @ before the caret, null where nobody is being called.
function called() {
  const before = box().value.slice(0, box().selectionStart);
  return before.match(/(?:^|\s)@([^@\n]{0,40})$/)?.[1] ?? null;
}

function offer() {
  const typed = called();
  for (const item of all("li", list())) {
    const name = fold(item.textContent);
    item.hidden = typed === null || !(name.startsWith(fold(typed)) || name.includes(` ${fold(typed)}`));
  }
  list().hidden = !offered().length;
  mark(0);
}

function mark(at) {
  offered().forEach((item, number) => (item.ariaSelected = String(number === at)));
  box().setAttribute("aria-activedescendant", list().hidden ? "" : offered()[at].id);
}

function take(item) {
  const end = box().selectionStart;
  box().setRangeText(`${item.textContent} `, end - called().length, end, "end");
  list().hidden = true;
  box().focus();
}

document.addEventListener("input", (event) => event.target.id === "new-note" && offer());
document.addEventListener("focusout", (event) => event.target.id === "new-note" && (list().hidden = true));
document.addEventListener("pointerdown", (event) => {
  const item = event.target.closest?.("#mentioned li");
  if (!item) return;
  event.preventDefault();
  take(item);
});
document.addEventListener("keydown", (event) => {
  if (event.target.id !== "new-note" || list().hidden) return;
  const at = offered().findIndex((item) => item.ariaSelected === "true");
  if (event.key === "ArrowDown") mark(Math.min(at + 1, offered().length - 1));
  else if (event.key === "ArrowUp") mark(Math.max(at - 1, 0));
  else if (event.key === "Enter" || event.key === "Tab") take(offered()[at]);
  else if (event.key === "Escape") list().hidden = true;
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
