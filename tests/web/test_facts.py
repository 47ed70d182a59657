"""What a journal entry knows, as people read it."""

from __future__ import annotations

import ast
from pathlib import Path
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import override

from poststelle import store
from poststelle.web import facts


def test_facts_are_said_in_the_readers_language_and_ids_for_machines_are_left_out() -> None:
    known = {"count": 3, "first": "0198", "last": "0199", "administrator": False, "left": [], "unheard_of": "x"}
    with override("en"):
        assert facts.told(known) == "number: 3, administrator: no, unheard_of: x"


def test_rights_causes_and_states_are_said_in_words() -> None:
    known = {
        "code": "login-rejected",
        "state": "sent",
        "changes": [{"user": "bob@amt.test", "gained": ["see", "process"], "to_oneself": True}],
    }
    with override("en"):
        assert facts.told(known) == (
            "cause: User name or password is wrong, state: Sent, changes: person: bob@amt.test, given: see, process"
        )


def test_a_cause_names_what_the_entry_kept_of_it() -> None:
    known = {"code": "connection-refused", "facts": {"host": "imap.amt.test", "port": 993}, "count": 2}
    with override("en"):
        assert facts.told(known) == "cause: “imap.amt.test” answers, but nothing listens on port 993, number: 2"


def test_moments_work_and_scopes_are_said_as_the_reader_says_them() -> None:
    known = {"until": "2027-01-31", "expires_at": "2026-11-23T06:43:36.995101+00:00", "at": "soon", "status": "waiting", "scopes": ["read", "send"]}  # fmt: skip
    with override("de"), timezone.override(ZoneInfo("Europe/Berlin")):
        assert facts.told(known) == (
            "gültig bis: 31.01.2027, gültig bis: 23.11.2026 07:43, am: soon, Stand: Wartet, Bereiche: Lesen, Senden"
        )


def test_flags_colours_and_scopes_kept_as_one_word_are_said_in_words() -> None:
    known = {"count": 1, "added": ["\\Seen", "frist"], "colour": "green", "scopes": "read send", "path": "Akten"}
    with override("en"):
        assert facts.told(known) == "number: 1, added: read, frist, colour: green, scopes: Read, Send, folder: Akten"


def test_every_fact_the_store_writes_has_a_name_for_people() -> None:
    written: set[object] = set()
    for source in sorted(Path(store.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            for given in facts_of(node):
                written |= {key.value for one in ast.walk(given) if isinstance(one, ast.Dict) for key in one.keys if isinstance(key, ast.Constant)}  # fmt: skip
    assert len(written) > 40
    assert written - facts.NAMES.keys() - facts.FOR_MACHINES == set()


def facts_of(node: ast.AST) -> list[ast.AST]:
    """What becomes the facts of an entry, as far as it stands in the source."""
    if isinstance(node, ast.Call):
        given: list[ast.AST] = [one.value for one in node.keywords if one.arg == "facts"]
        return given + (
            list(node.args) if ast.unparse(node.func).rpartition(".")[2] in {"tell", "_tell", "_write_journal"} else []
        )
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [node.value] if any(ast.unparse(one).startswith("facts") for one in targets) else []
    return []


def test_ids_are_left_out_and_exceptions_said_in_words() -> None:
    moved = {
        "count": 2,
        "from": "01990000-0000-7000-8000-000000000000",
        "way": "incoming",
        "what": ["certificate-pinned"],
    }
    with override("en"):
        assert facts.told(moved) == "number: 2, direction: Receiving, exceptions: Only one certificate is accepted"


def test_a_long_list_ends_somewhere() -> None:
    assert len(facts.told({"joined": ["someone@amt.test"] * 1_000})) == 300
