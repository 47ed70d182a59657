// Live: one stream per browser; the tab that holds the lock listens and tells the others. Who prefers it looks every so often.

import { body, find, htmx } from "./dom.js";
import { tell } from "./desktop.js";
import { follow, mergeRows } from "./list.js";

const channel = new BroadcastChannel("poststelle");
const stale = { tree: false, list: false, marks: false, outgoing: false };
let heard = 0;
let timer = 0;

export function listen() {
  if (!body().dataset.live) return;
  heard = Number(body().dataset.after);
  const pause = Number(body().dataset.refresh);
  if (pause) return setInterval(everythingIsStale, pause * 1000);
  channel.addEventListener("message", (event) => take(event.data));
  if (!navigator.locks) return open(() => {});
  navigator.locks.request("poststelle-live", () => new Promise(open));
}

function everythingIsStale() {
  for (const name of Object.keys(stale)) stale[name] = true;
  later();
}

function open(finished) {
  const stream = new EventSource(`${body().dataset.live}?after=${heard}`);
  stream.addEventListener("message", (event) => {
    const news = JSON.parse(event.data);
    const before = heard;
    channel.postMessage(news);
    take(news);
    if (news.notable) tell(before);
  });
  // A broken line is mended by the browser; a refused one is not.
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(open, 5000, finished);
  });
  stream.addEventListener("ended", () => {
    stream.close();
    finished();
    location.reload();
  });
}

function take(news) {
  if (news.id <= heard) return;
  heard = news.id;
  const list = find("#list")?.dataset;
  const open = find("#marks")?.dataset.folder;
  const something = news.everything || news.folders.length > 0 || news.accounts.length > 0;
  stale.tree ||= something;
  stale.list ||= Boolean(list?.where) && something && (news.everything || !list.folder || news.folders.includes(list.folder));
  stale.marks ||= Boolean(open) && (news.everything || news.folders.includes(open));
  stale.outgoing ||= news.everything || news.outgoing;
  later();
}

document.addEventListener("poststelle:look", () => {
  stale.tree = true;
  stale.list = Boolean(find("#list")?.dataset.where);
  stale.marks = Boolean(find("#marks"));
  later();
});

function later() {
  if (!timer && !document.hidden) timer = setTimeout(refresh, 250);
}
document.addEventListener("visibilitychange", later);

// What colleagues do shows beside the message too, but not under the hands of somebody who is at it.
async function refreshWork() {
  const work = find("#work");
  if (!work || work.contains(document.activeElement) || find("details[open]:not(.note-box)", work) || find("#new-note")?.value) return;
  await htmx.ajax("GET", work.dataset.address, { target: "#work", swap: "outerMorph" });
}

async function refresh() {
  const wanted = { ...stale };
  for (const name of Object.keys(stale)) stale[name] = false;
  try {
    if (wanted.list) await mergeRows();
    if (wanted.tree) await htmx.ajax("GET", body().dataset.tree, { target: "#tree", swap: "outerMorph" });
    const marks = find("#marks");
    if (wanted.marks && marks) await htmx.ajax("GET", marks.dataset.marks, { target: "#marks", swap: "outerHTML" });
    if (wanted.marks) await refreshWork();
    if (wanted.outgoing) htmx.trigger(body(), "poststelle:outgoing");
  } finally {
    follow();
    // A first sync speaks all the time; the pages listen calmly.
    timer = setTimeout(() => {
      timer = 0;
      if (Object.values(stale).some(Boolean)) later();
    }, 600);
  }
}
