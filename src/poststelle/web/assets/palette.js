// The palette: one box for everything with a name. It goes there, or chooses a folder, a tag or a colleague for messages.

import { all, body, find } from "./dom.js";

let items = [];
let choose = null;
let searching = false;
let near = "";

const fold = (text) => text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase();
const words = (name) => find("#palette").dataset[name];
const about = (name, text) => words(name).replace("{text}", () => text);

async function fetched(address) {
  const answer = await fetch(address);
  return answer.ok ? answer.json() : {};
}

function open(placeholder, some, chosen, search) {
  const dialog = find("#palette");
  [items, choose, searching, near] = [some, chosen, search, ""];
  const text = find("input", dialog);
  text.value = "";
  text.placeholder = placeholder;
  if (!dialog.open) dialog.showModal();
  text.focus();
  draw();
}

export async function openPalette() {
  open(words("wordsGo"), [], go, true);
  items = (await fetched(body().dataset.palette)).items ?? [];
  if (find("#palette").open) draw();
}

// `from`: the folder it lies in. Every mailbox has an archive: that of the same mailbox is meant first.
export async function chooseFolder(verb, from, then) {
  open(words(verb === "copy" ? "wordsCopy" : "wordsMove"), [], (one) => then(one.folder), false);
  items = ((await fetched(body().dataset.palette)).items ?? []).filter((one) => one.folder);
  near = items.find((one) => one.folder === from)?.hint ?? "";
  draw();
}

export async function chooseTag(then) {
  const chosen = (one) => then(one.keyword ? { keyword: one.keyword } : { name: one.tag });
  open(words("wordsTag"), [], chosen, false);
  const found = await fetched(find("#acts")?.dataset.targets ?? "/mail/targets/");
  items = [...(found.tags ?? []), { fresh: "wordsNewTag" }];
  draw();
}

export async function choosePerson(message, then) {
  open(words("wordsAssign"), [], (one) => then(one.user), false);
  const found = await fetched(`${find("#acts")?.dataset.targets ?? "/mail/targets/"}?message=${message}`);
  items = [...(found.people ?? []), { name: words("wordsNobody"), user: "" }];
  draw();
}

function go(one) {
  location.assign(one.url);
}

// How well a name fits what is typed: at its beginning, at the beginning of a word, anywhere, letter by letter.
function fit(one, typed) {
  if (!typed) return 1;
  const name = fold(one.name);
  const whole = fold(`${one.name} ${one.hint ?? ""} ${one.group ?? ""}`);
  if (name.startsWith(typed)) return 5;
  if (name.split(/[\s/:.-]+/).some((word) => word.startsWith(typed))) return 4;
  if (typed.split(/\s+/).every((word) => whole.includes(word))) return 3;
  let at = 0;
  for (const letter of name) if (letter === typed[at]) at += 1;
  return at === typed.length ? 1 : 0;
}

function draw() {
  const dialog = find("#palette");
  const text = find("input", dialog).value.trim();
  const typed = fold(text);
  const fresh = items.find((one) => one.fresh);
  const found = items.filter((one) => one.name).map((one) => [fit(one, typed), one]).filter(([how]) => how);
  for (const one of found) if (near && one[1].hint === near) one[0] += 0.5;
  const best = found.sort(([one], [other]) => other - one).slice(0, 40).map(([, one]) => one);
  if (searching && text) {
    const query = `${dialog.dataset.search}?q=`;
    best.push({ name: about("wordsSearch", text), url: query + encodeURIComponent(text) });
    best.push({ name: about("wordsSender", text), url: `${query}from:${encodeURIComponent(`"${text}"`)}` });
  }
  if (fresh && text && !items.some((one) => one.name && fold(one.name) === typed)) best.push({ name: about(fresh.fresh, text), tag: text });
  find("ul", dialog).replaceChildren(...best.map(line));
  mark(0);
}

function line(one, at) {
  const item = document.createElement("li");
  item.role = "option";
  item.id = `palette-${at}`;
  const name = document.createElement("span");
  if (one.colour) name.insertAdjacentElement("afterbegin", swatch(one.colour));
  name.append(one.name);
  const hint = document.createElement("small");
  hint.textContent = [one.hint, one.group].filter(Boolean).join(" · ");
  item.append(name, ...(hint.textContent ? [hint] : []));
  item.addEventListener("click", () => take(one));
  item.addEventListener("pointermove", () => mark(at));
  item.chosen = one;
  return item;
}

function swatch(colour) {
  const shown = document.createElement("i");
  shown.className = `swatch ${colour}`;
  return shown;
}

function mark(at) {
  const lines = all("#palette-list li");
  const bounded = Math.min(Math.max(at, 0), lines.length - 1);
  lines.forEach((item, number) => (item.ariaSelected = String(number === bounded)));
  lines[bounded]?.scrollIntoView({ block: "nearest" });
  find("#palette-text").setAttribute("aria-activedescendant", lines.length ? `palette-${bounded}` : "");
}

function take(one) {
  find("#palette").close();
  choose(one);
}

document.addEventListener("input", (event) => {
  if (event.target.id === "palette-text") draw();
});

document.addEventListener("keydown", (event) => {
  if (event.target.id !== "palette-text") return;
  const lines = all("#palette-list li");
  const at = lines.findIndex((item) => item.ariaSelected === "true");
  if (event.key === "ArrowDown") mark(at + 1);
  else if (event.key === "ArrowUp") mark(at - 1);
  else if (event.key === "Enter" && lines[at]) take(lines[at].chosen);
  else return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-palette-open]")) openPalette();
  // A click beside the box closes it.
  if (event.target.id === "palette") event.target.close();
});
