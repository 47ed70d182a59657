// A finger that stays: answered while it is still there, and once more when it leaves. No click, menu or dragging of the browser follows.

const LONG = 500;

// `hold(element)` when it has stayed on something the selector matches, `leave(element, touch)` when it leaves after that.
export function holding(selector, hold, leave = () => {}) {
  let touched = null;
  let waiting = 0;

  function stay() {
    clearTimeout(waiting);
    if (touched.classList.contains("held")) return;
    touched.classList.add("held");
    hold(touched);
  }
  function release() {
    clearTimeout(waiting);
    touched?.classList.remove("held");
    touched = null;
  }

  document.addEventListener("touchstart", (event) => {
    release();
    touched = event.touches.length > 1 ? null : event.target.closest?.(selector);
    if (touched) waiting = setTimeout(stay, LONG);
  }, { passive: true });
  for (const name of ["touchmove", "touchcancel"]) document.addEventListener(name, release, { passive: true });
  document.addEventListener("touchend", (event) => {
    const element = touched;
    const stayed = element?.classList.contains("held");
    release();
    if (!stayed) return;
    event.preventDefault();
    leave(element, event.changedTouches[0]);
  }, { passive: false });
  for (const name of ["contextmenu", "dragstart"]) document.addEventListener(name, (event) => {
    if (!touched) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    stay();
  }, true);
}
