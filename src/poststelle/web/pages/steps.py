"""What the steps of a test are called, and what they found, in the reader's language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from poststelle.mail.records import Step
from poststelle.web.names import path_name

STEPS: Mapping[str, Any] = {
    "resolve": gettext_lazy("Find the server"),
    "connect": gettext_lazy("Connect"),
    "tls": gettext_lazy("Encryption and certificate"),
    "greeting": gettext_lazy("Greeting"),
    "login": gettext_lazy("Log in"),
    "folders": gettext_lazy("List the folders"),
    "prefix": gettext_lazy("Where the folders hang"),
    "push": gettext_lazy("News as it comes"),
    "sent-folder": gettext_lazy("Folder for sent mail"),
    "quota": gettext_lazy("Space on the server"),
    "numbering": gettext_lazy("Lasting message numbers"),
    "send": gettext_lazy("Send a test message"),
    "arrival": gettext_lazy("Wait for it to arrive"),
    "sent-copy": gettext_lazy("Copy in the Sent folder"),
    "clean-up": gettext_lazy("Clear up"),
    "kept": gettext_lazy("Keep the password"),
}


def listed_folders(step: Step) -> str:
    """The folders a step has found, as JSON: for each its path, its role, and its path in words; empty for other steps."""
    folders = step.detail.get("folders") if step.name == "folders" and step.state == "ok" else None
    if not isinstance(folders, list):
        return ""
    return json.dumps([[one["path"], one["role"], path_name(one["path"])] for one in folders])


def step_name(direction: str, name: str) -> str:
    """What a step of the test is called."""
    way = {"incoming": _("Receiving"), "outgoing": _("Sending")}.get(direction)
    return f"{way}: {STEPS.get(name, name)}" if way else str(STEPS.get(name, name))


def step_found(name: str, detail: Mapping[str, object]) -> str:
    """What a step found out, in a few words."""
    if name == "resolve" and isinstance(addresses := detail.get("addresses"), list):
        return ", ".join(addresses[:3])
    if name == "folders" and isinstance(count := detail.get("count"), int):
        return ngettext("%(count)s folder", "%(count)s folders", count) % {"count": count}
    if name == "login":
        return str(detail.get("username", ""))
    if name == "tls":
        return str(detail.get("tls", ""))
    return ""
