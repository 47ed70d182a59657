"""A data folder of the tests' own, and the servers every test may ask for.

The servers start at their first use and live for the whole run. Tests share them: a test takes users of its own
(`dovecot.user("a name no other test uses")`). A server that is not installed is an error that names its Debian package,
never a skipped test.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import hypothesis
import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher

from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta

# Django's settings read the data folder when they are imported. They are named here and not in pyproject.toml, because
# pytest-django would import them before this file, and the tests would open the data folder of whoever runs them.
for setting in [name for name in os.environ if name.startswith("POSTSTELLE_") and name != "POSTSTELLE_CORPORA"]:
    del os.environ[setting]
HOME = tempfile.mkdtemp(prefix="poststelle-home-")
os.environ["POSTSTELLE_HOME"] = HOME
os.environ["DJANGO_SETTINGS_MODULE"] = "poststelle.run.settings"
django.setup()

# What an example costs is no matter of the clock: the machine may have other things to do.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

# Passwords of tests are worth nothing, and thousands of people are made here: the same method, at a price nobody notices.
Argon2PasswordHasher.time_cost, Argon2PasswordHasher.memory_cost, Argon2PasswordHasher.parallelism = 1, 1024, 1


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def _an_index_of_its_own() -> None:
    """Rows are rolled back and their numbers come again; the search index must not know them from other tests."""
    for left in Path(HOME).glob("search.db*"):
        left.unlink()


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """A certificate authority nobody trusts unless told to."""
    return CertificateAuthority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def dovecot(ca: CertificateAuthority) -> Iterator[Dovecot]:
    """Dovecot as Debian ships it, with a good certificate."""
    server = Dovecot(ca.good())
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mta(ca: CertificateAuthority, dovecot: Dovecot) -> Iterator[Mta]:
    """Exim with a good certificate, delivering into `dovecot`."""
    server = Mta(dovecot, ca.good())
    yield server
    server.stop()
