// The tree under somebody's hands: the menu of an entry, arranging by dragging and by keyboard, questions before a deed.

import { all, body, fieldsOf, find, htmx, lookAgain, parsed, part, post } from "./dom.js";
import { holding } from "./holding.js";

const lineOf = (element) => element?.closest?.(".twig-line");
const mayArrange = (line) => line.dataset.tree === "own" || "arrange" in line.closest(".twigs").dataset;
const canMove = (line) => mayArrange(line) && ("manual" in line.dataset || line.dataset.kind === "account");

// --- The menu: right click, long press, Shift+F10 or the menu key.
async function openMenu(line, x, y) {
  const menu = find("#context");
  const { tree, key } = line.dataset;
  const answer = await part(`${body().dataset.menu}?${new URLSearchParams({ tree, key })}`, "context");
  if (!answer.ok) return false;
  menu.replaceChildren(...parsed(await answer.text()).childNodes);
  htmx.process(menu);
  menu.showPopover();
  const { offsetWidth, offsetHeight } = menu;
  menu.style.left = `${Math.max(4, Math.min(x, innerWidth - offsetWidth - 8))}px`;
  menu.style.top = `${Math.max(4, Math.min(y, innerHeight - offsetHeight - 8))}px`;
  menu.of = line.id;
  find("[role=menuitem]", menu)?.focus();
  return true;
}

document.addEventListener("contextmenu", (event) => {
  const line = lineOf(event.target);
  if (!line) return;
  event.preventDefault();
  const box = line.getBoundingClientRect();
  const byKey = event.button !== 2 || !event.clientX;
  openMenu(line, byKey ? box.left + 24 : event.clientX, byKey ? box.top + 28 : event.clientY);
});

// The menu opens when the finger leaves: shown under it, it would close again with it.
holding(".twig-line", () => {}, (line, { clientX, clientY }) => openMenu(line, clientX, clientY));

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(".menu");
  if (menu && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const entries = all("[role=menuitem]", menu);
    const at = entries.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    entries[(at + entries.length) % entries.length].focus();
    return event.preventDefault();
  }
  const line = lineOf(event.target);
  if (!line || !event.key.startsWith("Arrow")) return;
  if (event.altKey) {
    event.preventDefault();
    return arrange(line, event.key);
  }
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const twigs = all("#tree .twig");
    twigs[twigs.indexOf(find(".twig", line)) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  } else {
    const fold = find(".fold", line);
    if (!fold || (fold.ariaExpanded === "true") === (event.key === "ArrowRight")) return;
    fold.click();
  }
  event.preventDefault();
});

// By keyboard an entry goes where its menu would put it.
async function arrange(line, key) {
  const wish = { ArrowUp: "up", ArrowDown: "down", ArrowRight: "below", ArrowLeft: "out" }[key];
  const id = line.id;
  const answer = await part(`${body().dataset.menu}?${new URLSearchParams({ tree: line.dataset.tree, key: line.dataset.key })}`, "context");
  const form = answer.ok && find(`form[data-arrange=${wish}]`, parsed(await answer.text()));
  if (!form) return;
  await post(form.getAttribute("action"), new FormData(form));
  await redraw();
  const again = document.getElementById(id) ?? find(`[data-id="${line.dataset.id}"]`);
  find(".twig", again)?.focus();
}

async function redraw() {
  await htmx.ajax("GET", body().dataset.tree, { target: "#tree", swap: "outerMorph" });
}

// --- Quiet forms: asked first where they want a name or an agreement, posted in the background.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches?.("form[data-quiet]")) return;
  event.preventDefault();
  const { ask, name, sure } = form.dataset;
  const fields = new FormData(form);
  const context = find("#context");
  if (context?.contains(form)) context.hidePopover();
  if (ask) {
    const said = await question(ask, name ?? "");
    if (said === null) return;
    fields.set("name", said);
  } else if (sure && (await question(sure, undefined, event.submitter?.textContent)) === null) return;
  if (await post(form.getAttribute("action"), fields)) {
    await redraw();
    lookAgain();
  }
});

// `deed`: what happens for good, as the button says it that led here.
function question(title, value, deed) {
  const dialog = find("#ask");
  const yes = find("[value=yes]", dialog);
  yes.dataset.words ??= yes.textContent;
  yes.textContent = deed?.trim().replace(/\s*…$/, "") || yes.dataset.words;
  yes.classList.toggle("danger", Boolean(deed));
  const text = find("input", dialog);
  find("h2", dialog).textContent = title;
  text.hidden = text.disabled = value === undefined;
  text.value = value ?? "";
  dialog.returnValue = "";
  dialog.showModal();
  text.select();
  return new Promise((answered) => {
    dialog.addEventListener("close", () => answered(dialog.returnValue === "yes" ? text.value : null), { once: true });
  });
}

// --- Dragging: before, after or below an entry, within a tree; an account or folder of the shared tree into one's own.
const TYPE = "text/x-poststelle-twig";
let dragged = null;
document.addEventListener("dragstart", (event) => {
  const line = lineOf(event.target);
  if (!line) return;
  dragged = line;
  event.dataTransfer.setData(TYPE, line.dataset.key);
  event.dataTransfer.effectAllowed = "copyMove";
});

function spotOf(event, line) {
  const box = line.getBoundingClientRect();
  const part = (event.clientY - box.top) / box.height;
  return part < 0.3 ? "before" : part > 0.7 ? "after" : "below";
}

const allowed = (line) => line && line !== dragged && canMove(line) && (line.dataset.tree !== dragged.dataset.tree || canMove(dragged));
function clear() {
  for (const line of all(".twig-line[data-drop]")) delete line.dataset.drop;
}

document.addEventListener("dragover", (event) => {
  if (!event.dataTransfer?.types.includes(TYPE) || !dragged) return;
  clear();
  const line = lineOf(event.target);
  const own = event.target.closest?.("#tree");
  if (allowed(line)) line.dataset.drop = spotOf(event, line);
  else if (!own || line || canMove(dragged)) return;
  event.preventDefault();
});
document.addEventListener("dragend", clear);
document.addEventListener("drop", async (event) => {
  if (!event.dataTransfer?.types.includes(TYPE) || !dragged) return;
  event.preventDefault();
  const line = lineOf(event.target);
  const target = allowed(line) ? { anchor: line.dataset.key, spot: spotOf(event, line) } : {};
  const tree = target.anchor ? line.dataset.tree : "own";
  clear();
  const { key, kind, id } = dragged.dataset;
  const moved = dragged.dataset.tree === tree && canMove(dragged);
  const fields = moved ? { tree, key, ...target } : { tree, kind, id, ...target };
  if (await post(moved ? body().dataset.move : body().dataset.mount, fieldsOf(fields))) await redraw();
});
