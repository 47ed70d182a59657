"""What the event log and the health board say: a code and its facts become a sentence, in the language now active.

Law as in `office.wording`: German and English are complete (a test compares with the codes there are), facts are text, never
markup. This module does not know who reads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy

from poststelle.mail.records import EventRecord, HealthRecord
from poststelle.office.wording import of_trouble, sentence

Text = Any  # a lazily translated string: django-stubs calls it _StrPromise

EVENTS: Mapping[str, Text] = {
    "connected": _("Connected with %(host)s, port %(port)s (%(tls)s)."),
    "logged-in": _("Logged in (%(mechanism)s)."),
    "folders-listed": _("Folders listed: %(count)s."),
    "round": _(
        "Round done in %(seconds)s s: %(new)s new, %(changed)s changed, %(removed)s removed, %(set_aside)s set aside."
    ),
    "push": _("News arrives by %(mode)s."),
    "trouble": _("Trouble: %(sentence)s"),
    "retry": _("Next attempt in %(seconds)s s."),
    "suspended": _("Stopped until a person acts: %(sentence)s"),
    "resumed": _("Works again."),
    "errands": _("Told the server what was changed here: %(count)s."),
    "errand-missed": _(
        "Messages the server no longer knew that were to be moved, copied or deleted: %(count)s; they are looked for."
    ),
    "quota": _("The mailbox on the server is %(percent)s %% full."),
    "sent": _("Sent; recipients: %(accepted)s."),
    "refused": _("Recipients the server refused: %(rejected)s."),
    "ledger-compared": _(
        "Compared with the server: folders %(folders)s, messages there %(server)s; held here %(held)s, set aside %(set_aside)s."
    ),
    "ledger-missing": _("Missing here in “%(folder)s”: %(count)s; fetched afterwards: %(recovered)s."),
    "ledger-extra": _("Held here in “%(folder)s” and no longer on the server: %(count)s."),
    "transcript-on": _("Protocol transcript switched on."),
    "transcript-off": _("Protocol transcript switched off."),
    "sent-folder-gone": _("The folder chosen for copies of sent mail is gone; they go to the usual one."),
    "keywords-unkept": _("The server does not keep these keywords in “%(folder)s”; they stay here only: %(keywords)s."),
    "folder-closed": _("The server does not open the folder “%(folder)s”: what is in it is not fetched."),
}
"""Every event there is (store.events)."""

LEVELS: Mapping[str, Text] = {
    "info": pgettext_lazy("level", "information"),
    "warning": pgettext_lazy("level", "warning"),
    "error": pgettext_lazy("level", "error"),
}

HEALTH: Mapping[str, Text] = {
    "suspended": _("stopped: %(reason)s"),
    "stalled": _("no sign of life since %(since)s"),
    "losing": _("messages of the server that are missing here: %(missing)s"),
    "troubled": _("in trouble since %(since)s: %(reason)s"),
    "behind": _("catching up: %(behind)s to come"),
    "connecting": _("connecting"),
    "idle": _("ready"),
    "well": _("in step as of %(synced)s"),
    "switched-off": _("switched off"),
}
"""Every state an account can be in (policy.health)."""

HEALTH_NAMES: Mapping[str, Text] = {
    "suspended": pgettext_lazy("health", "stopped"),
    "stalled": pgettext_lazy("health", "silent"),
    "losing": pgettext_lazy("health", "incomplete"),
    "troubled": pgettext_lazy("health", "in trouble"),
    "behind": pgettext_lazy("health", "catching up"),
    "connecting": pgettext_lazy("health", "connecting"),
    "idle": pgettext_lazy("health", "ready"),
    "well": pgettext_lazy("health", "well"),
    "switched-off": pgettext_lazy("health", "switched off"),
}

WATCHING: Mapping[str, Text] = {
    "idle": pgettext_lazy("how news arrives", "push (IDLE)"),
    "notify": pgettext_lazy("how news arrives", "push (NOTIFY)"),
    "poll": pgettext_lazy("how news arrives", "regular look"),
    "": pgettext_lazy("how news arrives", "not connected"),
}


def event_sentence(event: EventRecord) -> str:
    """One line of the event log. A code nobody knows here is shown as it is."""
    told: defaultdict[str, object] = defaultdict(lambda: "…", event.facts)
    told["sentence"] = sentence(str(event.facts.get("trouble", "unexpected")), event.facts).title
    told["mode"] = WATCHING.get(str(event.facts.get("mode", "")), "…")
    told["tls"] = event.facts.get("tls") or pgettext("connection", "unencrypted")
    if isinstance(seconds := event.facts.get("seconds"), float):
        told["seconds"] = number_format(seconds, 1)
    used, limit = event.facts.get("used"), event.facts.get("limit")
    if isinstance(used, int) and isinstance(limit, int) and limit:
        told["percent"] = round(100 * used / limit)
    return str(EVENTS.get(event.code, event.code)) % told


def health_sentence(one: HealthRecord) -> str:
    """How an account is doing."""
    trouble = of_trouble(one.trouble).title if one.trouble else ""
    told = {
        "reason": trouble, "behind": number_format(one.behind, force_grouping=True),
        "missing": number_format(one.missing, force_grouping=True), "synced": _moment(one.synced_at),
        "since": _moment(one.trouble.since if one.trouble else one.synced_at or one.since),
    }  # fmt: skip
    return str(HEALTH[one.state]) % told


def _moment(at: datetime | None) -> str:
    if at is None:
        return "…"
    local = timezone.localtime(at)
    if local.date() == timezone.localdate():
        return date_format(local, "H:i")
    return date_format(local, pgettext("date format: day, month and time", "j M, H:i"))
