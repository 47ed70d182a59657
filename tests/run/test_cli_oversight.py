"""``status``, ``ledger``, ``verify``, ``events`` and ``transcript`` as a stranger types them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.builders import an_account_document
from tests.run.test_cli import Terminal
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory, dovecot: Dovecot, ca: CertificateAuthority) -> Terminal:
    """An office with one mailbox on a real server, three messages in it, fetched."""
    made = Terminal(tmp_path_factory.mktemp("oversight") / "home")
    assert made.init() == 0, made.err
    (made.home / "poststelle.toml").write_text(f'egress_allow = ["127.0.0.0/8"]\nca_file = "{ca.ca_file}"\n')
    user = dovecot.user("oversight")
    dovecot.fill(user, [f"Subject: Brief {n}\r\n\r\nGeheimnis\r\n".encode() for n in range(3)])
    document = an_account_document(
        incoming={"protocol": "imap", "host": "localhost", "port": dovecot.imaps_port, "encryption": "tls"},
        outgoing=None, login={"username": user.address, "password": user.password},
    )  # fmt: skip
    del document["outgoing"]
    assert made("account", "add", "--json", "-", stdin=json.dumps(document)) == 0, made.err
    assert made("sync", "--once") == 0, made.out + made.err
    return made


def changed(terminal: Terminal, sql: str) -> None:
    with closing(sqlite3.connect(terminal.home / "poststelle.db")) as db:
        db.execute(sql)
        db.commit()


def test_status_says_how_every_mailbox_is(terminal: Terminal) -> None:
    told = terminal.json("status", "--json")
    (one,) = told["health"]
    assert (one["label"], one["state"], one["held"]) == ("Zentrale", "well", 3)
    assert terminal("status") == 0
    assert "Zentrale" in terminal.out
    assert "in step as of" in terminal.out


def test_the_ledger_adds_up_and_finds_what_was_lost(terminal: Terminal) -> None:
    assert terminal("ledger", "--compare") == 0, terminal.out + terminal.err
    folders = {one["path"]: one for one in terminal.json("ledger", "Zentrale", "--json")["folders"]}
    assert (folders["INBOX"]["server"], folders["INBOX"]["held"], folders["INBOX"]["balanced"]) == (3, 3, True)
    changed(terminal, "DELETE FROM store_placement WHERE rowid = (SELECT MIN(rowid) FROM store_placement)")
    assert terminal("ledger", "Zentrale", "--compare") == 0, terminal.out + terminal.err
    inbox = next(one for one in terminal.json("ledger", "Zentrale", "--json")["folders"] if one["path"] == "INBOX")
    assert (inbox["held"], inbox["recovered"], inbox["missing"]) == (3, 1, 0)
    assert terminal("ledger", "Nirgends") == 1


def test_something_missing_is_exit_code_one(terminal: Terminal) -> None:
    changed(terminal, "UPDATE store_folder SET ledger = json_set(ledger, '$.missing', 2) WHERE ledger IS NOT NULL")
    assert terminal("ledger") == 1
    changed(terminal, "UPDATE store_folder SET ledger = json_set(ledger, '$.missing', 0) WHERE ledger IS NOT NULL")
    assert terminal("ledger") == 0


def test_events_tell_what_was_done(terminal: Terminal) -> None:
    assert terminal("events", "Zentrale") == 0
    assert "Connected with localhost" in terminal.out
    assert "Logged in" in terminal.out
    codes = [one["code"] for one in terminal.json("events", "Zentrale", "--json")["items"]]
    assert codes.index("connected") < codes.index("logged-in") < codes.index("ledger-compared")


def test_a_transcript_holds_commands_and_no_secret(terminal: Terminal) -> None:
    assert terminal("transcript", "Zentrale", "--for", "5m") == 0, terminal.err
    assert terminal("sync", "--once") == 0
    assert terminal("transcript", "Zentrale", "--show") == 0
    assert "C: " in terminal.out
    assert "(rest left out)" in terminal.out
    assert "Geheimnis" not in terminal.out
    assert "Brief 1" not in terminal.out
    assert terminal("transcript", "Zentrale", "--off") == 0
    assert terminal("transcript", "Zentrale", "--for", "25h") == 1
    for wrong in (["--for", "soon"], [], ["--off", "--show"]):
        assert terminal("transcript", "Zentrale", *wrong) == 2


def test_verify_proves_and_names_what_was_changed(terminal: Terminal, tmp_path: Path) -> None:
    proof = terminal.json("verify", "--all", "--json")
    assert proof["ok"]
    assert proof["messages"] == 3
    head = proof["journal"][0]["head"]
    assert terminal("verify", "--head", head) == 0
    assert terminal("verify", "--head", "1:" + "0" * 64) == 1
    assert terminal("verify", "--head", "nonsense") == 1
    changed(terminal, "UPDATE store_journal SET actor = 'eve@amt.test' WHERE id = 3")
    assert terminal("verify") == 1
    assert "broken at entry 3" in terminal.out
