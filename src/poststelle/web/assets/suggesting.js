// A box with suggestions below it (ARIA 1.2 combobox): the arrows choose, Enter and Tab take, Escape closes, a finger takes too.

import { all, parsed, part } from "./dom.js";

const PAUSE = 120;
const listOf = (box) => document.getElementById(box.getAttribute("aria-controls"));
const itemsOf = (box) => all("li", listOf(box));
const chosenOf = (box) => itemsOf(box).findIndex((item) => item.ariaSelected === "true");
const isOpen = (box) => listOf(box) && !listOf(box).hidden;

function mark(box, at) {
  const items = itemsOf(box);
  items.forEach((item, number) => (item.ariaSelected = String(number === at)));
  items[at]?.scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", items[at]?.id ?? "");
}

function show(box, items) {
  listOf(box).replaceChildren(...items);
  listOf(box).hidden = !items.length;
  // Of several lines it is a textbox to ARIA, which has no such state.
  if (box.role === "combobox") box.ariaExpanded = String(items.length > 0);
  box.setAttribute("aria-activedescendant", "");
}

const fetched = async (address) => {
  const answer = await part(address, "completions");
  return answer.ok ? all("li", parsed(await answer.text())) : [];
};

// `asked(box)`: what is typed now, as the address where suggestions for it are found, null for none; `here` finds them on the page
// instead. `take(box, item)`: one was taken; what it gives is completed again. `first(box)`: whether the first suggestion is chosen
// as soon as it is shown. `ends`: other keys that take.
export function suggesting(selector, { asked, here, take, first = () => false, ends = "" }) {
  let waiting = 0;
  const boxOf = (event) => (event.target.matches?.(selector) && listOf(event.target) ? event.target : null);

  async function offer(box) {
    const of = asked(box);
    if (!of) return show(box, []);
    const items = await (here ?? fetched)(of);
    // A slower answer to something typed before is no answer any more.
    if (!box.isConnected || asked(box) !== of || document.activeElement !== box) return;
    show(box, items);
    listOf(box).dataset.of = of;
    if (first(box)) mark(box, 0);
  }

  function taken(box, item) {
    const again = take(box, item);
    show(box, []);
    box.focus();
    box.dispatchEvent(new Event("input", { bubbles: true }));
    clearTimeout(waiting);
    if (again) offer(box);
  }

  document.addEventListener("input", (event) => {
    const box = boxOf(event);
    if (!box) return;
    clearTimeout(waiting);
    waiting = setTimeout(offer, here ? 0 : PAUSE, box);
  });
  document.addEventListener("focusout", (event) => {
    const box = boxOf(event);
    clearTimeout(waiting);
    if (box) show(box, []);
  });
  document.addEventListener("pointerdown", (event) => {
    const item = event.target.closest?.("[role=listbox] > li");
    const box = document.activeElement;
    if (!item || !box.matches?.(selector) || listOf(box) !== item.parentElement) return;
    // The box keeps the focus, and the keyboard of a phone stays.
    event.preventDefault();
    taken(box, item);
  });
  document.addEventListener("keydown", (event) => {
    const box = boxOf(event);
    // What was offered for something else is not taken for what is typed now.
    if (!box || !isOpen(box) || event.isComposing || listOf(box).dataset.of !== asked(box)) return;
    const items = itemsOf(box);
    const at = chosenOf(box);
    if (event.key === "ArrowDown") mark(box, (at + 1) % items.length);
    else if (event.key === "ArrowUp") mark(box, at > 0 ? at - 1 : items.length - 1);
    else if (event.key === "Tab" && !event.shiftKey) taken(box, items[Math.max(at, 0)]);
    else if ((event.key === "Enter" || ends.includes(event.key)) && at >= 0) taken(box, items[at]);
    else if (event.key === "Escape") show(box, []);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
}
