"""``outbox``: what is on its way out, and the operator's word on what may have left already."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from poststelle.mail.records import RecipientRecord
from poststelle.office import outbox
from poststelle.office.actor import SYSTEM
from poststelle.office.wording import of_trouble
from poststelle.run.commands.terminal import say, say_json, say_table
from poststelle.run.configuration import Configuration

_ALL = 100_000
_LEFT = {"sent", "partly-sent", "rejected", "discarded"}


def list_all(given: argparse.Namespace, _: Configuration) -> int:
    """A line each: id, state, when it was written, sender, recipients, subject; then why it waits."""
    found = [one for one in outbox.page(SYSTEM, _ALL).items if given.all or one.state not in _LEFT]
    if given.json:
        from poststelle.api.v1.outgoing import Outgoing

        say_json({"items": [Outgoing.of(one).model_dump(mode="json", by_alias=True) for one in found]})
        return 0
    say_table(
        [(one.id, one.state, one.created_at, one.sender, _recipients(one.recipients), one.subject) for one in found]
    )
    for one in found:
        if one.trouble is not None:
            say(f"{one.id}: {of_trouble(one.trouble)}")
    return 0


def send(given: argparse.Namespace, _: Configuration) -> int:
    """Prints how many are on their way again."""
    say(outbox.send_again(SYSTEM, given.outgoing))
    return 0


def discard(given: argparse.Namespace, _: Configuration) -> int:
    """Prints how many are never sent."""
    say(outbox.discard(SYSTEM, given.outgoing))
    return 0


def hold(_given: argparse.Namespace, _: Configuration) -> int:
    """Prints how many are held."""
    say(outbox.hold(SYSTEM))
    return 0


def _recipients(some: Sequence[RecipientRecord]) -> str:
    return ", ".join(one.address for one in some)
