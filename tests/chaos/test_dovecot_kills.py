"""`kill -9` while a real server is told what was done here: moves, copies, deletions and appended mail, none lost and none twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.plans import everything_there
from tests.journeys.office import Installation, kill
from tests.journeys.test_killed import at_work, letters
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot

KILLS = 10
MESSAGES = 150

pytestmark = pytest.mark.servers

_BEGIN = """
import os, pickle, random, sys, django
os.environ['DJANGO_SETTINGS_MODULE'] = 'poststelle.run.settings'; django.setup()
from collections import Counter
from datetime import UTC, datetime
from poststelle.mail.ports import FLAGGED, SEEN, Role
from poststelle.office import handling, reading
from poststelle.office.actor import SYSTEM
from poststelle.store import models
from tests.builders import a_letter
(account,) = {str(row.account_id) for row in models.Folder.objects.all()}
folders = {folder.path[0]: folder.id for folder in reading.folders(SYSTEM, account)}
"""

_WORK = (
    _BEGIN
    + """
dice = random.Random(sys.argv[1])
rows = [row.id for row in reading.page(SYSTEM, folders['INBOX'], 100).items]
dice.shuffle(rows)
expected = Counter(reading.raw(SYSTEM, number) for number in rows[5:7])
handling.mark(SYSTEM, handling.Selection(rows[:3]), add=[FLAGGED, SEEN])
handling.move(SYSTEM, handling.Selection(rows[2:5]), folders['Archive'])
handling.copy(SYSTEM, handling.Selection(rows[5:7]), folders['Archive'])
handling.delete(SYSTEM, handling.Selection(rows[7:9]))
raw = a_letter(f'Eigener {dice.getrandbits(60)}')
handling.append(SYSTEM, folders['Sent'], raw, flags=[SEEN])
expected[raw] += 1
sys.stdout.buffer.write(pickle.dumps(expected))
"""
)

_HERE = (
    _BEGIN
    + """
found = Counter()
for name, number in folders.items():
    after = None
    while True:
        page = reading.page(SYSTEM, number, 200, after)
        found.update((name, reading.raw(SYSTEM, row.id), frozenset(row.flags)) for row in page.items)
        after = page.next
        if after is None: break
assert not models.Errand.objects.filter(closed_at=None).exists(), 'the server has still to be told something'
sys.stdout.buffer.write(pickle.dumps(found))
"""
)


def ask(office: Installation, script: str, *given: str) -> Counter[object]:
    """What a process of its own finds in the data folder: this one has the tests' settings."""
    import pickle

    ran = subprocess.run(
        [sys.executable, "-c", script, *given], env=office.environment, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    found: Counter[object] = pickle.loads(ran.stdout)
    return found


def test_errands_killed_at_any_moment_are_told_once(tmp_path: Path, ca: CertificateAuthority, dovecot: Dovecot) -> None:
    user, dice = dovecot.user("errands-killed"), random.Random(11)
    sent = letters(dice, MESSAGES)
    dovecot.fill(user, sent)
    office = Installation(tmp_path / "home", ca)
    office.init()
    document = {
        "label": "Amt", "address": user.address,
        "incoming": {"protocol": "imap", "host": "localhost", "port": dovecot.imaps_port, "encryption": "tls"},
        "login": {"username": user.address, "password": user.password},
    }  # fmt: skip
    office.run("account", "add", "--json", "-", given=json.dumps(document))
    office.run("sync", "--once")
    expected: Counter[object] = Counter(raw for _, raw, _ in everything_there(dovecot, user).elements())
    assert expected.total() == MESSAGES
    killed = 0
    for number in range(3 * KILLS):
        if killed == KILLS:
            break
        expected += ask(office, _WORK, str(number))
        process = office.start("sync", "--once")
        at_work(office, process)
        time.sleep(dice.uniform(0.05, 0.6))
        killed += kill(process)
    assert killed == KILLS, "most rounds were done before they could be killed"
    # What may have been told before is looked for twice.
    for _ in range(4):
        office.run("sync", "--once")
    there = everything_there(dovecot, user)
    assert Counter(raw for _, raw, _ in there.elements()) == expected
    assert ask(office, _HERE) == there
