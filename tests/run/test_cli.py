"""The command line as a stranger types it: processes of its own, a data folder of its own, exit codes and both languages."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from poststelle.run.locks import ENGINE, held
from tests.builders import PASSWORD, an_account_document
from tests.servers.ca import CertificateAuthority

SOURCES = Path(__file__).parents[2] / "src"
RUN = "import sys; from poststelle.run.cli import main; sys.exit(main())"


class Terminal:
    """Runs commands for one data folder; remembers what the last one answered."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.out = self.err = ""

    def __call__(self, *arguments: str, stdin: str | bytes = "", **environment: str) -> int:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("POSTSTELLE_", "LC_", "DJANGO_"))
        }
        done = subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            env=kept | {"PYTHONPATH": str(SOURCES), "LANG": "C.UTF-8", "POSTSTELLE_HOME": str(self.home)} | environment,
            capture_output=True,
            timeout=120,
            check=False,
        )
        self.out, self.err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in self.err
        return done.returncode

    def json(self, *arguments: str) -> Any:
        assert self(*arguments) == 0, self.err
        return json.loads(self.out)

    def init(self, **environment: str) -> int:
        return self(
            "init", "--office", "Amt", "--admin-email", "ada@amt.test", "--admin-name", "Ada", "--admin-password-stdin",
            "--language", "en", stdin=PASSWORD + "\n", **environment,
        )  # fmt: skip


@pytest.fixture
def fresh(tmp_path: Path) -> Terminal:
    """Nothing is there yet."""
    return Terminal(tmp_path / "home")


_kept = TemporaryDirectory()


def set_up(home: Path) -> Terminal:
    """An office that has been set up. That takes seconds: it is done once, and copied from then on."""
    untouched = Terminal(Path(_kept.name) / "home")
    if not untouched.home.exists():
        assert untouched.init() == 0, untouched.err
    return Terminal(Path(shutil.copytree(untouched.home, home)))


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """An office that has been set up, shared by the tests of a file."""
    return set_up(tmp_path_factory.mktemp("cli") / "home")


@pytest.fixture
def ready(tmp_path: Path) -> Terminal:
    """An office that has been set up, for one test."""
    return set_up(tmp_path / "ready")


def test_init_makes_a_folder_nobody_else_can_read(terminal: Terminal) -> None:
    assert stat.S_IMODE(terminal.home.stat().st_mode) == 0o700
    for name in ("keys.json", "poststelle.db"):
        assert stat.S_IMODE((terminal.home / name).stat().st_mode) == 0o600
    assert (terminal.home / "segments").is_dir()


def test_init_works_once(terminal: Terminal) -> None:
    assert terminal.init() == 1
    assert "set up already" in terminal.err


def test_init_refused_for_its_values_can_be_repeated(fresh: Terminal) -> None:
    arguments = ["init", "--office", "Amt", "--admin-email", "ada", "--admin-name", "Ada", "--admin-password-stdin"]
    assert fresh(*arguments, stdin="short") == 1
    assert "email:" in fresh.err
    assert "password:" in fresh.err
    assert fresh.init() == 0


def test_nothing_is_made_where_nothing_was_set_up(fresh: Terminal) -> None:
    assert fresh("account", "list") == 1
    assert str(fresh.home) in fresh.err
    assert "poststelle init" in fresh.err
    assert not fresh.home.exists()


@pytest.mark.parametrize(
    "place", [lambda home: ["--home", home, "status"], lambda home: ["status", "--home", home]], ids=["before", "after"]
)
def test_the_data_folder_may_be_named_before_and_after_the_command(
    terminal: Terminal, place: Callable[[str], list[str]]
) -> None:
    assert terminal(*place(str(terminal.home)), POSTSTELLE_HOME="") == 0
    assert str(terminal.home) in terminal.out


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["nonsense"], ["user", "add", "x@amt.test", "--name", "X"], ["account", "remove", "Zentrale"], ["sync"],
        ["search", "word"], ["account", "probe"], ["sync", "--onc"], ["serve", "--port", "70000"], ["serve", "--port", "0"],
        ["search", "word", "--user", "ada@amt.test", "--limit", "0"],
    ],
)  # fmt: skip
def test_wrong_use_is_told_apart_from_failure(terminal: Terminal, arguments: list[str]) -> None:
    assert terminal(*arguments) == 2
    assert "usage:" in terminal.err


def test_a_person_is_added_once_and_a_password_loses_one_newline(terminal: Terminal) -> None:
    add = ["user", "add", "bob@amt.test", "--name", "Bob", "--password-stdin"]
    assert terminal(*add, stdin="elevenchars\n") == 1
    assert terminal(*add, stdin="elevenchars\n\n") == 0
    assert terminal.out.startswith("bob@amt.test ")
    assert terminal(*add, stdin=PASSWORD) == 1
    assert "email:" in terminal.err


def test_log_ins_and_tokens_are_looked_after_from_the_terminal(terminal: Terminal) -> None:
    assert terminal("user", "add-service", "scan@amt.test", "--name", "Scanner") == 0
    made = ("token", "add", "--user", "scan@amt.test", "--name", "Halle", "--scope", "send", "--days", "3")
    assert terminal(*made) == 0
    (token,) = terminal.json("token", "list", "--user", "scan@amt.test", "--json")
    assert (token["name"], token["scopes"]) == ("Halle", ["send"])
    assert terminal("token", "revoke", "--user", "scan@amt.test", token["id"]) == 0
    assert terminal("second-factor", "require", "--everybody") == 0
    assert terminal.out == "everybody\n"
    listed = {one["email"]: one["is_service"] for one in terminal.json("user", "list", "--json")}
    assert (listed["ada@amt.test"], listed["scan@amt.test"]) == (False, True)


def test_a_token_is_the_last_word_and_is_kept_as_a_digest_only(terminal: Terminal) -> None:
    assert terminal("token", "add", "--user", "ada@amt.test", "--name", "script") == 0
    token = terminal.out.split()[-1]
    with sqlite3.connect(terminal.home / "poststelle.db") as db:
        kept = db.execute("SELECT digest FROM store_token WHERE name = 'script'").fetchone()
    assert len(token) > 40
    assert token not in kept
    assert terminal("token", "add", "--user", "nobody@amt.test", "--name", "x") == 1


def test_an_account_is_added_listed_shown_and_removed(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_text(json.dumps(an_account_document("Büro")))
    assert terminal("account", "add", "--json", str(file)) == 0
    assert terminal("account", "add", "--json", "-", stdin=json.dumps(an_account_document("Büro"))) == 1
    assert "label:" in terminal.err
    listed = terminal.json("account", "list", "--json")
    assert [account["label"] for account in listed["items"]] == ["Büro"]
    shown = terminal.json("account", "show", "Büro", "--json")
    assert shown == listed["items"][0]
    assert shown["incoming"]["port"] == 993
    assert shown["grants"][0]["user"] == "ada@amt.test"
    assert "geheim" not in terminal.out
    assert terminal("account", "show", "Büro") == 0
    assert "incoming.host" in terminal.out
    assert terminal.json("status", "--json")["accounts"] == [shown]
    assert terminal("account", "list") == 0
    assert "Büro" in terminal.out
    assert terminal("account", "remove", "Büro", "--yes") == 0
    assert terminal("account", "show", "Büro") == 1


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("{", "-:"),
        ("[]", "-:"),
        (json.dumps(an_account_document(address="nowhere")), "address:"),
        (json.dumps(an_account_document(incoming={"host": "x", "port": 70000})), "incoming.port:"),
        (json.dumps(an_account_document(colour="blue")), "colour:"),
    ],
)
def test_a_document_that_cannot_be_accepted_is_named_by_field(terminal: Terminal, document: str, told: str) -> None:
    assert terminal("account", "add", "--json", "-", stdin=document) == 1
    assert told in terminal.err
    assert terminal.json("account", "list", "--json")["items"] == []


def test_a_test_of_settings_says_whether_a_person_must_act(terminal: Terminal) -> None:
    document = json.dumps(an_account_document(incoming={"host": "127.0.0.1", "port": 1}, outgoing=None))
    # Not allowed to be reached at all: waiting will not help.
    assert terminal("account", "probe", "--json", "-", "--json-lines", stdin=document) == 3
    steps = [json.loads(line) for line in terminal.out.splitlines()]
    assert next(step for step in steps if step["state"] == "failed")["error"] == "host-internal"
    # Allowed, but nobody listens just now.
    assert terminal("account", "probe", "--json", "-", stdin=document, POSTSTELLE_EGRESS_ALLOW="127.0.0.0/8") == 1
    assert "failed" in terminal.out
    assert terminal("account", "add", "--json", "-", "--probe", stdin=document) == 3
    assert terminal.json("account", "list", "--json")["items"] == []


def test_a_round_says_whether_an_account_needs_a_person(ready: Terminal) -> None:
    document = json.dumps(an_account_document(incoming={"host": "127.0.0.1", "port": 1}, outgoing=None))
    assert ready("account", "add", "--json", "-", stdin=document) == 0
    assert ready("sync", "--once", "--json") == 3
    (entry,) = json.loads(ready.out)["accounts"]
    assert (entry["label"], entry["state"], entry["trouble"]["code"]) == ("Zentrale", "attention", "host-forbidden")
    assert ready("sync", "Zentrale", "--once", "--json-lines", POSTSTELLE_EGRESS_ALLOW="127.0.0.0/8") == 1
    assert json.loads(ready.out)["trouble"]["code"] == "connection-refused"
    assert ready("sync", "Nowhere", "--once") == 1


def test_a_round_is_for_mailboxes_that_receive_and_each_comes_once(ready: Terminal) -> None:
    receives = an_account_document(incoming={"host": "127.0.0.1", "port": 1}, outgoing=None)
    sends = an_account_document("Newsletter", kind="send-only", incoming=None)
    for document in (receives, sends):
        assert ready("account", "add", "--json", "-", stdin=json.dumps(document)) == 0
    assert ready("sync", "Newsletter", "--once") == 1
    assert ready.json("account", "show", "Newsletter", "--json")["state"] == "active"
    assert ready("sync", "Zentrale", "Zentrale", "--once", "--json") == 3
    assert len(json.loads(ready.out)["accounts"]) == 1


def test_a_round_waits_for_a_round_somebody_else_has_begun(ready: Terminal) -> None:
    document = json.dumps(an_account_document(incoming={"host": "127.0.0.1", "port": 1}, outgoing=None))
    assert ready("account", "add", "--json", "-", stdin=document) == 0
    with ThreadPoolExecutor() as aside:
        with held(ready.home, ENGINE):
            waiting = aside.submit(ready, "sync", "--once", "--json")
            with pytest.raises(TimeoutError):
                waiting.result(3)
        assert waiting.result() == 3


@pytest.mark.parametrize("setting", ["egress_allow", "ca_file"])
def test_a_setting_that_makes_no_sense_is_named(terminal: Terminal, setting: str) -> None:
    assert terminal("status", **{f"POSTSTELLE_{setting.upper()}": "300.1.1.1/8"}) == 1
    assert terminal.err.startswith(f"poststelle: {setting}: ")


def test_extra_certificates_lie_beside_the_configuration_that_names_them(
    ready: Terminal, ca: CertificateAuthority
) -> None:
    (ready.home / "poststelle.toml").write_text('ca_file = "ours.pem"')
    assert ready("status") == 1
    (ready.home / "ours.pem").write_bytes(ca.ca_file.read_bytes())
    assert ready("status") == 0


def test_a_folder_that_cannot_be_made_is_named(fresh: Terminal) -> None:
    fresh.home.write_text("a file")
    assert fresh.init() == 1
    assert str(fresh.home) in fresh.err


def test_a_port_somebody_else_has_is_a_failure_and_no_matter_for_a_mailbox(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert terminal("serve", "--port", port) == 1
    assert f"port {port}" in terminal.err


def test_search_answers_for_a_person(terminal: Terminal) -> None:
    assert terminal.json("search", "nothing", "--user", "ada@amt.test", "--json") == {"items": [], "next": None}
    assert terminal("search", "nothing", "--user", "nobody@amt.test") == 1


def test_the_doctor_finds_a_healthy_folder_healthy(terminal: Terminal) -> None:
    checks = {check["check"]: check["state"] for check in terminal.json("doctor", "--json")["checks"]}
    assert checks == {
        "folder": "ok", "keys": "ok", "database": "ok", "schema": "ok", "messages": "ok", "disk": "ok", "engine": "warning",
        "links": "ok",
    }  # fmt: skip


def test_the_doctor_finds_what_is_wrong(ready: Terminal) -> None:
    ready.home.chmod(0o755)
    content = (ready.home / "poststelle.db").read_bytes()
    (ready.home / "poststelle.db").write_bytes(content[:4096] + b"\xff" * 8192 + content[12288:])
    assert ready("doctor", "--json") == 1
    checks = {check["check"]: check["state"] for check in json.loads(ready.out)["checks"]}
    assert (checks["folder"], checks["database"]) == ("failed", "failed")


def test_a_folder_of_a_later_release_is_refused_and_left_alone(ready: Terminal) -> None:
    with closing(sqlite3.connect(ready.home / "poststelle.db")) as db:
        db.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('store', '9999_later', '2030-01-01')")
        db.commit()
        before = list(db.iterdump())
        assert ready("account", "list") == 1
        assert "newer" in ready.err
        assert list(db.iterdump()) == before


def test_a_key_file_others_can_read_is_refused_with_a_sentence(ready: Terminal) -> None:
    (ready.home / "keys.json").chmod(0o644)
    assert ready("status") == 1
    assert "0600" in ready.err


def test_a_setting_that_cannot_be_is_named(terminal: Terminal) -> None:
    assert terminal("status", POSTSTELLE_PORT="seventy") == 1
    assert "port" in terminal.err


def test_sentences_follow_the_locale_and_else_the_office(terminal: Terminal) -> None:
    assert terminal("account", "show", "Nowhere") == 1
    english = terminal.err
    assert terminal("account", "show", "Nowhere", LANG="de_DE.UTF-8") == 1
    assert terminal.err != english
    assert terminal("account", "show", "Nowhere", LANG="de_DE.UTF-8", LC_ALL="en_GB.UTF-8") == 1
    assert terminal.err == english


def test_many_may_open_a_fresh_folder_at_once(fresh: Terminal) -> None:
    processes = [
        subprocess.Popen(
            [
                sys.executable, "-c", RUN, "--home", str(fresh.home), "init", "--office", "Amt", "--admin-email", "a@amt.test",
                "--admin-name", "A", "--admin-password-stdin",
            ],
            env=os.environ | {"PYTHONPATH": str(SOURCES)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]  # fmt: skip
    for process in processes:
        process.communicate((PASSWORD + "\n").encode(), timeout=300)
    assert sorted(process.returncode for process in processes) == [0, 1, 1]
