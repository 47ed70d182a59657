"""Alarms at the counter: whoever can act is told by mail, once, that a mailbox stands still, why, and what to do.

Law: the mail goes through another mailbox than the one it is about; where there is none, the health board says it alone. Only the
system acts here. When it is time is `policy.alarms`.
"""

from __future__ import annotations

import logging

from django.conf import settings as django_settings
from django.utils import timezone, translation
from django.utils.translation import gettext

from poststelle.errors import Conflict, NotPermitted, PoststelleError
from poststelle.mail.records import HealthRecord, UserRecord
from poststelle.office import health, outbox, wording
from poststelle.office.actor import SYSTEM, Actor
from poststelle.office.happenings import health_sentence
from poststelle.policy.alarms import Facts, Told, Verdict, cause, verdict
from poststelle.store import alarms

log = logging.getLogger(__name__)


def sound(actor: Actor, *, only_trouble: bool = False) -> int:
    """Tell whoever must know; how many mails went into the outbox. Only the system: the engine asks every minute.

    `only_trouble`: look closely only if a mailbox has trouble it knows of. That costs nothing however many mailboxes there are,
    and misses those that have merely fallen silent.
    """
    if actor.user is not None:
        raise NotPermitted("system-only")
    if only_trouble and not alarms.is_trouble():
        return 0
    now, told, count = timezone.now(), alarms.latest(), 0
    try:
        board = health.everything(actor)
    except Conflict:
        # Nobody has set the office up yet.
        return 0
    for one in board:
        facts = Facts(one.state, one.trouble.code if one.trouble else "", one.synced_at or one.since, one.interval)
        code, at, is_over = told.get(one.account_id, ("", None, True))
        match verdict(facts, Told(code, at, is_over), now):
            case Verdict.TELL:
                count += _tell(one, cause(facts, now))
            case Verdict.NOTE:
                alarms.note(one.account_id, cause(facts, now), people=0)
            case Verdict.OVER:
                alarms.over(one.account_id)
    return count


def _tell(one: HealthRecord, why: str) -> int:
    carrier = alarms.carrier(one.account_id)
    if carrier is None:
        return 0
    people = alarms.who_can_act(one.account_id)
    since = one.trouble.since if one.trouble else one.synced_at or one.since
    sent = sum(
        _mail(carrier, one, person, f"alarm {one.account_id} {why} {since.isoformat()} {person.id}")
        for person in people
    )
    if sent:
        # Killed before this line, the same letters are found under their keys and not sent again.
        alarms.note(one.account_id, why, people=sent)
    return sent


def _mail(carrier: str, one: HealthRecord, person: UserRecord, key: str) -> bool:
    with translation.override(person.language):
        reason = wording.of_trouble(one.trouble) if one.trouble else None
        subject = gettext("The mailbox “%(label)s” stands still") % {"label": one.label}
        text = gettext(
            "Hello %(name)s,\n\nthe mailbox “%(label)s” (%(address)s) stands still:\n%(state)s\n\n%(advice)s\n\nIts settings and its event log:\n%(link)s\n"
        ) % {
            "name": person.name, "label": one.label, "address": one.address, "state": health_sentence(one),
            "advice": reason.advice if reason else gettext("Poststelle keeps trying. Look at the event log for what happened last."),
            "link": f"{django_settings.POSTSTELLE.base_url.rstrip('/')}/mailboxes/{one.account_id}/",
        }  # fmt: skip
    try:
        outbox.submit(
            SYSTEM, outbox.Draft(carrier, to=(person.email,), subject=subject, text=text), idempotency_key=key[:200]
        )
    except Conflict:
        return True  # told before, in other words
    except PoststelleError as error:
        log.warning("an alarm could not be mailed: %s", error.code)
        return False
    return True
