"""A test at the counter: who may how often, what strangers to the installation are told, the report, and the last test of an account.

Law: tests share one process with everything else and are few at a time; nothing is saved. Whoever is no administrator learns nothing
about the inside of the network: neither which addresses are there nor how fast they answer (RELIABILITY Q52). Reports hold no secrets.
This module does not know which settings a test may try; that is `office.accounts` and `office.outgoing_servers`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from email.utils import make_msgid
from typing import TYPE_CHECKING, Literal

from django.conf import settings as django_settings
from django.utils.translation import gettext as _

from poststelle.errors import Conflict, Invalid, TooOften
from poststelle.mail.address import Address, is_addr_spec
from poststelle.mail.records import Step
from poststelle.mail.settings import AccountSettings
from poststelle.office.actor import Actor
from poststelle.office.advice import certificate_lines
from poststelle.office.wording import sentence, server_words

if TYPE_CHECKING:
    from poststelle.adapters.connection import EgressPolicy
    from poststelle.adapters.probe_ways import Times
    from poststelle.adapters.trial import Trial

PER_HOUR, PER_HOUR_ADMINISTRATOR = 20, 200
AT_ONCE = 60
HEADER = "X-Poststelle-Test"
"""Marks a test message, so that it is never routed."""

_HOUR = 3600.0
_FORBIDDEN_SECONDS = 2.0
_REMEMBERED = 500
_MOST_STEPS = 2_000

About = Literal["mailbox", "server", "log-in"]


@dataclass(slots=True)
class _Memory:
    """What this process knows of tests: when each person began some, how many are running, the last report of each person."""

    begun: dict[str, deque[float]] = field(default_factory=dict)
    running: int = 0
    reports: OrderedDict[str, Report] = field(default_factory=OrderedDict)


@dataclass(frozen=True, slots=True)
class Report:
    """A test that is over (or was cut off: `complete` is false). `steps` as plain data, without secrets; `places` is what was tested.

    `about`: ``mailbox``, ``server`` (an outgoing one) or ``log-in``, whose steps name the mailbox or server they were tried at.
    """

    at: str
    about: About
    address: str
    steps: Sequence[Mapping[str, object]]
    complete: bool
    places: Mapping[str, object]

    @property
    def passed(self) -> bool:
        """Everything went well, warnings aside."""
        return self.complete and all(step["state"] != "failed" for step in self.steps)

    def as_json(self) -> str:
        """The report as a JSON document."""
        return json.dumps(asdict(self) | {"passed": self.passed}, ensure_ascii=False, indent=2, default=str)

    def as_text(self) -> str:
        """The report as text, in the language now active."""
        titles: Mapping[About, str] = {
            "mailbox": _("Test of a mailbox"), "server": _("Test of an outgoing server"), "log-in": _("Test of a log-in"),
        }  # fmt: skip
        lines, of = [f"{titles[self.about]}: {self.address} · {self.at}", ""], ""
        for step in self.steps:
            if step.get("of", "") != of:
                of = str(step["of"])
                lines.append(of)
            seconds = step["seconds"]
            lines.append(f"{step['direction']:<9} {step['name']:<11} {step['state']:<8} {seconds:6.2f} s")
            detail = step["detail"]
            assert isinstance(detail, Mapping)
            if step["error"]:
                lines.append(f"    {sentence(str(step['error']), detail)}")
                if words := server_words(detail):
                    lines.append(f"    > {words}")
                lines += [f"    {name}: {value}" for name, value in certificate_lines(detail)]
        return "\n".join(lines) + "\n"


_memory = _Memory()


def spend(actor: Actor) -> None:
    """Count one test or discovery of the actor. Raises TooOften("too-many-probes") beyond `PER_HOUR`; the system is not counted."""
    if actor.user is None:
        return
    now = time.monotonic()
    begun = _memory.begun.setdefault(actor.user.id, deque())
    while begun and now - begun[0] > _HOUR:
        begun.popleft()
    if len(begun) >= (PER_HOUR_ADMINISTRATOR if actor.is_administrator else PER_HOUR):
        raise TooOften("too-many-probes", after=_HOUR - (now - begun[0]))
    begun.append(now)


async def run(
    actor: Actor,
    settings: AccountSettings,
    egress: EgressPolicy,
    recipient: str = "",
    times: Times | None = None,
    *,
    about: About = "mailbox",
) -> AsyncGenerator[Step, None]:
    """Test settings the actor may test, step by step. `recipient`: also send a test message there.

    Raises Invalid, TooOften("too-many-probes") and Conflict("probes-busy") before the first step. Closed or cancelled, it hangs up at
    once. What it found is the actor's `last_report`.
    """
    message = _message(settings, recipient) if recipient else None
    if _memory.running >= AT_ONCE:
        raise Conflict("probes-busy")
    spend(actor)
    _memory.running += 1
    told: list[tuple[str, Step]] = []
    complete = False
    try:
        inside = actor.is_administrator
        async with aclosing(tried(settings, egress, inside=inside, message=message, times=times)) as steps:
            async for step in steps:
                told.append(("", step))
                yield step
        complete = True
    finally:
        _memory.running -= 1
        remember(actor, about, settings.address or settings.label, told, _places(settings), complete=complete)


async def tried(
    settings: AccountSettings,
    egress: EgressPolicy,
    *,
    inside: bool,
    message: Trial | None = None,
    times: Times | None = None,
) -> AsyncGenerator[Step, None]:
    """Try settings, step by step. `inside`: for somebody who may know the own network; others get less of each step.

    Neither counted nor remembered, and asks for no right: that is up to whoever calls it.
    """
    # Whoever only asks for reports, and that is every command about mailboxes, needs no protocols.
    from poststelle.adapters import probe as adapter
    from poststelle.adapters.connection import Trust

    tls = Trust(django_settings.POSTSTELLE.ca_file)
    walk = adapter.probe(settings, egress=egress, tls=tls, message=message, times=times, inside=inside)
    async with aclosing(walk) as steps:
        async for step in steps:
            yield _from_inside(step) if inside else await _from_outside(step)


def _from_inside(step: Step) -> Step:
    """What an administrator may know of a step: all, and what a forbidden host is."""
    addresses = step.detail.get("addresses")
    if step.error != "host-forbidden" or not isinstance(addresses, list) or not addresses:
        return step
    known = {**step.detail, "addresses": ", ".join(addresses)}
    inner = "host-internal" if step.detail["internal"] else "port-closed-here"
    return replace(step, error=inner if step.detail["openable"] else "host-never", detail=known)


async def _from_outside(step: Step) -> Step:
    """What anybody else may know of it; a forbidden host looks the same and takes as long whatever it is."""
    if step.error == "host-forbidden":
        await asyncio.sleep(max(0.0, _FORBIDDEN_SECONDS - step.seconds))
        return replace(step, seconds=_FORBIDDEN_SECONDS, detail={}, fixes=())
    detail = {
        name: value
        for name, value in step.detail.items()
        if name not in {"addresses", "address"} or step.name in {"arrival", "send"}
    }
    fixes = tuple(
        fix for fix in step.fixes if fix.code not in {"pin-certificate", "accept-other-name", "allow-old-tls"}
    )
    return replace(step, detail=detail, fixes=fixes)


def _message(settings: AccountSettings, recipient: str) -> Trial:
    from poststelle.adapters.trial import Trial
    from poststelle.mail.compose import Draft, compose

    if not is_addr_spec(recipient):
        raise Invalid({"recipient": "not-an-address"})
    if not is_addr_spec(settings.address):
        raise Invalid({"address": "not-an-address"})
    number = make_msgid(domain=settings.address.rpartition("@")[2].encode("idna").decode("ascii", "ignore") or None)
    draft = Draft(
        Address(settings.display_name, settings.address),
        (Address("", recipient),),
        subject=_("Test message of Poststelle"),
        text=_("Poststelle sends this message to test the mailbox %(address)s. It is removed again by itself.")
        % {"address": settings.address},
        message_id=number.strip("<>"),
    )
    composed = compose(draft)
    marks = f"{HEADER}: 1\r\nAuto-Submitted: auto-generated\r\n".encode()
    own = recipient.lower() == settings.address.lower()
    return Trial(settings.address, recipient, marks + composed.raw, composed.message_id, own)


# -- the report ----------------------------------------------------------------------------------------------------------


def remember(
    actor: Actor,
    about: About,
    name: str,
    steps: Sequence[tuple[str, Step]],
    places: Mapping[str, object],
    *,
    complete: bool,
) -> None:
    """Keep a test as the actor's last one. Each step comes with what it was tried at, where that is not one thing for all.

    Of a test with more than 2,000 steps only those that failed are kept.
    """
    if len(steps) > _MOST_STEPS:
        steps = [one for one in steps if one[1].state == "failed"][:_MOST_STEPS]
    told = tuple(({"of": of} if of else {}) | _plain(step) for of, step in steps)
    report = Report(datetime.now(UTC).isoformat(timespec="seconds"), about, name, told, complete, places)
    reports = _memory.reports
    reports[_key(actor)] = report
    reports.move_to_end(_key(actor))
    while len(reports) > _REMEMBERED:
        reports.popitem(last=False)


def _key(actor: Actor) -> str:
    return actor.user.id if actor.user else ""


def _plain(step: Step) -> dict[str, object]:
    return {
        "direction": step.direction, "name": step.name, "state": step.state, "seconds": round(step.seconds, 3),
        "error": step.error, "detail": json.loads(json.dumps(dict(step.detail), default=str)),
        "fixes": [{"code": fix.code, "change": fix.change} for fix in step.fixes],
    }  # fmt: skip


def _places(settings: AccountSettings) -> dict[str, object]:
    """Where and as whom: a test counts for settings of which this is the same."""
    ways = {"incoming": settings.incoming, "outgoing": settings.outgoing}
    places: dict[str, object] = {
        way: [one.host, one.port, one.encryption.value] for way, one in ways.items() if one is not None
    }
    for name, login in (("username", settings.login), ("outgoing_username", settings.outgoing_login)):
        if login is not None:
            places[name] = login.name
    return places


def last_report(actor: Actor) -> Report | None:
    """The actor's last test since this process began; None where there is none."""
    return _memory.reports.get(_key(actor))


def report_of(actor: Actor, settings: AccountSettings) -> Mapping[str, object] | None:
    """The actor's last test as plain data if it was one of these settings: to be kept with the account; else None."""
    report = last_report(actor)
    if report is None or report.places != _places(settings):
        return None
    kept: dict[str, object] = json.loads(report.as_json())
    return kept
