// What a tab remembers: the list one was at, in each list how far down and at which row, and what was ticked when the page is loaded anew.

import { all, body, find, htmx, parsed, part } from "./dom.js";
import { opened, pickThese, picked, rows } from "./list.js";

const PAGES = 10;
let known = null;
let waiting = 0;
let quiet = false;

// Another person at this tab has their own memory.
const key = (name) => `${body().dataset.person}.${name}`;
const read = (name) => JSON.parse(sessionStorage.getItem(key(name)) || "null");
const keep = (name, value) => sessionStorage.setItem(key(name), JSON.stringify(value));
const address = () => find("#list")?.dataset.rows;
const scroller = () => find("#list .list-scroll");

function topmost() {
  const top = scroller().getBoundingClientRect().top;
  const row = rows().find((one) => one.getBoundingClientRect().bottom > top + 1);
  return row && { row: row.dataset.id, offset: Math.round(row.getBoundingClientRect().top - top) };
}

export function rememberList() {
  waiting = 0;
  if (!address() || quiet) return;
  const scrolled = scroller().scrollTop > 0 || find("#above") ? topmost() : null;
  keep(`list.${address()}`, { ...scrolled, at: opened() ?? read(`list.${address()}`)?.at });
  keep("place", location.pathname + location.search);
}

document.addEventListener("scroll", (event) => {
  if (event.target === scroller() && !waiting) waiting = setTimeout(rememberList, 200);
}, true);

// Called whenever something was put into the page: a list that has just come is put where it was left.
export async function resumeList() {
  const list = find("#list");
  if (list === known) return rememberList();
  known = list;
  const kept = address() && read(`list.${address()}`);
  if (kept?.at) rows().find((row) => row.dataset.id === kept.at)?.setAttribute("data-last", "");
  // Beside an open message the list stands where that message is; what was found stands as it was left.
  if (kept?.row && (!opened() || !list.dataset.where)) await goBack(list, kept);
  rememberList();
}

// What was found has no place of its own in a list: it is read again from the top.
async function loadMore() {
  const more = find("#more");
  more.removeAttribute("hx-trigger");
  const answer = await part(find("a", more).href, "more");
  if (!answer.ok || !more.isConnected) return more.remove();
  more.replaceWith(...all("li", parsed(await answer.text())).map((item) => document.adoptNode(item)));
  htmx.process(find("#rows"));
}

async function goBack(list, { row, offset }) {
  quiet = true;
  try {
    if (!list.dataset.where) {
      for (let page = 0; page < PAGES && !document.getElementById(`row-${row}`) && find("#more"); page += 1) await loadMore();
    } else if (!document.getElementById(`row-${row}`)) {
      const from = new URL(address(), location.href);
      from.searchParams.set("from", row);
      const answer = await part(from, "rows");
      if (!answer.ok || list !== find("#list")) return;
      const fresh = all("li", parsed(await answer.text())).map((item) => document.adoptNode(item));
      find("#rows").replaceChildren(...fresh);
      htmx.process(find("#rows"));
    }
    const found = document.getElementById(`row-${row}`);
    if (found) scroller().scrollTop += found.getBoundingClientRect().top - scroller().getBoundingClientRect().top - offset;
  } finally {
    quiet = false;
  }
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  // The list one is in, chosen once more, is shown from its top.
  if (event.target.closest?.("#tree a.twig[aria-current]") && address()) {
    sessionStorage.removeItem(key(`list.${address()}`));
    quiet = true;
    setTimeout(() => (quiet = false), 1000);
  }
  // From the other pages the office's name leads back to the mail one was at.
  const home = event.target.closest?.("a.office");
  if (home && !find("#list") && read("place")) home.href = read("place");
}, true);

addEventListener("pagehide", () => {
  rememberList();
  const ids = picked().map((row) => row.dataset.id);
  if (address()) keep("ticked", { list: address(), ids });
});

export function resumeTicks() {
  const kept = read("ticked");
  if (kept?.ids.length && kept.list === address()) pickThese(kept.ids);
}
