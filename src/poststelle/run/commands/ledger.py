"""``ledger``, ``journal`` and ``verify``: whether everything is here, and as it was written."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from poststelle.mail.records import LedgerRecord
from poststelle.office import accounts, ledger, proof
from poststelle.office.actor import SYSTEM
from poststelle.office.wording import sentence
from poststelle.run.commands.terminal import say, say_json, say_table
from poststelle.run.configuration import Configuration

_ALL = 100_000
_EXIT = {"done": 0, "trouble": 1, "attention": 3}
_COLUMNS = ("server", "held", "set_aside", "to_come", "under_way", "missing", "extra", "local")


def show(given: argparse.Namespace, _: Configuration) -> int:
    """A line per folder, whose numbers add up. 1 when something is missing; with ``--compare`` also as ``sync`` says."""
    failed = _compare([given.label] if given.label else []) if given.compare else 0
    found = ledger.show(SYSTEM, given.label) if given.label else ledger.overview(SYSTEM)
    if given.json:
        from poststelle.api.v1.ledger import Ledger

        say_json({"folders": [Ledger.of(one).model_dump(mode="json") for one in found]})
    elif found:
        _table(found)
    return max(failed, int(any(one.missing for one in found)))


def _compare(labels: Sequence[str]) -> int:
    """A round with a comparison for these accounts (default: all that receive), by the engine that is running or here."""
    receiving = [one for one in accounts.page(SYSTEM, _ALL).items if one.incoming is not None]
    for label in labels or [one.id for one in receiving]:
        ledger.ask(SYSTEM, label)
    from poststelle.run import rounds

    entries = rounds.sync_once(labels)["accounts"]
    for entry in entries:
        if entry["trouble"]:
            say(f"{entry['label']}: {sentence(entry['trouble']['code'], entry['trouble']['facts'])}")
    return max((_EXIT[entry["state"]] for entry in entries), default=0)


def _table(found: Sequence[LedgerRecord]) -> None:
    names = {one.id: one.label for one in accounts.page(SYSTEM, _ALL).items}
    say_table(
        [
            ("account", "folder", *_COLUMNS, "compared_at"),
            *(
                (
                    names.get(one.account_id, one.account_id), "/".join(one.path),
                    *(_number(getattr(one, name)) for name in _COLUMNS), one.compared_at,
                )
                for one in found
            ),
        ]
    )  # fmt: skip
    for one in found:
        for name, ids in (("missing", one.missing_ids), ("extra", one.extra_ids)):
            if ids:
                say(f"{'/'.join(one.path)}: {name}: {', '.join(ids)}")
        for code, count in sorted(one.reasons.items()):
            say(f"{'/'.join(one.path)}: {count}: {sentence(code).title}")


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def show_journal(given: argparse.Namespace, _: Configuration) -> int:
    """The newest entries, with what each says."""
    found = proof.entries(SYSTEM, given.limit, kind=given.kind, person=given.person, account=given.account).items
    if given.json:
        say_json([asdict(one) for one in found])
    elif found:
        say_table(
            [
                (one.id, one.at, one.actor, one.kind, one.subject, json.dumps(one.facts, ensure_ascii=False))
                for one in found
            ]
        )
    return 0


def verify(given: argparse.Namespace, _: Configuration) -> int:
    """Journal, database, stored messages; 1 when one of them is not as it was written."""
    report = proof.verify(SYSTEM, everything=given.all, head=given.head)
    if given.json:
        say_json(
            {
                "ok": report.ok, "database": list(report.faults), "messages": report.messages,
                "unreadable": report.unreadable, "head_found": report.head_found,
                "journal": [
                    {
                        "pool": one.pool, "entries": one.entries, "unproved": one.unproved, "broken": one.broken,
                        "head": f"{one.head_id}:{one.head}",
                    }
                    for one in report.chains
                ],
            }
        )  # fmt: skip
        return int(not report.ok)
    for one in report.chains:
        fits = "ok" if one.broken is None else f"broken at entry {one.broken}"
        say(f"journal  {fits}  entries {one.entries}  unproved {one.unproved}  head {one.head_id}:{one.head}")
    if report.head_found is not None:
        say(f"head     {'ok' if report.head_found else 'not in the journal'}")
    say(f"database {'ok' if not report.faults else '; '.join(report.faults[:3])}")
    say(
        f"messages {'ok' if not report.unreadable else 'unreadable'}  read {report.messages}  unreadable {report.unreadable}"
    )
    return int(not report.ok)
