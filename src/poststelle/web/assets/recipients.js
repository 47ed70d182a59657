// Address fields: people one has had to do with are offered, lists can be pasted, and what is no address is marked.

import { all, find } from "./dom.js";
import { suggesting } from "./suggesting.js";

const BOX = "input[data-people]";
const COMPLETE = /^[^\s@<>,;"]+@[^\s@<>,;"]+$|<[^\s@<>]+@[^\s@<>]+>\s*$/;
const isOne = (box) => "one" in box.dataset;

// The pieces of a list, with where each begins: commas and semicolons separate, except in quotes.
function pieces(text) {
  const found = [{ from: 0, text: "" }];
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === '"') quoted = !quoted;
    if (!quoted && (letter === "," || letter === ";")) found.push({ from: at + 1, text: "" });
    else found.at(-1).text += letter;
  }
  return found;
}

// What is being typed: the piece the caret stands in.
function typed(box) {
  if (isOne(box)) return { from: 0, text: box.value };
  return pieces(box.value).findLast((piece) => piece.from <= box.selectionStart);
}

suggesting(BOX, {
  ends: ",;",
  asked(box) {
    const words = typed(box).text.replaceAll('"', " ").trim();
    return words && !/<.*>/.test(words) ? `${box.dataset.people}?${new URLSearchParams({ q: words })}` : null;
  },
  // Whoever has typed a whole address means that one.
  first: (box) => !COMPLETE.test(typed(box).text.trim()),
  take(box, item) {
    const { whole, address } = item.dataset;
    if (isOne(box)) {
      box.value = address;
      return;
    }
    const piece = typed(box);
    const end = piece.from + piece.text.length;
    const rest = box.value.slice(end).replace(/^[,;]\s*/, "");
    const before = `${box.value.slice(0, piece.from)}${piece.from ? " " : ""}${whole}, `;
    box.value = before + rest;
    box.setSelectionRange(before.length, before.length);
  },
});

// One line cannot hold lines: a pasted column becomes a list.
document.addEventListener("paste", (event) => {
  const box = event.target;
  const pasted = event.clipboardData?.getData("text") ?? "";
  if (!box.matches?.(BOX) || isOne(box) || !/[\r\n\t]/.test(pasted.trim())) return;
  event.preventDefault();
  const list = pasted.split(/[\r\n\t]+/).map((line) => line.trim().replace(/[,;]$/, "")).filter(Boolean).join(", ");
  box.setRangeText(list, box.selectionStart, box.selectionEnd, "end");
  box.dispatchEvent(new Event("input", { bubbles: true }));
});

function check(box) {
  const wrong = pieces(box.value).map((piece) => piece.text.trim()).filter((text) => text && !COMPLETE.test(text));
  const line = box.closest(".line, .field");
  find("[data-no-address]", line)?.remove();
  line.classList.toggle("wrong", wrong.length > 0 || Boolean(find(".error", line)));
  if (!wrong.length) {
    if (!find(".error", line)) box.removeAttribute("aria-invalid");
    return;
  }
  const told = document.createElement("p");
  told.className = "error";
  told.id = `${box.id}-wrong`;
  told.dataset.noAddress = "";
  told.setAttribute("role", "alert");
  told.textContent = `${box.dataset.words} ${wrong.join(", ")}`;
  line.append(told);
  box.ariaInvalid = "true";
  box.setAttribute("aria-describedby", told.id);
}

// The complaint moves what stands below it: a click that is under way there must not miss.
let pressed = false;
document.addEventListener("pointerdown", () => (pressed = true), true);
for (const ended of ["pointerup", "pointercancel"]) document.addEventListener(ended, () => (pressed = false), true);
document.addEventListener("focusout", ({ target }) => {
  if (!target.matches?.(BOX) || isOne(target)) return;
  if (pressed) document.addEventListener("pointerup", () => setTimeout(check, 0, target), { once: true });
  else check(target);
});
document.addEventListener("input", (event) => {
  if (event.target.matches?.(BOX) && find("[data-no-address]", event.target.closest(".line, .field"))) check(event.target);
});
