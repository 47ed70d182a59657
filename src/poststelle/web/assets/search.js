// The search box completes operators, their values and folders.

import { all, find, parsed, part } from "./dom.js";

let waiting = 0;
const box = () => find("#search");
const list = () => find("#completions");
const chosen = () => all("li", list()).findIndex((item) => item.ariaSelected === "true");

function show(on) {
  list().hidden = !on;
  box().ariaExpanded = String(on);
}

function mark(at) {
  const items = all("li", list());
  items.forEach((item, number) => (item.ariaSelected = String(number === at)));
  box().setAttribute("aria-activedescendant", items[at]?.id ?? "");
}

function take(item) {
  const whole = item.dataset.whole;
  box().value = whole.endsWith(":") ? whole : `${whole} `;
  box().focus();
  complete();
}

async function complete() {
  const typed = box().value;
  if (!/\S$/.test(typed)) return show(false);
  const answer = await part(`${box().dataset.complete}?${new URLSearchParams({ q: typed })}`, "completions");
  if (!answer.ok || !box() || box().value !== typed) return;
  const items = all("li", parsed(await answer.text()));
  list().replaceChildren(...items);
  show(items.length > 0 && document.activeElement === box());
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "search") return;
  clearTimeout(waiting);
  waiting = setTimeout(complete, 120);
});
document.addEventListener("focusout", (event) => {
  if (event.target.id === "search") setTimeout(() => list() && show(false), 150);
});
document.addEventListener("pointerdown", (event) => {
  const item = event.target.closest?.("#completions li");
  if (!item) return;
  event.preventDefault();
  take(item);
});
document.addEventListener("keydown", (event) => {
  if (event.target.id !== "search" || !list() || list().hidden) return;
  const items = all("li", list());
  if (event.key === "ArrowDown") mark(Math.min(chosen() + 1, items.length - 1));
  else if (event.key === "ArrowUp") mark(Math.max(chosen() - 1, 0));
  else if (event.key === "Tab" || (event.key === "Enter" && chosen() >= 0)) take(items[Math.max(chosen(), 0)]);
  else if (event.key === "Escape") show(false);
  else return;
  event.preventDefault();
});
