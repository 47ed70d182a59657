// The reading pane: menus that drop down close when one looks elsewhere or has chosen; in the dark a mail may lie on white paper.

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
  const root = document.documentElement;
  const white = root.dataset.paper === "white";
  for (const button of document.querySelectorAll("button[data-paper]")) button.ariaPressed = String(white);
  const wanted = white ? "light" : root.dataset.theme;
  for (const frame of document.querySelectorAll("iframe.body:not(.white)")) {
    const [address, now] = frame.getAttribute("src").split("#");
    if ((frame.dataset.shade ?? now ?? "auto") === wanted) continue;
    frame.dataset.shade = wanted;
    frame.contentWindow.location.replace(`${new URL(address, location.href)}#${wanted}`);
  }
}

document.documentElement.dataset.paper = localStorage.getItem("paper") ?? "";
document.addEventListener("htmx:after:swap", shade);
shade();
