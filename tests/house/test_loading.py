"""What a process loads: everybody waits for a command, and what is loaded takes memory for as long as an engine runs.

Names of modules instead of a clock: they say the same on every machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import PASSWORD

SOURCES = Path(__file__).parents[2] / "src"
_SAID = "import sys\n{code}\nsys.stderr.write('loaded ' + ' '.join(sys.modules))"
_DJANGO = "import django\ndjango.setup()\n"

WEB = frozenset(
    {
        "poststelle.web.login", "poststelle.web.pages", "poststelle.run.urls", "poststelle.run.asgi", "whitenoise", "uvicorn",
        "fido2", "allauth.account.forms", "requests",
    }
)  # fmt: skip
API = frozenset({"poststelle.api", "ninja"})
PROTOCOLS = frozenset(
    {"poststelle.adapters.imap", "poststelle.adapters.pop3", "poststelle.adapters.smtp", "httpcore2", "dns"}
)
"""What speaks with servers."""

READING = frozenset({"pypdfium2", "PIL"})
"""What opens strangers' files: for readers and cells only."""

MIGRATING = frozenset({"django.db.migrations.executor", "poststelle.store.migrations"})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An office that has been set up."""
    made = str(tmp_path_factory.mktemp("loading") / "home")
    asked = "init --office Amt --admin-email ada@amt.test --admin-name Ada --admin-password-stdin"
    _loaded(_command(*asked.split()), made, PASSWORD)
    return made


def _command(*arguments: str) -> str:
    return f"from poststelle.run.cli import main\nassert main({[*arguments]!r}) == 0\n"


def _loaded(code: str, home: str, told: str = "") -> frozenset[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("POSTSTELLE_")}
    done = subprocess.run(
        [sys.executable, "-c", _SAID.format(code=code)], capture_output=True, text=True, check=True, timeout=120, input=told,
        env=environment | {"PYTHONPATH": str(SOURCES), "POSTSTELLE_HOME": home, "DJANGO_SETTINGS_MODULE": "poststelle.run.settings"},
    )  # fmt: skip
    return frozenset(done.stderr.rpartition("loaded ")[2].split())


def test_help_loads_no_library(home: str) -> None:
    asked = "from poststelle.run.arguments import parser\nparser().format_help()"
    assert _loaded(asked, home) & {"django", "pydantic", "allauth", "cryptography", "asyncio"} == set()


def test_commands_load_no_pages_no_protocols_and_no_migrations(home: str) -> None:
    asked = _command("status") + _command("account", "list") + _command("user", "list")
    assert _loaded(asked, home) & (WEB | API | PROTOCOLS | READING | MIGRATING) == set()


def test_a_command_that_prints_documents_loads_no_pages_and_no_migrations(home: str) -> None:
    assert _loaded(_command("account", "list", "--json"), home) & (WEB | READING | MIGRATING) == set()


def test_the_engine_loads_no_pages_and_nothing_that_opens_files(home: str) -> None:
    assert _loaded(f"{_DJANGO}import poststelle.run.engine", home) & (WEB | API | READING) == set()


def test_what_serves_people_opens_no_files(home: str) -> None:
    assert _loaded("import poststelle.run.asgi", home) & READING == set()


def test_readers_and_cells_know_neither_tables_nor_pages(home: str) -> None:
    for module in ("reader", "extractor", "cell", "indexer"):
        assert (
            _loaded(f"import poststelle.run.{module}", home) & {"django", "pydantic", "asyncio", "cryptography"}
            == set()
        )
