// The desktop tells of new mail, for who chose so: by the one tab that listens, and only while nobody looks at any of our pages.

import { all, body, find } from "./dom.js";

// Whoever looks at a page of ours holds this lock; asking for it takes no messages between tabs.
const LOOKING = "poststelle-looking";
const ends = [];
let looking = false;

function attend() {
  const looks = document.visibilityState === "visible" && document.hasFocus();
  if (looks === looking) return;
  looking = looks;
  if (!looks) for (const end of ends.splice(0)) end();
  else navigator.locks?.request(LOOKING, { mode: "shared" }, () => looking && new Promise((end) => ends.push(end)));
}
for (const [target, name] of [[window, "focus"], [window, "blur"], [document, "visibilitychange"]]) target.addEventListener(name, attend);
attend();

async function somebodyLooks() {
  if (!navigator.locks) return looking;
  const { held } = await navigator.locks.query();
  return held.some((lock) => lock.name === LOOKING);
}

// What has come since the journal entry `after`.
export async function tell(after) {
  const wish = body().dataset.notifications;
  if (!wish || wish === "off" || window.Notification?.permission !== "granted" || (await somebodyLooks())) return;
  const answer = await fetch(`${body().dataset.arrivals}?after=${after}`);
  if (!answer.ok) return;
  for (const one of (await answer.json()).arrivals) {
    const shown = new Notification(one.title, { body: one.body, tag: one.url });
    shown.addEventListener("click", () => {
      shown.close();
      window.focus();
      // A letter one is writing stays where it is.
      if (find("form.letter")) window.open(one.url);
      else location.assign(one.url);
    });
  }
}

// --- The settings say what this browser allows, and ask it when somebody chooses.
function showAllowed() {
  const state = window.Notification?.permission ?? "missing";
  for (const said of all("[data-desktop]")) said.hidden = said.dataset.desktop !== state || find("[name=notifications]")?.value === "off";
}

async function ask() {
  if (window.Notification?.permission === "default") await Notification.requestPermission();
  showAllowed();
}

document.addEventListener("change", (event) => {
  if (event.target.matches?.("[name=notifications]")) event.target.value === "off" ? showAllowed() : ask();
});
document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-desktop-ask]")) ask();
});
showAllowed();
