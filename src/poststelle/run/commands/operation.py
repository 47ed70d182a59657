"""``serve``, ``status`` and ``doctor``."""

from __future__ import annotations

import argparse
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from django.db import DatabaseError
from django.utils.translation import gettext as _

from poststelle.errors import Conflict, PoststelleError
from poststelle.mail.records import HealthRecord
from poststelle.office import health as board
from poststelle.office import invitations, people
from poststelle.office.actor import SYSTEM
from poststelle.office.happenings import health_sentence
from poststelle.office.setup import new_setup_token
from poststelle.office.wording import of_trouble, sentence
from poststelle.run.commands.terminal import say, say_json, say_table
from poststelle.run.configuration import Configuration
from poststelle.run.data_folder import KEY_FILE, is_current, prepare
from poststelle.run.locks import ENGINE, SERVE, is_held
from poststelle.store import disk, health, index

_ALL = 100_000
_NEWEST = 100
_LITTLE_DISK, _NO_DISK = 2 << 30, 200 << 20


def serve(_given: argparse.Namespace, configuration: Configuration) -> int:
    """Serve the data folder, made first if it is not there; prints the set-up link until that has been used."""
    from poststelle.run.serve import serve as serve_until_stopped

    prepare(configuration.home)
    address = configuration.place
    if not is_held(configuration.home, SERVE):
        if configuration.demo:
            _open_demo()
            say(f"{address}/")
        elif people.office_name() is None:
            say(_("Set up Poststelle here; the link works once:"))
            say(f"{address}/setup/{new_setup_token()}")
        else:
            say(f"{address}/")
    return serve_until_stopped(configuration.host, configuration.port)


def _open_demo() -> None:
    from poststelle.run.demo.office import PASSWORD, PEOPLE
    from poststelle.run.demo.play import furnish

    furnish()
    say(_("A demonstration office, without any network. Log in as one of its people:"))
    say_table([(person.address, PASSWORD) for person in PEOPLE])


def status(given: argparse.Namespace, configuration: Configuration) -> int:
    """Office, processes, index and every mailbox, the worst first."""
    is_set_up = people.office_name() is not None
    told = {
        "office": people.office_name(),
        "home": str(configuration.home),
        "serving": is_held(configuration.home, SERVE),
        "engine": is_held(configuration.home, ENGINE),
        "to_index": index.behind(),
    } | dict(zip(("attachments_to_read", "attachments_given_up"), index.attachments_behind(), strict=True))
    doing: list[HealthRecord] = []
    lacking, hindered = "", None
    if is_set_up:
        page, totals = board.board(SYSTEM, _ALL)
        doing, lacking, hindered = [*page.items], totals.machine, invitations.hindrance(SYSTEM)
    if given.json:
        from poststelle.api.v1.accounts import Account
        from poststelle.api.v1.health import Health
        from poststelle.office import accounts

        records = accounts.page(SYSTEM, _ALL).items if is_set_up else []
        shown = [Account.of(record).model_dump(mode="json") for record in records]
        health_of = [Health.of(one).model_dump(mode="json") for one in doing]
        links = hindered.code if hindered else None
        say_json(told | {"lacking": lacking or None, "links": links, "accounts": shown, "health": health_of})
        return 0
    say_table(list(told.items()))
    if lacking:
        say(str(sentence(lacking)))
    if hindered is not None and hindered.code == "links-filed":
        say(str(sentence(hindered.code, hindered.facts)))
    if doing:
        say_table([_DOING, *(_figures(one) for one in doing)])
    for one in doing:
        if one.trouble is not None:
            say(f"{one.label}: {of_trouble(one.trouble)}")
    return 0


_DOING = (
    "mailbox",
    "state",
    "held",
    "to_come",
    "per_minute",
    "received",
    "sent",
    "errands",
    "outbox",
    "certificate_days",
)


def _figures(one: HealthRecord) -> tuple[object, ...]:
    days = "-" if one.certificate_days is None else str(one.certificate_days)
    outbox = one.queued + one.deferred + one.uncertain
    return (
        one.label, health_sentence(one), str(one.held), str(one.behind), f"{one.rate:.0f}", one.received_at, one.sent_at,
        str(one.errands), str(outbox), days,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: `state` is ``ok``, ``warning`` or ``failed``; `code` names what was found."""

    check: str
    state: str = "ok"
    code: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


def doctor(given: argparse.Namespace, configuration: Configuration) -> int:
    """Every check, whatever the others find; 1 when one failed."""
    home = configuration.home
    findings = [
        _checked("folder", lambda: _private(home, "data-readable-by-others")),
        _checked("keys", lambda: _private(home / KEY_FILE, "key-file-readable-by-others")),
        _checked("database", _database),
        _checked("schema", _schema),
        _checked("messages", _messages),
        _checked("disk", lambda: _disk(home)),
        _checked("engine", lambda: _engine(home)),
        _checked("links", _links),
    ]
    if given.json:
        say_json({"checks": [asdict(finding) for finding in findings]})
    else:
        say_table([(one.check, one.state, sentence(one.code, one.facts) if one.code else "") for one in findings])
    return int(any(finding.state == "failed" for finding in findings))


class _Warning(PoststelleError):
    """Worth telling, nothing is broken."""


def _checked(name: str, check: Callable[[], None]) -> Finding:
    try:
        check()
    except _Warning as warning:
        return Finding(name, "warning", warning.code, warning.facts)
    except PoststelleError as error:
        return Finding(name, "failed", error.code, error.facts)
    except DatabaseError as error:
        return Finding(name, "failed", disk.trouble_of(error) or "database-damaged", {"reason": str(error)})
    except OSError as error:
        facts = {"path": error.filename or "-", "reason": error.strerror or str(error)}
        return Finding(name, "failed", disk.trouble_of(error) or "file-unusable", facts)
    return Finding(name)


def _private(path: Path, code: str) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Conflict(code, path=str(path))


def _database() -> None:
    if faults := health.database_faults():
        raise Conflict("database-damaged", reason="; ".join(faults[:3]))


def _schema() -> None:
    if not is_current():
        raise _Warning("data-older")


def _messages() -> None:
    if count := health.unreadable(_NEWEST):
        raise Conflict("messages-unreadable", count=count, newest=_NEWEST)


def _disk(home: Path) -> None:
    free = shutil.disk_usage(home).free
    facts = {"free": free >> 20, "least": disk.RESERVE >> 20}
    if (code := disk.trouble()) and code != "no-room":
        raise Conflict(code)
    if free < _NO_DISK:
        raise Conflict("disk-full", **facts)
    if free < _LITTLE_DISK:
        raise _Warning("disk-full", **facts)


def _engine(home: Path) -> None:
    if is_held(home, ENGINE):
        return
    if is_held(home, SERVE):
        raise Conflict("engine-not-running")
    # Nobody has started it: that may be meant so.
    raise _Warning("engine-not-running")


def _links() -> None:
    """Whether links to choose a password are mailed; an office without an office account has chosen that they are not."""
    if not is_current() or people.office_name() is None:
        return
    found = invitations.hindrance(SYSTEM)
    if found is not None and found.code == "links-filed":
        raise _Warning(found.code, **found.facts)
