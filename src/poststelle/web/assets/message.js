// The reading pane: menus that drop down close when one looks elsewhere or has chosen; in the dark a mail may lie on white paper.

const SHADED = "iframe.body:not(.white)";
const opened = () => document.querySelectorAll("details.drop[open]");

document.addEventListener("click", (event) => {
  for (const drop of opened()) if (!drop.contains(event.target) || event.target.closest("[data-verb]")) drop.open = false;
  event.target.closest?.("[data-look-away]")?.closest(".look").remove();
  if (!event.target.closest?.("button[data-paper]")) return;
  const root = document.documentElement;
  root.dataset.paper = root.dataset.paper === "white" ? "" : "white";
  localStorage.setItem("paper", root.dataset.paper);
  shade();
});

document.addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "Escape") return;
    for (const drop of opened()) {
      drop.open = false;
      drop.querySelector("summary").focus();
      event.stopPropagation();
    }
  },
  true,
);

// A frame cannot see which theme somebody chose here, nor be reached into: the fragment of its address tells it.
function shade() {
  const white = document.documentElement.dataset.paper === "white";
  for (const button of document.querySelectorAll("button[data-paper]")) button.ariaPressed = String(white);
  document.querySelectorAll(SHADED).forEach(tint);
}

function tint(frame) {
  const root = document.documentElement;
  const wanted = root.dataset.paper === "white" ? "light" : root.dataset.theme;
  const [address, now] = frame.getAttribute("src").split("#");
  if ((frame.dataset.shade ?? now ?? "auto") === wanted) return;
  frame.dataset.shade = wanted;
  frame.contentWindow.location.replace(`${new URL(address, location.href)}#${wanted}`);
}

// What it was told before it had loaded may have come too early.
document.addEventListener(
  "load",
  ({ target }) => {
    if (!target.matches?.(SHADED)) return;
    delete target.dataset.shade;
    tint(target);
  },
  true,
);

document.documentElement.dataset.paper = localStorage.getItem("paper") ?? "";
document.addEventListener("htmx:after:swap", shade);
shade();
