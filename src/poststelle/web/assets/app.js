// What pages can do beyond links and forms. Nothing here is needed for reading and settings; every module looks for its elements and
// does without.

import { find } from "./dom.js";
import "./panes.js";
import "./acting.js";
import "./tree.js";
import "./keys.js";
import "./search.js";
import "./recipients.js";
import "./message.js";
import "./mentions.js";
import { settings } from "./office.js";
import { keepDraft } from "./letters.js";
import { follow } from "./list.js";
import { listen } from "./live.js";
import { resumeList, resumeTicks } from "./resuming.js";
import { mailboxForm } from "./mailbox.js";
import { passkeys } from "./passkey.js";

function furnish() {
  for (const [selector, make] of [["form.letter", keepDraft], ["form[data-probe]", mailboxForm]]) {
    const form = find(selector);
    if (!form || form.dataset.furnished) continue;
    form.dataset.furnished = "1";
    make(form);
  }
  settings();
}

follow();
find('#rows > .row[aria-current="true"]')?.scrollIntoView({ block: find("#above") ? "center" : "nearest" });
furnish();
passkeys();
resumeList().then(resumeTicks);
find("#tree .twig[aria-current]")?.scrollIntoView({ block: "nearest" });
document.addEventListener("htmx:after:swap", furnish);
document.addEventListener("htmx:after:swap", resumeList);
document.addEventListener("poststelle:form", furnish);
listen();
// Where something is wrong may lie below what is shown.
find('[aria-invalid="true"]')?.focus();
find("form.letter textarea[autofocus]")?.setSelectionRange(0, 0);
