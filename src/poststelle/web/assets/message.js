// The reading pane: menus that drop down close when one looks elsewhere.

const opened = () => document.querySelectorAll("details.drop[open]");

document.addEventListener("click", (event) => {
  for (const drop of opened()) if (!drop.contains(event.target)) drop.open = false;
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
