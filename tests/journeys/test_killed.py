"""`kill -9` in the middle of a first sync, again and again, against a real Dovecot: every placement exactly once, byte by byte."""

from __future__ import annotations

import imaplib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.builders import a_letter
from tests.journeys.office import Installation, eventually, kill
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot, User
from tests.servers.process import free_port

MESSAGES = 2000
KILLS = 30

pytestmark = pytest.mark.servers


def letters(dice: random.Random, count: int) -> list[bytes]:
    """Short ones and long ones, no two alike."""
    head, _, _ = a_letter("Brief NUMMER").partition(b"\r\n\r\n")
    bodies = [b"Zeile\r\n" * lines for lines in (1, 10, 100, 3000)]
    numbers = (b"%d" % dice.getrandbits(64) for _ in range(count))
    return [head.replace(b"NUMMER", number) + b"\r\n\r\n" + dice.choice(bodies) for number in numbers]


def at_work(office: Installation, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process has begun its round: it holds the engine's lock."""
    lock = office.home / "engine.lock"
    eventually(lambda: process.poll() is not None or (lock.exists() and lock.read_text() == str(process.pid)))


@pytest.fixture
def furnished(tmp_path: Path, ca: CertificateAuthority, dovecot: Dovecot) -> tuple[Installation, User]:
    user = dovecot.user(f"killed-{tmp_path.name}".lower())
    dice = random.Random(7)
    dovecot.fill(user, letters(dice, MESSAGES))
    dovecot.fill(user, letters(dice, MESSAGES // 3), folder="Akten")
    office = Installation(tmp_path / "home", ca)
    office.init()
    office.add_mailbox("Amt", user, dovecot)
    return office, user


def on_the_server(dovecot: Dovecot, user: User) -> Counter[tuple[str, bytes]]:
    client = imaplib.IMAP4(dovecot.host, dovecot.imap_port)
    client.login(user.address, user.password)
    held: Counter[tuple[str, bytes]] = Counter()
    for folder in ("INBOX", "Akten"):
        client.select(folder, readonly=True)
        _, answers = client.uid("FETCH", "1:*", "(BODY.PEEK[])")
        held.update((folder, answer[1]) for answer in answers if isinstance(answer, tuple))
    client.logout()
    return held


def here(office: Installation) -> Counter[tuple[str, bytes]]:
    """Read in a process of its own: this one has the tests' settings."""
    script = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'poststelle.run.settings'; django.setup()\n"
        "from poststelle.office import reading\n"
        "from poststelle.office.actor import SYSTEM\n"
        "for branch in reading.tree(SYSTEM):\n"
        "  for folder in branch.folders:\n"
        "    after = None\n"
        "    while True:\n"
        "      page = reading.page(SYSTEM, folder.id, 200, after)\n"
        "      for row in page.items:\n"
        "        raw = reading.raw(SYSTEM, row.id)\n"
        "        sys.stdout.buffer.write(b'%s %d\\n' % (folder.name.encode(), len(raw)) + raw)\n"
        "      after = page.next\n"
        "      if after is None: break\n"
    )
    out = subprocess.run([sys.executable, "-c", script], env=office.environment, capture_output=True, check=True).stdout
    held: Counter[tuple[str, bytes]] = Counter()
    stream = io.BytesIO(out)
    while head := stream.readline():
        folder, size = head.split()
        held[folder.decode(), stream.read(int(size))] += 1
    return held


def test_a_first_sync_killed_thirty_times_loses_nothing_and_doubles_nothing(
    furnished: tuple[Installation, User], dovecot: Dovecot
) -> None:
    office, user = furnished
    dice = random.Random(20261121)
    killed = 0
    for _ in range(4 * KILLS):
        if killed == KILLS:
            break
        process = office.start("sync", "--once")
        at_work(office, process)
        time.sleep(dice.uniform(0.0, 0.7))
        killed += kill(process)
        dovecot.fill(user, letters(dice, 200))
    assert killed == KILLS, "most rounds were done before they could be killed"
    office.run("sync", "--once")
    assert here(office) == on_the_server(dovecot, user)
    found = json.loads(office.run("search", "Brief", "--user", "ada@amt.test", "--json"))
    assert found["items"], "the index followed"


def test_an_engine_killed_under_serve_comes_back_and_finishes(
    furnished: tuple[Installation, User], dovecot: Dovecot
) -> None:
    office, user = furnished
    server = office.start("serve", "--port", str(free_port()))
    try:
        for _ in range(3):
            time.sleep(1.5)
            for engine in engines_of(server.pid):
                os.kill(engine, signal.SIGKILL)
        expected = on_the_server(dovecot, user)
        deadline = time.monotonic() + 150
        while here(office) != expected:
            assert time.monotonic() < deadline, "the engine did not come back"
            time.sleep(0.5)
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=20)


def engines_of(parent: int) -> list[int]:
    """The engine processes a `serve` has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
            command = entry.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and b"engine_process" in command:
            found.append(int(entry.parent.name))
    return found
