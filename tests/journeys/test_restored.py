"""The backup of the admin guide: copied while mail comes in, the database first and the segments after it, and laid into another folder.

What the copied database names is there and unharmed, the rest comes from the mail server again, and what waited to be sent is held
until somebody decides.
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.builders import a_letter
from tests.journeys.office import Installation, account_document, eventually, served
from tests.journeys.test_killed import here, letters, on_the_server
from tests.journeys.test_live_view import look, looked_at
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot
from tests.servers.process import free_port

MESSAGES = 600

pytestmark = pytest.mark.servers


def backed_up(home: Path, backup: Path) -> None:
    """As the guide says, with what Python has of the two programs."""
    backup.mkdir(mode=0o700)
    with (
        closing(sqlite3.connect(home / "poststelle.db")) as running,
        closing(sqlite3.connect(backup / "poststelle.db")) as copy,
    ):
        running.backup(copy)
    shutil.copytree(home / "segments", backup / "segments", ignore=shutil.ignore_patterns("*.tmp"))
    for name in ("keys.json", "poststelle.toml"):
        if (home / name).exists():
            shutil.copy2(home / name, backup / name)


def outbox(office: Installation) -> dict[str, str]:
    """What has not left: state by id."""
    return {one["id"]: one["state"] for one in json.loads(office.run("outbox", "list", "--json"))["items"]}


def test_a_copy_of_a_running_office_comes_back_whole(
    tmp_path: Path, ca: CertificateAuthority, dovecot: Dovecot
) -> None:
    user = dovecot.user("gesichert")
    dice = random.Random(12)
    dovecot.fill(user, letters(dice, MESSAGES))
    dovecot.fill(user, letters(dice, MESSAGES // 3), folder="Akten")
    office, restored = Installation(tmp_path / "home", ca), Installation(tmp_path / "elsewhere", ca)
    office.init()
    with served(office) as running:
        look(looked_at(running, dovecot, "angesehen", 5))
        document = account_document("Amt", user, dovecot)
        document["outgoing"] = {"protocol": "smtp", "host": "localhost", "port": free_port(), "encryption": "tls"}
        made = running.api("POST", "accounts", document)
        # As soon as the first mail has come: the rest comes in meanwhile.
        eventually(lambda: running.api("GET", f"accounts/{made['id']}")["held"])
        letter = {"account": "Amt", "to": ["eva@kunde.test"], "subject": "Wartet", "text": "Noch."}
        waiting = [running.api("POST", "outgoing", letter)["id"] for _ in range(3)]
        eventually(lambda: all(one["attempts"] for one in running.api("GET", "outgoing")["items"]))
        backed_up(office.home, restored.home)
        dovecot.fill(user, [a_letter("Nach der Sicherung")])
    shutil.rmtree(office.home)
    checks = {one["check"]: one["state"] for one in json.loads(restored.run("doctor", "--json"))["checks"]}
    assert "failed" not in checks.values(), checks
    proof = json.loads(restored.run("verify", "--all", "--json"))
    assert proof["messages"] > 0
    assert proof["unreadable"] == 0, proof
    restored.run("sync", "--once")
    # What was only looked at is no part of a backup, and not missed in it.
    assert here(restored) == on_the_server(dovecot, user)
    assert outbox(restored) == dict.fromkeys(waiting, "held")
    assert restored.run("outbox", "send", waiting[0]).split() == ["1"]
    assert restored.run("outbox", "discard", waiting[1]).split() == ["1"]
    with served(restored) as running:
        eventually(lambda: running.api("GET", f"outgoing/{waiting[0]}")["state"] == "deferred")
        assert running.api("GET", "outgoing/held")["count"] == 1
    # Its own from now on: what waits when it is started again, waits for its server and for nobody's word.
    assert outbox(restored) == {waiting[0]: "deferred", waiting[2]: "held"}
    assert json.loads(restored.run("search", "Sicherung", "--user", "ada@amt.test", "--json"))["items"]
