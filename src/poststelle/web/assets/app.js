// What pages can do beyond links and forms: htmx within a strict policy, live updates, keyboard, panes, drafts, the mailbox test.
// Nothing here is needed for reading and settings; every function looks for its elements and does without.

import htmx from "htmx.org";

// --- Security: markup enters the page through this one policy; nothing is ever evaluated (RELIABILITY Q62).
const same = { createHTML: (markup) => markup, createScript: () => "" };
const policy = window.trustedTypes ? window.trustedTypes.createPolicy("poststelle", same) : same;
function NothingIsEvaluated() {
  throw new Error("evaluating code is off");
}
htmx.registerExtension("poststelle", {
  init: (api) => api.initSecurity(policy, NothingIsEvaluated, NothingIsEvaluated),
});

const body = () => document.body;
const find = (selector, inside = document) => inside.querySelector(selector);
const parsed = (markup) => new DOMParser().parseFromString(policy.createHTML(`<body>${markup}`), "text/html").body;

// --- Panes remember their widths.
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

// --- What is shown where: the chosen folder and the chosen row follow the address.
function follow() {
  for (const link of document.querySelectorAll(".tree-scroll a.twig, .sidebar-foot a.twig")) {
    const here = location.pathname.startsWith(link.getAttribute("href"));
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const marks = find("#marks");
  for (const row of document.querySelectorAll("#rows > .row")) {
    const chosen = marks && row.id === `row-${marks.dataset.placement}`;
    if (chosen) {
      row.setAttribute("aria-current", "true");
      row.classList.toggle("unread", marks.dataset.unread === "1");
      row.classList.toggle("flagged", marks.dataset.flagged === "1");
    } else row.removeAttribute("aria-current");
  }
  for (const note of document.querySelectorAll("[data-sent]")) localStorage.removeItem(`draft.${note.dataset.sent.trim()}`);
}
document.addEventListener("htmx:after:swap", follow);
document.addEventListener("htmx:after:history:update", follow);

document.addEventListener("click", (event) => {
  const back = event.target.closest?.("[data-back]");
  // On a phone the list is still there, scrolled as it was: going back must not load it anew.
  if (back && find("#rows > .row")) {
    event.preventDefault();
    closeMessage(back.getAttribute("href"));
  }
});

function closeMessage(address) {
  find("#message")?.remove();
  history.pushState({ htmx: true }, "", address);
  follow();
}

// --- Live: one stream per browser; the tab that holds the lock listens and tells the others.
const channel = new BroadcastChannel("poststelle");
const stale = { tree: false, list: false, marks: false, outgoing: false };
let heard = 0;
let timer = 0;

function listen() {
  if (!body().dataset.live) return;
  heard = Number(body().dataset.after);
  channel.addEventListener("message", (event) => take(event.data));
  if (!navigator.locks) return open(() => {});
  navigator.locks.request("poststelle-live", () => new Promise(open));
}

function open(finished) {
  const stream = new EventSource(`${body().dataset.live}?after=${heard}`);
  stream.addEventListener("message", (event) => {
    const news = JSON.parse(event.data);
    channel.postMessage(news);
    take(news);
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
  const folder = find("#list")?.dataset.folder;
  const open = find("#marks")?.dataset.folder;
  stale.tree ||= news.everything || news.folders.length > 0 || news.accounts.length > 0;
  stale.list ||= Boolean(folder) && (news.everything || news.folders.includes(folder));
  stale.marks ||= Boolean(open) && (news.everything || news.folders.includes(open));
  stale.outgoing ||= news.everything || news.outgoing;
  later();
}

function later() {
  if (!timer && !document.hidden) timer = setTimeout(refresh, 250);
}
document.addEventListener("visibilitychange", later);

async function refresh() {
  const wanted = { ...stale };
  for (const name of Object.keys(stale)) stale[name] = false;
  try {
    if (wanted.list) await mergeRows();
    if (wanted.tree) await htmx.ajax("GET", body().dataset.tree, { target: "#tree", swap: "outerMorph" });
    const marks = find("#marks");
    if (wanted.marks && marks) await htmx.ajax("GET", marks.dataset.marks, { target: "#marks", swap: "outerHTML" });
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

// The top of the list as it is now, put over what is shown: rows keep their elements, so nothing one is reading moves.
async function mergeRows() {
  const list = find("#list");
  const rows = find("#rows");
  if (!list?.dataset.rows || !rows) return;
  const shown = rows.querySelectorAll(":scope > .row").length;
  const headers = { "HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "ol#rows" };
  const answer = await fetch(`${list.dataset.rows}?rows=${shown}`, { headers });
  if (!answer.ok || list !== find("#list")) return;
  const fresh = [...parsed(await answer.text()).querySelectorAll("li")];
  const more = fresh.find((item) => item.classList.contains("more"));
  const wanted = new Set(fresh.map((item) => item.id));
  const focused = document.activeElement?.closest?.(".row")?.id;
  let place = rows.firstElementChild;
  for (const item of fresh) {
    if (item === more) break;
    const old = document.getElementById(item.id);
    if (!old) {
      rows.insertBefore(document.adoptNode(item), place);
      htmx.process(item);
      continue;
    }
    while (place && place !== old && !wanted.has(place.id) && !place.classList.contains("more")) place = dropped(place);
    if (old !== place) rows.insertBefore(old, place);
    else place = place.nextElementSibling;
    old.className = item.className;
    const [had, has] = [find("time", old), find("time", item)];
    if (had.textContent !== has.textContent) had.textContent = has.textContent;
  }
  if (!more) while (place) place = dropped(place);
  else if (!find("#more") && rows.children.length >= 50 && !place) {
    rows.append(document.adoptNode(more));
    htmx.process(more);
  }
  if (rows.children.length) find("#list-empty")?.remove();
  if (focused) document.getElementById(focused)?.firstElementChild?.focus({ preventScroll: true });
}

function dropped(element) {
  const next = element.nextElementSibling;
  element.remove();
  return next;
}

// --- Keyboard.
const TYPING = "input, textarea, select, [contenteditable]";

function step(by) {
  const rows = [...document.querySelectorAll("#rows > .row")];
  if (!rows.length) return;
  // The focus moves at once, the mark only when the message has come: two quick presses must move by two.
  const focused = rows.indexOf(document.activeElement?.closest("#rows > .row"));
  const chosen = focused < 0 ? rows.findIndex((row) => row.hasAttribute("aria-current")) : focused;
  const next = rows[Math.min(Math.max(chosen + by, 0), rows.length - 1)];
  if (chosen < 0 || next !== rows[chosen]) {
    const link = next.firstElementChild;
    next.scrollIntoView({ block: "nearest" });
    link.click();
    link.focus({ preventScroll: true });
  }
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") return find("[data-send]")?.click();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const divider = event.target.closest?.(".divider");
  if (divider && (event.key === "ArrowLeft" || event.key === "ArrowRight"))
    return setWidth(divider, widthOf(divider) + (event.key === "ArrowLeft" ? -16 : 16));
  if (event.target.closest?.(TYPING) || find("dialog[open]")) return;
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "?") find("#keys")?.showModal();
  else if (event.key === "/" && find("#search")) find("#search").select();
  else if (event.key === "Escape" && find("#message [data-back]")) closeMessage(find("#message [data-back]").getAttribute("href"));
  else if (/^[a-z]$/.test(event.key)) find(`[data-key="${event.key}"]`)?.click();
  else return;
  event.preventDefault();
});

// --- A letter is kept in this browser until it has been sent.
const KEPT = ["to", "cc", "bcc", "subject", "text"];

function keepDraft(form) {
  const key = `draft.${form.dataset.draft}`;
  const saved = JSON.parse(localStorage.getItem(key) || "null");
  const note = find("#draft-note");
  // After an error the page itself carries what was typed.
  if (saved && !find(".bar.warn[role=alert]", form) && KEPT.some((name) => form.elements[name].value !== saved[name])) {
    for (const name of KEPT) form.elements[name].value = saved[name] ?? "";
    note.hidden = false;
  }
  let waiting = 0;
  const keep = () => localStorage.setItem(key, JSON.stringify(Object.fromEntries(KEPT.map((name) => [name, form.elements[name].value]))));
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(keep, 300);
  });
  form.addEventListener("submit", () => {
    clearTimeout(waiting);
    keep();
    find("[data-send]", form).setAttribute("aria-busy", "true");
  });
  const forget = () => {
    clearTimeout(waiting);
    localStorage.removeItem(key);
  };
  find("[data-discard]", form).addEventListener("click", forget);
  find("[data-forget]", form).addEventListener("click", () => {
    forget();
    form.reset();
    note.hidden = true;
  });
}

// --- The mailbox form: ports follow the encryption, fields that do not apply hide, the test fills in below.
function mailboxForm(form) {
  const ports = new Map(form.dataset.ports.trim().split(/\s+/).map((pair) => pair.split(":")));
  const field = (name) => form.elements[name];
  const box = (name) => find(`[data-field="${name}"]`, form);
  const protocols = { incoming: "imap", outgoing: "smtp" };
  const usual = (way) => ports.get(`${protocols[way]}-${field(`${way}.encryption`).value}`);
  for (const way of Object.keys(protocols)) {
    const port = field(`${way}.port`);
    port.placeholder = usual(way);
    field(`${way}.encryption`).addEventListener("change", () => {
      if ([...ports.values()].includes(port.value)) port.value = "";
      port.placeholder = usual(way);
    });
  }
  const suit = () => {
    find(".section.incoming", form).hidden = field("kind").value === "send-only";
    box("owner").hidden = field("scope").value !== "personal";
    const own = field("outgoing.authentication").value === "own";
    for (const name of ["outgoing.login.username", "outgoing.login.password"]) box(name).hidden = !own;
  };
  form.addEventListener("change", suit);
  suit();
  field("address").addEventListener("change", () => {
    const address = field("address").value.trim();
    if (!field("label").value) field("label").value = address;
    if (!field("login.username").value) field("login.username").value = address;
  });
  find("[data-test]", form).addEventListener("click", (event) => {
    event.preventDefault();
    test(form, event.currentTarget);
  });
}

async function test(form, button) {
  const data = new FormData(form);
  const lines = find("#steps");
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.dataset.probe, { method: "POST", body: data, headers: { "X-Lines": "1" } });
    if (answer.status === 422) return showWrong(form, await answer.text(), data);
    lines.replaceChildren();
    find("#probe").hidden = false;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = "", part = await reader.read(); ; part = await reader.read()) {
      text += part.value ?? "";
      const end = text.lastIndexOf("</tr>");
      if (end >= 0) {
        lines.append(...parsed(`<table>${text.slice(0, end + 5)}</table>`).querySelectorAll("tr"));
        lines.lastElementChild.scrollIntoView({ block: "nearest" });
        text = text.slice(end + 5);
      }
      if (part.done) break;
    }
  } finally {
    button.removeAttribute("aria-busy");
  }
}

// The form again with its mistakes marked. Passwords are not sent back; they have not left this page, so they stay.
function showWrong(form, markup, data) {
  const fresh = document.adoptNode(find("#mailbox-form", parsed(markup)));
  form.replaceWith(fresh);
  for (const name of ["login.password", "outgoing.login.password"]) fresh.elements[name].value = data.get(name) ?? "";
  mailboxForm(fresh);
  find(".wrong", fresh)?.scrollIntoView({ block: "center" });
}

function furnish() {
  const letter = find("form.letter");
  if (letter && !letter.dataset.furnished) keepDraft(letter);
  if (letter) letter.dataset.furnished = "1";
  const mailbox = find("#mailbox-form");
  if (mailbox && !mailbox.dataset.furnished) mailboxForm(mailbox);
  if (mailbox) mailbox.dataset.furnished = "1";
}

follow();
furnish();
document.addEventListener("htmx:after:swap", furnish);
listen();
const begun = find("form.letter textarea[autofocus]");
begun?.setSelectionRange(0, 0);
