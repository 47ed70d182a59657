"""The health board: how every account is doing, the worst first, and the installation as a whole.

For whoever looks after accounts (`office.oversight`); holds numbers, server names and reasons, never a message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings as django_settings
from django.utils import timezone

from poststelle.errors import Invalid
from poststelle.mail.records import HealthRecord, Hindrance, Page
from poststelle.mail.settings import Right
from poststelle.office import invitations
from poststelle.office.actor import Actor
from poststelle.office.oversight import oversight
from poststelle.policy.health import STATES, Facts, state_of
from poststelle.store import disk, health, index


@dataclass(frozen=True, slots=True)
class Totals:
    """The accounts taken together. `by_state` names every state; `to_index`: messages the search does not know yet.

    `attachments_to_read`: messages whose own words are known to it, and those of their attachments not yet. `machine`: the code of what
    the machine lacks just now, which nothing could be written down about; `free`: bytes left on its disk.
    """

    by_state: Mapping[str, int]
    held: int
    behind: int
    rate: float
    set_aside: int
    missing: int
    errands: int
    queued: int
    deferred: int
    uncertain: int
    to_index: int
    attachments_to_read: int
    machine: str
    free: int


def board(
    actor: Actor, limit: int = 50, after: str | None = None, *, state: str = ""
) -> tuple[Page[HealthRecord], Totals]:
    """A window of the accounts the actor oversees, the worst first, then by label; and all of them together.

    Raises Invalid for a cursor or a state that is none.
    """
    if state and state not in STATES:
        raise Invalid({"state": "unknown-value"})
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 10):
        raise Invalid({"cursor": "unknown-value"})
    found = everything(actor)
    totals = _totals(found)
    shown = [one for one in found if not state or one.state == state]
    start = int(after or 0)
    following = str(start + limit) if len(shown) > start + limit else None
    return Page(shown[start : start + limit], following), totals


def of_the_office(actor: Actor) -> list[Hindrance]:
    """What concerns more than one account: what the machine lacks, and for administrators why links to log in are not mailed.

    That there is no office account at all is nothing to complain of; `invitations.hindrance` says it.
    """
    found = [Hindrance(machine, {})] if (machine := disk.trouble()) else []
    links = invitations.hindrance(actor) if actor.is_administrator else None
    return [*found, *([links] if links is not None and links.code == "links-filed" else [])]


def show(actor: Actor, account: str) -> HealthRecord | None:
    """One account by id; None where the actor does not oversee it."""
    return next((one for one in everything(actor) if one.account_id == account), None)


def everything(actor: Actor) -> list[HealthRecord]:
    """Every account the actor oversees, the worst first, then by label."""
    found = health.board(oversight(actor), Right.ADMINISTER, django_settings.POSTSTELLE.poll_seconds, _judge)
    return sorted(found, key=lambda one: (STATES.index(one.state), one.label.lower()))


def silent_since(actor: Actor, account: str) -> datetime | None:
    """When a mailbox whose mail the actor may see stopped giving signs of life with no reason known; None where it has not."""
    found = health.heard_of(actor.reach, account, django_settings.POSTSTELLE.poll_seconds, _judge)
    return found[1] if found is not None and found[0] == "stalled" else None


def lacking(error: BaseException | None) -> str:
    """The code of what this machine lacks when something failed like that; nothing where the machine is not the reason."""
    code = disk.trouble_of(error)
    # SQLite has one word for all that a disk may not do.
    return disk.trouble() or code if code == "disk-failing" else code


def _judge(**known: Any) -> str:
    return state_of(Facts(**known), timezone.now())


def _totals(found: list[HealthRecord]) -> Totals:
    states = Counter(one.state for one in found)

    def total(name: str) -> int:
        return sum(getattr(one, name) for one in found)

    return Totals(
        by_state={state: states[state] for state in STATES}, held=total("held"), behind=total("behind"),
        rate=sum(one.rate for one in found), set_aside=total("set_aside"), missing=total("missing"),
        errands=total("errands"), queued=total("queued"), deferred=total("deferred"), uncertain=total("uncertain"),
        to_index=index.behind(), attachments_to_read=index.attachments_waiting(), machine=disk.trouble(), free=disk.free(),
    )  # fmt: skip
