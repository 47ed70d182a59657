"""`kill -9` while a real server is asked for its mail and told what was done here: none lost, none twice, every byte and flag the same."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.plans import everything_there, letters
from tests.journeys.office import Installation
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot

KILLS = 30
MESSAGES = 400

pytestmark = pytest.mark.servers


def test_thirty_kills_between_the_first_sync_and_the_last_errand_lose_nothing_and_double_nothing(
    tmp_path: Path, ca: CertificateAuthority, dovecot: Dovecot
) -> None:
    user = dovecot.user("killed-again-and-again")
    dovecot.fill(user, letters(random.Random(11), MESSAGES, "Brief"))
    office = Installation(tmp_path / "home", ca)
    office.init()
    office.add_mailbox("Amt", user, dovecot)
    expected = Counter(raw for _, raw, _ in everything_there(dovecot, user).elements())
    assert expected.total() == MESSAGES
    child = subprocess.run(
        [
            sys.executable, "-m", "tests.chaos.dovecot_kill_child", str(KILLS), "20261121",
            str(dovecot.imap_port), user.address, user.password,
        ],
        env=office.environment, capture_output=True, timeout=600, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr.decode()
    killed, added, here = pickle.loads(child.stdout)
    assert killed == KILLS, "most rounds were done before they could be killed"
    there = everything_there(dovecot, user)
    assert Counter(raw for _, raw, _ in there.elements()) == expected + added
    assert here == there
