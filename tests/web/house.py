"""A mailbox with a message in it, and everybody who has, had, will have or never had a right on it (the roles of RELIABILITY G15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from poststelle.mail.records import PlacementRecord
from poststelle.office import groups, logins, outbox, outgoing_servers, templates
from poststelle.office.outbox import Draft
from poststelle.store import models
from tests.builders import (
    a_folder,
    a_letter,
    a_message_in,
    a_person,
    an_account,
    everybody_is_known,
    everything_is_indexed,
)
from tests.web.visitor import Visitor

SECRET, LABEL, SENT = "Geheimsache-4711", "Zwielicht-4712", "Ausgang-4713"
"""In the mail; in the names of mailbox, log-in and server; in what was sent."""

OUTSIDERS = (
    "stranger", "send-as", "on-behalf", "keeper", "expired", "not-yet", "administrator", "other-pool", "guest",
)  # fmt: skip
"""Nobody of these may see the mailbox's mail; the guest has every right on another folder of it."""
MAY_READ = {
    "send-as": {LABEL, SENT}, "on-behalf": {LABEL, SENT}, "keeper": {LABEL}, "guest": {LABEL}, "administrator": {LABEL},
}  # fmt: skip
"""What of the words they may come across all the same."""


@dataclass
class House:
    ada: Visitor
    roles: dict[str, Visitor]
    message: PlacementRecord
    ids: dict[str, Any]


def a_house(ada: Visitor) -> House:
    now = timezone.now()
    everything = ["see", "process", "send-as", "administer"]
    rights: dict[str, dict[str, object]] = {
        "see": {"rights": ["see"]}, "process": {"rights": ["see", "process"]}, "send-as": {"rights": ["send-as"]},
        "on-behalf": {"rights": ["send-on-behalf"]}, "keeper": {"rights": ["administer"]},
        "expired": {"rights": everything, "until": (now - timedelta(hours=1)).isoformat()},
        "not-yet": {"rights": everything, "from": (now + timedelta(hours=1)).isoformat()},
    }  # fmt: skip
    roles = {name: Visitor(a_person(f"{name}@amt.test", administrator=name == "administrator"))
             for name in (*rights, "stranger", "administrator", "other-pool", "guest")}  # fmt: skip
    own = {"user": ada.user.email, "rights": everything}
    grants = [own, *({"user": f"{name}@amt.test", **grant} for name, grant in rights.items())]
    account = an_account(ada.actor, LABEL, grants=grants)
    raw = a_letter(
        SECRET, SECRET, sender=f"Eva {SECRET} <eva@kunde.test>", html=f"<p>{SECRET}</p>",
        attachments=[(f"{SECRET}.txt", "text/plain", SECRET.encode())],
    )  # fmt: skip
    message = a_message_in(a_folder(account), raw)
    _grant(account.id, roles["guest"], folder_id=a_folder(account, "Gast").id)
    _into_another_pool(roles["other-pool"])
    _grant(account.id, roles["other-pool"])
    everything_is_indexed()
    everybody_is_known()
    sent = outbox.submit(ada.actor, Draft(account.id, to=("eva@kunde.test",), subject=SENT, text=SENT))
    login = logins.add(ada.actor, {"label": LABEL, "username": "a", "password": "x", "owner": ada.user.email})
    server = outgoing_servers.add(ada.actor, {"label": LABEL, "host": "out.test", "owner": ada.user.email})
    groups.add(ada.actor, "Alle", [ada.user.email])
    templates.put(ada.actor, "Haus", {"receiving": {"push": False}})
    ids = {
        "pk": 0, "folder": message.folder_id, "placement": message.id, "number": 0, "account": account.id, "where": f"account:{account.id}",
        "login": login.id, "server": server.id, "group": groups.within(ada.actor)[0].id, "template": "Haus", "user": ada.user.id,
        "token": "forged", "signature": "forged",
    }  # fmt: skip
    return House(ada, roles, message, ids | {"outgoing": sent.id})


def _grant(account: str, visitor: Visitor, **more: Any) -> None:
    """Every right, put where the office itself would not put it."""
    rights = dict.fromkeys(("see", "process", "send_as", "administer"), True)
    models.Grant.objects.create(account_id=account, user_id=visitor.user.id, **rights, **more)


def _into_another_pool(visitor: Visitor) -> None:
    models.User.objects.filter(pk=visitor.user.id).update(pool=models.Pool.objects.create(name="Andere"))
