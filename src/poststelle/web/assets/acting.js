// Acting on messages: the selection, else the row in focus, else the open message. Shown at once, taken back for ten seconds.

import { all, body, complain, fieldsOf, find, lookAgain, post } from "./dom.js";
import { closeMessage, everythingPicked, isPhone, opened, openRow, picked, pickAll, rows } from "./list.js";
import { chooseFolder, choosePerson, chooseTag } from "./palette.js";

const LEAVING = new Set(["move", "archive", "spam", "wanted", "delete"]);
const PORTION = 500;
let stopped = false;
let accepted = null;

export function targets() {
  const some = picked();
  if (some.length) return some.map((row) => row.dataset.id);
  const focused = document.activeElement?.closest?.("#rows > .row");
  const open = opened();
  const one = open ?? focused?.dataset.id;
  return one ? [one] : [];
}

export async function act(verb, more = {}, ids = targets()) {
  if (!ids.length) return;
  // Nobody chooses a folder or a colleague to hear afterwards that nothing may be changed here.
  const { refused } = find("#marks")?.dataset ?? {};
  if (refused && verb !== "copy" && ids.length === 1 && ids[0] === opened()) return complain(refused);
  if ((verb === "move" || verb === "copy") && !more.target) return chooseFolder(verb, folderOf(ids[0]), (target) => act(verb, { target }, ids));
  if (verb === "tag" && !more.keyword && !more.name) return chooseTag((tag) => act(verb, tag, ids));
  if (verb === "assign" && !("user" in more)) return choosePerson(ids[0], (user) => act(verb, { user }, ids));
  const whole = everythingPicked();
  const list = find("#list");
  const there = { where: list?.dataset.where ?? "", only: list?.dataset.only ?? "", threads: list?.dataset.threads ?? "0" };
  showAtOnce(verb, ids, whole);
  await carryOut(verb, more, ids, whole, there);
}

const folderOf = (id) => (rows().find((row) => row.dataset.id === id) ?? find("#marks"))?.dataset.folder;

// Where a folder for it is missing the server offers to make one: accepted, the same is done again.
async function carryOut(verb, more, ids, whole, there) {
  const fields = { verb, ids: ids.join(" "), ...there, ...more };
  const answer = whole ? await bulk(verb, more, there) : await post(body().dataset.handle, fieldsOf(fields));
  if (answer?.headers.has("X-Offer")) accepted = () => carryOut(verb, { ...more, create: "1" }, ids, whole, there);
  lookAgain();
}

// What one sees before the server has answered; the journal corrects it.
function showAtOnce(verb, ids, whole) {
  const chosen = rows().filter((row) => whole || ids.includes(row.dataset.id));
  if (verb === "read" || verb === "unread") for (const row of chosen) row.classList.toggle("unread", verb === "unread");
  if (verb === "flag" || verb === "unflag") for (const row of chosen) row.classList.toggle("flagged", verb === "flag");
  if (LEAVING.has(verb) && find("#list")?.dataset.where) leave(chosen, ids);
  if (picked().length) pickAll(false);
}

function leave(chosen, ids) {
  const some = rows();
  const open = opened();
  const goes = ids.includes(open);
  const at = some.findIndex((row) => row.dataset.id === open || chosen.includes(row));
  for (const row of chosen) row.remove();
  const next = rows()[Math.min(Math.max(at, 0), rows().length - 1)];
  if (!goes) return next && find("a", next).focus({ preventScroll: true });
  if (next && !isPhone()) openRow(next);
  else closeMessage();
}

// Everything a list holds, in portions, so that one sees how far it is and can stop.
async function bulk(verb, more, there) {
  const bar = find("#bulk");
  const acts = find("#acts");
  const list = there.where ? { where: there.where, only: there.only } : { q: find("#list").dataset.query };
  const query = new URLSearchParams(list);
  const answer = await fetch(`${acts.dataset.choose}?${query}`);
  if (!answer.ok) return;
  const { ids } = await answer.json();
  const tokens = [];
  let count = 0;
  stopped = false;
  for (let at = 0; at < ids.length && !stopped; at += PORTION) {
    bar.hidden = false;
    find("progress", bar).value = at / ids.length;
    find("small", bar).textContent = `${at} / ${ids.length}`;
    const portion = ids.slice(at, at + PORTION).join(" ");
    const last = at + PORTION >= ids.length;
    const fields = { verb, ids: portion, ...more, token: tokens, so_far: count, silent: last ? undefined : "1" };
    const done = await post(body().dataset.handle, fieldsOf(fields));
    if (!done) break;
    if (done.headers.has("X-Offer")) {
      bar.hidden = true;
      return done;
    }
    count += Number(done.headers.get("X-Count"));
    tokens.splice(0, tokens.length, ...(done.headers.get("X-Undo") ?? "").split(" ").filter(Boolean));
  }
  bar.hidden = true;
  if (stopped) await post(body().dataset.handle, fieldsOf({ verb, ids: "", ...more, token: tokens, so_far: count }));
}

export async function undo() {
  find("#notes form[data-undo]")?.requestSubmit();
}

// A verb that depends on what is there: read what is unread, star what has no star.
export function toggle(verb, other, mark) {
  const ids = targets();
  const row = rows().find((one) => one.dataset.id === ids[0]);
  const marks = find("#marks");
  const has = row ? row.classList.contains(mark) : marks?.dataset[mark] === "1";
  return act(has ? other : verb, {}, ids);
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.id === "acts") {
    event.preventDefault();
    await act(event.submitter.value);
  } else if (form.matches("[data-undo]")) {
    event.preventDefault();
    const fields = new FormData(form);
    form.closest(".note").remove();
    await post(form.getAttribute("action"), fields);
    lookAgain();
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-verb]");
  if (button) act(button.dataset.verb, {}, [button.closest("[data-one]").dataset.one]);
  if (event.target.closest?.("[data-stop]")) stopped = true;
  const accept = event.target.closest?.("[data-accept]");
  if (accept) {
    accept.closest(".note").remove();
    accepted?.();
  }
});

// --- Rows are dragged onto folders: moved, with Ctrl or Alt copied.
let dragged = [];
document.addEventListener("dragstart", (event) => {
  const row = event.target.closest?.("#rows > .row");
  if (!row || !find("#acts")) return;
  dragged = picked().includes(row) ? picked().map((one) => one.dataset.id) : [row.dataset.id];
  event.dataTransfer.setData("text/x-poststelle-messages", dragged.join(" "));
  event.dataTransfer.effectAllowed = "copyMove";
});

const folderUnder = (event) => event.target.closest?.(".twig-line[data-kind=folder]");
const isMail = (event) => event.dataTransfer?.types.includes("text/x-poststelle-messages");
document.addEventListener("dragover", (event) => {
  for (const line of all(".twig-line.drop-into")) line.classList.remove("drop-into");
  if (!isMail(event) || !folderUnder(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = event.ctrlKey || event.altKey ? "copy" : "move";
  folderUnder(event).classList.add("drop-into");
});
document.addEventListener("drop", (event) => {
  const line = folderUnder(event);
  if (!isMail(event) || !line) return;
  event.preventDefault();
  line.classList.remove("drop-into");
  act(event.ctrlKey || event.altKey ? "copy" : "move", { target: line.dataset.id }, dragged);
});

