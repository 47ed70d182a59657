// Panes remember their widths, and the list its height where mail is read below it.

import { find } from "./dom.js";

const root = document.documentElement;
for (const pane of ["sidebar", "list", "list-height"]) {
  const size = localStorage.getItem(`pane.${pane}`);
  if (size) root.style.setProperty(`--${pane}`, `${size}px`);
}

const isFlat = (divider) => divider.ariaOrientation === "horizontal";
const along = (event, divider) => (isFlat(divider) ? event.clientY : event.clientX);

function sizeOf(divider) {
  const box = find(divider.dataset.pane === "sidebar" ? ".sidebar" : ".list");
  return box.getBoundingClientRect()[isFlat(divider) ? "height" : "width"];
}

function setSize(divider, size) {
  const { ariaValueMin, ariaValueMax, dataset } = divider;
  const kept = Math.round(Math.min(Math.max(size, ariaValueMin), ariaValueMax));
  root.style.setProperty(`--${dataset.pane}`, `${kept}px`);
  localStorage.setItem(`pane.${dataset.pane}`, kept);
  divider.ariaValueNow = kept;
}

document.addEventListener("pointerdown", (event) => {
  const divider = event.target.closest?.(".divider");
  if (!divider) return;
  const start = along(event, divider);
  const size = sizeOf(divider);
  const drag = (move) => setSize(divider, size + along(move, divider) - start);
  divider.setPointerCapture(event.pointerId);
  divider.addEventListener("pointermove", drag);
  divider.addEventListener("pointerup", () => divider.removeEventListener("pointermove", drag), { once: true });
  event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  const divider = event.target.closest?.(".divider");
  if (!divider || event.ctrlKey || event.metaKey || event.altKey) return;
  const [less, more] = isFlat(divider) ? ["ArrowUp", "ArrowDown"] : ["ArrowLeft", "ArrowRight"];
  if (event.key !== less && event.key !== more) return;
  setSize(divider, sizeOf(divider) + (event.key === less ? -16 : 16));
  event.preventDefault();
});
