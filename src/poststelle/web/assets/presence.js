// Who is at a message says so every now and then (parts/presence.html), and when they leave it: by closing it, going on, or closing the tab.

import { body, fieldsOf, find } from "./dom.js";

let there = "";

function leave() {
  if (!there) return;
  navigator.sendBeacon(there, fieldsOf({ doing: "gone", csrfmiddlewaretoken: body().dataset.token }));
  there = "";
}

export function attend() {
  const now = find("#presence")?.getAttribute("hx-post") ?? "";
  if (there !== now) leave();
  there = now;
}

addEventListener("pagehide", leave);
addEventListener("pageshow", attend);
