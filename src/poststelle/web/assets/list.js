// The list: what is chosen in it follows the address, selected rows, rows merged without moving what one reads.

import { all, body, find, htmx, parsed, part } from "./dom.js";
import { holding } from "./holding.js";
import { attend } from "./presence.js";

export const rows = () => all("#rows > .row");
const box = (row) => find(".pick input", row);
export const picked = () => rows().filter((row) => box(row)?.checked);
export const opened = () => find("#marks")?.dataset.placement;
let everything = false;
let last = null;

// --- What is shown where: the chosen folder and the chosen row follow the address.
export function follow() {
  const here = location.pathname + location.search;
  for (const link of all(".tree-scroll a.twig, .sidebar-foot a.twig")) {
    const address = link.getAttribute("href");
    if (address.includes("?") ? here === address : location.pathname.startsWith(address)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const marks = find("#marks");
  for (const row of rows()) {
    if (marks && row.dataset.id === marks.dataset.placement) {
      row.setAttribute("aria-current", "true");
      row.classList.toggle("unread", marks.dataset.unread === "1");
      row.classList.toggle("flagged", marks.dataset.flagged === "1");
    } else row.removeAttribute("aria-current");
  }
  attend();
  for (const sent of all("[data-sent]")) localStorage.removeItem(`draft.${sent.dataset.sent.trim()}`);
  showPicked();
}
document.addEventListener("htmx:after:swap", follow);
document.addEventListener("htmx:after:history:update", follow);

document.addEventListener("click", (event) => {
  const back = event.target.closest?.("[data-back]");
  // On a phone the list is still there, scrolled as it was: going back must not load it anew.
  if (back && find("#rows > .row")) {
    event.preventDefault();
    closeMessage();
  }
});

// What is still on its way into the reading pane must not come once the reader has left.
let coming = null;
document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.target?.id === "reader") coming = ctx;
});
document.addEventListener("htmx:before:swap", (event) => {
  if (event.detail.ctx.isUnwanted) event.preventDefault();
});

function refuseComing() {
  if (!coming) return;
  coming.isUnwanted = true;
  coming.request?.abort?.();
  coming = null;
}

export function closeMessage() {
  refuseComing();
  const back = find("#message [data-back]");
  if (!back) return;
  const address = back.getAttribute("href");
  find("#message").replaceWith(find("#nothing-open").content.cloneNode(true));
  history.pushState({ htmx: true }, "", address);
  follow();
}

// --- Moving through it.
export function step(by) {
  const some = rows();
  if (!some.length) return;
  // The focus moves at once, the mark only when the message has come: two quick presses must move by two.
  const focused = some.indexOf(document.activeElement?.closest("#rows > .row"));
  const was = (name) => some.findIndex((row) => row.hasAttribute(name));
  const chosen = [focused, was("aria-current"), was("data-last")].find((at) => at >= 0) ?? -1;
  const next = some[Math.min(Math.max(chosen + by, 0), some.length - 1)];
  if (chosen < 0 || next !== some[chosen]) openRow(next);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-step]");
  if (button) step(Number(button.dataset.step));
});

export function openRow(row) {
  const link = find("a", row);
  row.scrollIntoView({ block: "nearest" });
  link.click();
  link.focus({ preventScroll: true });
}

// --- Selecting: boxes, shift for a range, ctrl to add, all, and everything the list holds.
function pick(row, on) {
  if (box(row)) box(row).checked = on;
}

export function pickAll(on) {
  for (const row of rows()) pick(row, on);
  everything = false;
  showPicked();
}

export function pickThese(ids) {
  for (const row of rows()) if (ids.includes(row.dataset.id)) pick(row, true);
  showPicked();
}

export function togglePick(row) {
  if (!row) return;
  pick(row, !box(row).checked);
  last = row;
  everything = false;
  showPicked();
}

function pickRange(row) {
  const some = rows();
  const from = some.indexOf(last) < 0 ? some.indexOf(document.activeElement?.closest(".row")) : some.indexOf(last);
  const [start, end] = [Math.max(from, 0), some.indexOf(row)].sort((one, other) => one - other);
  for (const one of some.slice(start, end + 1)) pick(one, true);
  everything = false;
  showPicked();
}

export const everythingPicked = () => everything;

function showPicked() {
  const form = find("#acts");
  if (!form) return;
  const some = picked();
  form.hidden = !some.length;
  find("#list")?.classList.toggle("picking", some.length > 0);
  for (const row of rows()) row.classList.toggle("picked", Boolean(box(row)?.checked));
  if (!some.length) everything = false;
  const more = find("[data-everything]", form);
  const total = Number(more?.dataset.total || 0);
  const words = find("[data-words]", form).textContent;
  const number = new Intl.NumberFormat(document.documentElement.lang).format(everything && total ? total : some.length);
  find("[data-picked]", form).textContent = `${everything && !total ? "∞" : number} ${words}`;
  if (more) more.hidden = everything || some.length < rows().length || !(find("#more") || total > some.length);
  const allBox = find("[data-pick-all]");
  if (allBox) {
    allBox.checked = some.length > 0 && some.length === rows().length;
    allBox.indeterminate = some.length > 0 && !allBox.checked;
  }
}

document.addEventListener("click", (event) => {
  const target = event.target;
  if (target.closest?.("[data-unpick]")) return pickAll(false);
  if (target.closest?.("[data-everything]")) {
    everything = true;
    return showPicked();
  }
  if (target.matches?.("[data-pick-all]")) return pickAll(target.checked);
  const row = target.closest?.("#rows > .row");
  if (!row) return;
  const label = target.closest(".pick");
  if (label && !target.matches("input")) {
    // The label's own click would reach the box a second time, and without the shift key.
    event.preventDefault();
    if (event.shiftKey && last) pickRange(row);
    else togglePick(row);
  } else if (label) {
    if (event.shiftKey && last) pickRange(row);
    last = row;
    everything = false;
    showPicked();
  } else if (target.closest("a") && (event.shiftKey || event.ctrlKey || event.metaKey) && find("#acts")) {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.shiftKey) pickRange(row);
    else togglePick(row);
    find("a", row).focus({ preventScroll: true });
  }
}, true);

// Shift selects rows, not words.
document.addEventListener("mousedown", (event) => {
  if (event.shiftKey && event.target.closest?.("#rows > .row")) event.preventDefault();
});

// --- The top of the list as it is now, put over what is shown: rows keep their elements, so nothing one is reading moves.
export async function mergeRows() {
  const list = find("#list");
  const shownRows = find("#rows");
  if (!list?.dataset.rows || !shownRows) return;
  const address = new URL(list.dataset.rows, location.href);
  address.searchParams.set("rows", rows().length);
  if (find("#above")) address.searchParams.set("from", rows()[0]?.dataset.id ?? "");
  const answer = await part(address, "rows");
  if (!answer.ok || list !== find("#list")) return;
  merge(shownRows, all("li", parsed(await answer.text())));
  if (shownRows.children.length) find("#list-empty")?.remove();
  showPicked();
}

function merge(shownRows, fresh) {
  const scroller = find(".list-scroll");
  const first = scroller.scrollTop > 0 && rows().find((row) => row.offsetTop + row.offsetHeight > scroller.scrollTop + scroller.offsetTop);
  const before = first && first.getBoundingClientRect().top;
  const more = fresh.find((item) => item.id === "more");
  const above = fresh.find((item) => item.id === "above");
  if (above) fresh.splice(fresh.indexOf(above), 1);
  else find("#above")?.remove();
  const wanted = new Set(fresh.map((item) => item.id));
  const focused = document.activeElement?.closest?.(".row")?.id;
  const come = [];
  let place = find("#above")?.nextElementSibling ?? shownRows.firstElementChild;
  for (const item of fresh) {
    if (item === more) break;
    const old = document.getElementById(item.id);
    if (!old) {
      shownRows.insertBefore(document.adoptNode(item), place);
      htmx.process(item);
      come.push(item);
      continue;
    }
    while (place && place !== old && !wanted.has(place.id) && !place.classList.contains("more")) place = dropped(place);
    if (old !== place) shownRows.insertBefore(old, place);
    else place = place.nextElementSibling;
    renew(old, item);
  }
  if (!more) while (place) place = dropped(place);
  else if (!find("#more") && shownRows.children.length >= 50 && !place) {
    shownRows.append(document.adoptNode(more));
    htmx.process(more);
  }
  if (first?.isConnected) {
    scroller.scrollTop += first.getBoundingClientRect().top - before;
    tellArrived(come.filter((item) => item.compareDocumentPosition(first) & Node.DOCUMENT_POSITION_FOLLOWING).length);
  }
  if (focused) find(`#${focused} a`)?.focus({ preventScroll: true });
}

// --- What came above the place one is reading at is told, and found at the top.
function tellArrived(number) {
  const button = find("#arrived");
  const count = Number(button?.dataset.count ?? 0) + number;
  if (!button || !count) return;
  button.dataset.count = count;
  find("span", button).textContent = count === 1 ? button.dataset.one : button.dataset.many.replace("{n}", count);
  button.hidden = false;
}

document.addEventListener("click", (event) => {
  if (!event.target.closest?.("#arrived")) return;
  find(".list-scroll").scrollTop = 0;
  find("#rows > .row a")?.focus({ preventScroll: true });
});
document.addEventListener("scroll", (event) => {
  const button = find("#arrived");
  if (!button || button.hidden || !event.target.matches?.(".list-scroll") || event.target.scrollTop > 8) return;
  button.hidden = true;
  delete button.dataset.count;
}, true);

function renew(old, item) {
  old.className = item.className;
  const [had, has] = [find("a", old), find("a", item)];
  if (had.textContent !== has.textContent || had.childElementCount !== has.childElementCount || find(".row-marks", had).childElementCount !== find(".row-marks", has).childElementCount)
    had.replaceChildren(...has.childNodes);
}

function dropped(element) {
  const next = element.nextElementSibling;
  element.remove();
  return next;
}

// --- A phone: a long press selects.
holding("#rows > .row", togglePick);

export const isPhone = () => matchMedia("(max-width: 760px)").matches || body().dataset.preview === "off";
