// The keyboard map of `?`. Letters work wherever nobody is typing.

import { all, find, TYPING } from "./dom.js";
import { act, toggle, undo } from "./acting.js";
import { closeMessage, picked, pickAll, rows, step, togglePick } from "./list.js";
import { openPalette } from "./palette.js";

const focusedRow = () => document.activeElement?.closest?.("#rows > .row") ?? find('#rows > .row[aria-current="true"]');
const GO = { i: "/mail/l/inbox/", m: "/mail/l/mine/", w: "/mail/l/follow-up/", s: "/mail/l/role:sent/", d: "/mail/l/role:drafts/", o: "/outbox/" };
const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  x: () => togglePick(focusedRow()),
  "*": () => pickAll(picked().length < rows().length),
  e: () => act("archive"),
  "#": () => act("delete"),
  Delete: () => act("delete"),
  "!": () => act(find("#acts [value=wanted]") ? "wanted" : "spam"),
  v: () => act("move"),
  l: () => act("tag"),
  i: () => act("assign"),
  n: startNote,
  z: undo,
  "?": () => find("#keys")?.showModal(),
  "/": () => find("#search")?.select(),
  u: () => (picked().length || !press("u") ? toggle("unread", "read", "unread") : null),
  s: () => (picked().length || !press("s") ? toggle("flag", "unflag", "flagged") : null),
  Escape: () => (picked().length ? pickAll(false) : closeMessage()),
};
let going = 0;

function press(key) {
  const button = find(`[data-key="${key}"]`);
  button?.click();
  return Boolean(button);
}

function startNote() {
  const box = find(".note-box");
  if (!box) return;
  box.open = true;
  find("#new-note").focus();
}

function go(key) {
  going = 0;
  if (key === "t") return (find("#tree .twig[aria-current]") ?? find("#tree .twig"))?.focus();
  if (!GO[key]) return;
  const link = all("#tree a.twig").find((one) => one.getAttribute("href") === GO[key]);
  if (link) link.click();
  else location.assign(GO[key]);
}

document.addEventListener("keydown", (event) => {
  const strong = event.ctrlKey || event.metaKey;
  if (strong && event.key === "Enter") return find("[data-send]")?.click();
  if (strong && event.key.toLowerCase() === "k" && find("#palette")) {
    event.preventDefault();
    return openPalette();
  }
  if (strong || event.altKey || event.target.closest?.(TYPING) || find("dialog[open]") || find("#context:popover-open")) return;
  if (going) {
    clearTimeout(going);
    go(event.key);
  } else if (event.key === "g" && find("#tree")) going = setTimeout(() => (going = 0), 1500);
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
  else if (!/^[a-z]$/.test(event.key) || !press(event.key)) return;
  event.preventDefault();
});
