"""``sync`` and ``search``."""

from __future__ import annotations

import argparse

from poststelle.office.wording import sentence
from poststelle.run.commands.terminal import say, say_json, say_table
from poststelle.run.configuration import Configuration

_EXIT = {"done": 0, "trouble": 1, "attention": 3}


def sync(given: argparse.Namespace, _: Configuration) -> int:
    """One document about what the round did. 3 when an account needs a person, else 1 when one could not be finished."""
    from poststelle.run import rounds

    report = rounds.sync_once(given.labels)
    entries = report["accounts"]
    if given.json_lines:
        for entry in entries:
            say_json(entry, indent=None)
    elif given.json:
        say_json(report)
    else:
        for entry in entries:
            say(f"{entry['label']}  {entry['state']}  {entry['seconds']:.2f} s")
            if entry["trouble"]:
                say(f"  {sentence(entry['trouble']['code'], entry['trouble']['facts'])}")
            if entry["folders"]:
                names = ("folder", "new", "changed", "removed", "set_aside", "bytes", "seconds")
                say_table([names, *(tuple(folder[name] for name in names) for folder in entry["folders"])])
    return max((_EXIT[entry["state"]] for entry in entries), default=0)


def search(given: argparse.Namespace, _: Configuration) -> int:
    """What that person may see, newest first."""
    from poststelle.api.shapes import listed, moment
    from poststelle.office import people, reading

    page = reading.search(people.actor_named(given.user), given.query, given.limit)
    if given.json:
        from poststelle.api.v1.search import Hit

        say_json(listed(page, Hit.found).model_dump(mode="json"))
        return 0
    for hit in page.items:
        row = hit.placement
        say(f"{moment(row.received_at)}  {row.sender.address}  {row.subject}  {row.id}")
        say(f"  {hit.snippet}")
    return 0
