"""``events`` and ``transcript``: what is done for a mailbox, and what is said with its servers."""

from __future__ import annotations

import argparse
import sys
import time

from poststelle.api.shapes import moment
from poststelle.mail.records import EventRecord
from poststelle.office import events
from poststelle.office.actor import SYSTEM
from poststelle.office.happenings import event_sentence
from poststelle.run.commands.terminal import say, say_json
from poststelle.run.configuration import Configuration

FOLLOW_SECONDS = 1.0


def show(given: argparse.Namespace, _: Configuration) -> int:
    """The newest events, oldest of them first; ``--follow`` goes on until interrupted."""
    newest = [*reversed(events.page(SYSTEM, given.label, given.limit).items)]
    if given.json and not given.follow:
        from poststelle.api.v1.events import Event

        say_json({"items": [Event.of(one).model_dump(mode="json") for one in newest]})
        return 0
    for one in newest:
        _say(given, one)
    last = newest[-1].id if newest else 0
    while given.follow:
        for one in events.following(SYSTEM, given.label, last):
            _say(given, one)
            last = one.id
        time.sleep(FOLLOW_SECONDS)
    return 0


def _say(given: argparse.Namespace, one: EventRecord) -> None:
    if given.json:
        from poststelle.api.v1.events import Event

        say_json(Event.of(one).model_dump(mode="json"), indent=None)
    else:
        say(f"{moment(one.at)}  {one.level:<7}  {event_sentence(one)}")


def transcript(given: argparse.Namespace, _: Configuration) -> int:
    """Switch on for a while, off, or print what there is."""
    if given.length is not None:
        say(moment(events.start_transcript(SYSTEM, given.label, given.length)))
    elif given.off:
        events.stop_transcript(SYSTEM, given.label)
    else:
        sys.stdout.buffer.write(events.transcript(SYSTEM, given.label)[0])
        sys.stdout.flush()
    return 0
