"""The backup of the admin guide: copied while mail comes in, the database first and the segments after it, and laid into another folder.

What the copied database names is there and unharmed, and the rest comes from the mail server again.
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
        made = running.api("POST", "accounts", account_document("Amt", user, dovecot))
        # As soon as the first mail has come: the rest comes in meanwhile.
        eventually(lambda: running.api("GET", f"accounts/{made['id']}")["held"])
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
    assert json.loads(restored.run("search", "Sicherung", "--user", "ada@amt.test", "--json"))["items"]
