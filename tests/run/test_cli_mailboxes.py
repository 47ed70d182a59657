"""The mailbox area by command line: the same functions as pages and API."""

from __future__ import annotations

import json
import re

from tests.builders import an_account_document
from tests.run.test_cli import Terminal, terminal

__all__ = ["terminal"]


def test_logins_servers_and_groups_are_shared_by_command(terminal: Terminal) -> None:
    login = {"label": "Haus", "username": "haus", "password": "geheim"}
    assert terminal("login", "add", "--json", "-", stdin=json.dumps(login)) == 0, terminal.err
    server = {"label": "Versand", "host": "out.amt.test", "default": True}
    assert terminal("server", "add", "--json", "-", stdin=json.dumps(server)) == 0, terminal.err
    document = an_account_document("Shared", login={"login": "Haus"}, outgoing=None)
    assert terminal("account", "add", "--json", "-", stdin=json.dumps(document)) == 0, terminal.err
    assert terminal("login", "password", "Haus", "--password-stdin", stdin="neues Wort\n") == 0, terminal.err
    assert terminal.out == "1\n"
    assert terminal.json("account", "way-out", "Shared")["reason"] == "office"
    assert terminal("group", "put", "Alle", "--member", "ada@amt.test") == 0, terminal.err
    assert terminal("grant", "Shared", "--group", "Alle", "--right", "see", "--until", "2999-12-31") == 0, terminal.err
    assert [one["group"] for one in terminal.json("account", "show", "Shared", "--json")["grants"]] == [None, "Alle"]
    assert terminal("grant", "Shared", "--group", "Keine", "--right", "see") == 1
    assert "group: There is no such group." in terminal.err
    assert terminal("login", "remove", "Haus") == 1
    assert "Mailboxes use this log-in." in terminal.err
    assert "geheim" not in json.dumps(terminal.json("login", "list", "--json"))


def test_a_table_is_previewed_imported_and_exported(terminal: Terminal) -> None:
    table = "label;address;incoming.host;login.username;login.password\nTisch;t@amt.test;m.test;t;x\nFalsch;kein;m.test;t;x\n"
    assert terminal("account", "import", "-", stdin=table) == 1
    assert "address: This is not an e-mail address." in terminal.out
    assert terminal("account", "import", "-", "--apply", stdin=table) == 1
    assert "line.3.address" in terminal.err
    assert terminal("account", "import", "-", "--apply", "--partly", stdin=table) == 1
    assert terminal("account", "archive", "Tisch", "--yes") == 0, terminal.err
    assert terminal.json("account", "consequences", "Tisch", "--json")["messages"] == 0
    assert terminal("account", "export") == 0
    assert '"Tisch"' in terminal.out


def test_a_colleague_comes_and_leaves(terminal: Terminal) -> None:
    assert terminal("user", "invite", "neu@amt.test", "--name", "Neu") == 0, terminal.err
    assert "http://127.0.0.1:8025/welcome/" in terminal.out
    changed = ("user", "change", "neu@amt.test", "--new-email", "ganz-neu@amt.test", "--name", "Ganz Neu", "--admin")
    assert terminal(*changed) == 0, terminal.err
    told = {one["email"]: one for one in terminal.json("user", "list", "--json")}
    assert (told["ganz-neu@amt.test"]["name"], told["ganz-neu@amt.test"]["is_administrator"]) == ("Ganz Neu", True)
    assert terminal("user", "change", "ganz-neu@amt.test", "--new-email", "neu@amt.test", "--no-admin") == 0
    assert terminal("user", "leave", "neu@amt.test", "--heir", "ada@amt.test") == 0, terminal.err
    assert terminal("user", "block", "ada@amt.test") == 1
    assert "last administrator" in terminal.err


def test_who_may_do_what_and_who_changed_it_is_listed_by_command(terminal: Terminal) -> None:
    document = an_account_document("Kanzlei")
    assert terminal("account", "add", "--json", "-", stdin=json.dumps(document)) == 0, terminal.err
    assert terminal("user", "add-service", "scan@amt.test", "--name", "Scanner") == 0, terminal.err
    assert terminal("group", "put", "Technik", "--member", "scan@amt.test") == 0, terminal.err
    assert terminal("grant", "Kanzlei", "--group", "Technik", "--right", "see", "--until", "2999-01-01") == 0
    told = terminal.json("rights", "kanz", "--user", "scan@amt.test", "--json")
    assert [(one["account"], one["rights"], one["groups"]) for one in told] == [("Kanzlei", ["see"], ["Technik"])]
    assert terminal("rights") == 0
    assert "scan@amt.test" in terminal.out
    assert "2999" in terminal.out
    assert terminal("rights", "--user", "niemand@amt.test") == 1
    (entry,) = terminal.json("journal", "--kind", "grants-changed", "--account", "Kanzlei", "--limit", "1", "--json")
    assert entry["facts"]["changes"][0]["gained"] == ["see"]
    assert terminal("journal", "--person", "system") == 0
    assert "group-added" in terminal.out
    assert terminal("journal", "--kind", "gibt-es-nicht") == 1


def test_logins_servers_templates_and_senders_are_changed_and_tried_by_command(terminal: Terminal) -> None:
    login = {"label": "Alt", "username": "alt", "password": "geheim"}
    assert terminal("login", "add", "--json", "-", stdin=json.dumps(login)) == 0, terminal.err
    assert terminal("login", "change", "Alt", "--json", "-", stdin=json.dumps({"label": "Neu"})) == 0, terminal.err
    assert "Neu" in [one["label"] for one in terminal.json("login", "list", "--json")]
    server = {"label": "Probe", "host": "127.0.0.1", "port": 1, "encryption": "tls"}
    assert terminal("server", "add", "--json", "-", stdin=json.dumps(server)) == 0, terminal.err
    assert terminal("server", "test", "Probe") == 1
    assert "failed" in terminal.out
    assert terminal("account", "add", "--json", "-", stdin=json.dumps(an_account_document())) == 0, terminal.err
    template = {"receiving": {"interval_minutes": 15}}
    assert terminal("template", "put", "Ruhig", "--json", "-", stdin=json.dumps(template)) == 0, terminal.err
    assert terminal("template", "apply", "Ruhig", "Zentrale") == 0, terminal.err
    assert terminal.json("account", "show", "Zentrale", "--json")["receiving"]["interval_minutes"] == 15
    assert terminal("user", "sender", "ada@amt.test", "Nirgends") == 1
    assert terminal("user", "sender", "ada@amt.test") == 0, terminal.err


def test_the_notice_is_written_and_read_by_command(terminal: Terminal) -> None:
    assert terminal("notice", "put", "-", stdin="Erst fragen.\n") == 0, terminal.err
    assert terminal("notice", "show") == 0
    assert terminal.out == "Erst fragen.\n"
    assert terminal("notice", "put", "-", stdin="") == 0, terminal.err
    assert terminal("notice", "show") == 0
    assert terminal.out == ""


def test_folders_are_made_chosen_and_fetched_by_command(terminal: Terminal) -> None:
    document = an_account_document("Akten")
    assert terminal("account", "add", "--json", "-", stdin=json.dumps(document)) == 0, terminal.err
    assert terminal("folder", "create", "Akten", "Fälle") == 0, terminal.err
    changed = ("--role", "archive", "--process", "yes", "--show", "no", "--subscribed", "no")
    assert terminal("folder", "change", "Akten", "Fälle", *changed) == 0, terminal.err
    (folder,) = terminal.json("folder", "list", "Akten", "--json")
    assert (folder["name"], folder["role"], folder["subscribed"]) == ("Fälle", "archive", False)
    assert terminal("folder", "list", "Akten") == 0
    assert "show" not in terminal.out
    assert "process" in terminal.out
    assert terminal("folder", "change", "Akten", "Keiner", "--show", "yes") == 1
    assert "There is no such folder." in terminal.err
    assert terminal("account", "retry", "Akten") == 0, terminal.err
    assert terminal("account", "accept-loss", "Akten") == 0, terminal.err


def test_a_server_is_tried_before_it_is_saved_and_its_exception_listed_by_command(terminal: Terminal) -> None:
    document = {"label": "Innen", "host": "127.0.0.1", "port": 1, "encryption": "none", "exception_reason": "verkabelt"}
    before = terminal.json("server", "list", "--json")
    assert terminal("server", "test", "--json", "-", "--report", "-", stdin=json.dumps(document)) == 1
    assert "connect" in terminal.out
    assert "Test of an outgoing server: Innen" in terminal.out
    assert terminal.json("server", "list", "--json") == before
    assert terminal("server", "add", "--json", "-", stdin=json.dumps(document)) == 0, terminal.err
    (made,) = [one for one in terminal.json("account", "exceptions", "--json") if one["label"] == "Innen"]
    assert made | {"at": ""} == {
        "label": "Innen", "way": "outgoing", "what": "no-encryption", "by": "system", "at": "", "reason": "verkabelt",
    }  # fmt: skip
    through = an_account_document("Durch Innen", outgoing={"server": "Innen"})
    assert terminal("account", "add", "--json", "-", stdin=json.dumps(through)) == 0, terminal.err
    assert terminal("account", "show", "Durch Innen") == 0, terminal.err
    for name, value in (("what", "no-encryption"), ("reason", "verkabelt"), ("server", "Innen")):
        assert re.search(rf"^exceptions\.0\.{name}\s+{value}$", terminal.out, re.MULTILINE)


def test_the_test_of_a_log_in_leaves_a_report_by_command(terminal: Terminal) -> None:
    login = {"label": "Bericht", "username": "bericht", "password": "ganz alt"}
    assert terminal("login", "add", "--json", "-", stdin=json.dumps(login)) == 0, terminal.err
    document = an_account_document("Berichtet", incoming={"host": "127.0.0.1", "port": 1}, outgoing=None)
    document["login"] = {"login": "Bericht", "password": "ganz alt"}
    assert terminal("account", "add", "--json", "-", stdin=json.dumps(document)) == 0, terminal.err
    tried = ("login", "password", "Bericht", "--password-stdin", "--test")
    assert terminal(*tried, "--report", "-", stdin="ganz neu\n") == 1
    assert "Test of a log-in: Bericht" in terminal.out
    assert "\nBerichtet\nincoming  resolve" in terminal.out
    assert "ganz neu" not in terminal.out
    assert terminal(*tried[:-1], "--report", "-", stdin="ganz neu\n") == 2
    assert terminal("server", "test") == 2


def test_internal_servers_are_allowed_and_taken_back_by_command(terminal: Terminal) -> None:
    assert terminal("internal", "allow", "127.0.0.1") == 0, terminal.err
    assert [one["server"] for one in terminal.json("internal", "list", "--json")] == ["127.0.0.1"]
    document = json.dumps(an_account_document(incoming={"host": "127.0.0.1", "port": 1}, outgoing=None))
    # Nobody listens there, but it may be asked.
    assert terminal("account", "probe", "--json", "-", stdin=document) == 1
    assert terminal("internal", "revoke", "127.0.0.1") == 0, terminal.err
    assert terminal("internal", "revoke", "127.0.0.1") == 1
    assert terminal("sign-on", "test") == 1
    assert "No identity provider is set up." in terminal.err


def test_lists_are_narrowed_by_command_as_on_their_pages(terminal: Terminal) -> None:
    for document in (
        an_account_document("Siebpost"), an_account_document("Siebfristen", active=False),
        {"label": "Siebalt", "kind": "archive"},
    ):  # fmt: skip
        assert terminal("account", "add", "--json", "-", stdin=json.dumps(document)) == 0, terminal.err

    def mailboxes(*asked: str) -> list[str]:
        return [one["label"] for one in terminal.json("account", "list", *asked, "--json")["items"]]

    assert mailboxes("SIEB amt") == ["Siebfristen", "Siebpost"]
    assert (mailboxes("sieb", "--only", "archive"), mailboxes("--only", "inactive")) == (["Siebalt"], ["Siebfristen"])
    assert terminal("account", "add", "--json", "-", stdin=json.dumps(an_account_document("Müllsieb"))) == 0, (
        terminal.err
    )
    assert mailboxes("MÜLLS") == mailboxes("müllS") == ["Müllsieb"]
    assert (mailboxes("nirgends"), mailboxes("siebp amt.test", "--only", "synchronised")) == ([], ["Siebpost"])
    assert terminal("account", "list", "--only", "broken") == 2
    for label in ("Siebhaus", "Siebhof"):
        login = {"label": label, "username": f"{label.lower()}@amt.test", "password": "x"}
        assert terminal("login", "add", "--json", "-", stdin=json.dumps(login)) == 0, terminal.err
        server = {"label": label, "host": f"{label.lower()}.amt.test"}
        assert terminal("server", "add", "--json", "-", stdin=json.dumps(server)) == 0, terminal.err
    assert [one["label"] for one in terminal.json("login", "list", "siebhof@", "--json")] == ["Siebhof"]
    assert [one["label"] for one in terminal.json("server", "list", "SIEBHOF.amt", "--json")] == ["Siebhof"]
    assert terminal("user", "invite", "sieb@amt.test", "--name", "Örtlich Sieb") == 0, terminal.err
    assert terminal("user", "block", "sieb@amt.test") == 0, terminal.err

    def people(*asked: str) -> list[str]:
        return [one["email"] for one in terminal.json("user", "list", *asked, "--json")]

    assert "sieb@amt.test" in people("--only", "blocked")
    assert people("örtlich sieb") == ["sieb@amt.test"]
    assert (people("ada@", "--only", "administrator"), people("sieb", "--only", "program")) == (["ada@amt.test"], [])
