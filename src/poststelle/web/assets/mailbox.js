// The form of a mailbox or a server: ports follow the encryption until one is typed, addresses fill in what is still empty.

import { probeForm } from "./probe.js";

const WAYS = ["incoming.", "outgoing.", ""];

export function mailboxForm(form) {
  const ports = new Map(form.dataset.ports?.trim().split(/\s+/).map((pair) => pair.split(":")));
  const field = (name) => form.elements[name];
  const protocol = (way) => (way !== "incoming." ? "smtp" : field("kind").value === "fetch-only" ? "pop3" : "imap");
  const usual = (way) => ports.get(`${protocol(way)}-${field(`${way}encryption`).value}`) ?? "";
  const follow = (way) => {
    const port = field(`${way}port`);
    if (!port) return;
    if (!port.dataset.typed && [...ports.values()].includes(port.value)) port.value = "";
    port.placeholder = usual(way);
  };
  for (const way of WAYS.filter((one) => field(`${one}port`))) {
    field(`${way}port`).placeholder = usual(way);
    field(`${way}port`).addEventListener("input", (event) => (event.target.dataset.typed = event.target.value));
    field(`${way}encryption`).addEventListener("change", () => follow(way));
  }
  field("kind")?.addEventListener("change", () => follow("incoming."));
  if (field("address")) naming(field);
  probeForm(form);
}

function naming(field) {
  const name = () => {
    const address = field("address").value.trim();
    if (!field("label").value) {
      field("label").value = address;
      // Whoever wants another one types it instead of behind it.
      field("label").addEventListener("focus", () => field("label").select(), { once: true });
    }
    if (field("login.username") && !field("login.username").value) field("login.username").value = address;
  };
  field("address").addEventListener("change", name);
  // Somebody may have typed faster than this script came.
  if (field("address").value !== field("address").defaultValue) name();
}
