// Panes remember their widths.

import { find } from "./dom.js";

const root = document.documentElement;
for (const pane of ["sidebar", "list"]) {
  const width = localStorage.getItem(`pane.${pane}`);
  if (width) root.style.setProperty(`--${pane}`, `${width}px`);
}

function setWidth(divider, width) {
  const { ariaValueMin, ariaValueMax, dataset } = divider;
  const kept = Math.round(Math.min(Math.max(width, ariaValueMin), ariaValueMax));
  root.style.setProperty(`--${dataset.pane}`, `${kept}px`);
  localStorage.setItem(`pane.${dataset.pane}`, kept);
  divider.ariaValueNow = kept;
}

const widthOf = (divider) => find(`.${divider.dataset.pane}`).getBoundingClientRect().width;

document.addEventListener("pointerdown", (event) => {
  const divider = event.target.closest?.(".divider");
  if (!divider) return;
  const start = event.clientX;
  const width = widthOf(divider);
  const drag = (move) => setWidth(divider, width + move.clientX - start);
  divider.setPointerCapture(event.pointerId);
  divider.addEventListener("pointermove", drag);
  divider.addEventListener("pointerup", () => divider.removeEventListener("pointermove", drag), { once: true });
  event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  const divider = event.target.closest?.(".divider");
  if (!divider || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  setWidth(divider, widthOf(divider) + (event.key === "ArrowLeft" ? -16 : 16));
  event.preventDefault();
});
