"""Every code that can reach a person has words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import poststelle
from poststelle import errors
from poststelle.errors import Invalid, LoginRejected, PoststelleError
from poststelle.mail.records import TroubleRecord
from poststelle.office import wording
from poststelle.store.journal import KINDS

SOURCES = sorted(Path(poststelle.__path__[0]).rglob("*.py"))
RAISED = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, PoststelleError)}
RAISED = (RAISED | {"Unfetchable"}) - {"Invalid"}


def nodes() -> Iterator[ast.AST]:
    for source in SOURCES:
        yield from ast.walk(ast.parse(source.read_text(encoding="utf-8")))


def texts(node: ast.AST | None) -> Iterator[str]:
    """The words an expression can come to: a text, or both branches of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)


def raised_codes() -> set[str]:
    """First arguments of every error made in the sources, and the certificate codes, which stand in a table."""
    found: set[str] = set()
    for node in nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
            place = 1 if node.func.id == "Unfetchable" else 0
            if len(node.args) > place:
                found |= set(texts(node.args[place]))
            found |= {text for keyword in node.keywords if keyword.arg == "code" for text in texts(keyword.value)}
        if isinstance(node, ast.Assign) and any(getattr(one, "id", "") == "_VERIFY_CODES" for one in node.targets):
            assert isinstance(node.value, ast.Dict)
            found |= {text for value in node.value.values for text in texts(value)}
    return found


def given_reasons() -> set[str]:
    """What ``Invalid({…})`` is made with, and what is put into ``wrong``."""
    found: set[str] = set()
    for node in nodes():
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called == "Invalid" and isinstance(node.args[0], ast.Dict):
                found |= {text for value in node.args[0].values for text in texts(value)}
            elif called.endswith("wrong.setdefault"):
                found |= set(texts(node.args[1]))
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).partition("[")[0].endswith("wrong"):
            found |= set(texts(node.value))
    # Finished sentences of pages, and "nothing wrong yet", are no reasons.
    return {reason for reason in found if reason and " " not in reason}


def test_every_error_that_is_raised_has_words() -> None:
    codes = raised_codes()
    assert len(codes) > 60
    assert codes - wording.CODES.keys() == set()


def test_every_reason_a_field_can_be_refused_for_has_words() -> None:
    reasons = given_reasons()
    assert {"missing", "taken", "not-a-port", "needed-again", "not-available"} <= reasons
    assert reasons - wording.REASONS.keys() == set()


def test_every_kind_of_journal_entry_has_words() -> None:
    assert wording.JOURNAL.keys() == KINDS


def test_every_defect_of_a_message_has_words() -> None:
    found = {
        text
        for node in nodes()
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
        if ast.unparse(node.targets[0].value) == "self.defects"
        for text in texts(node.targets[0].slice)
    }
    found |= {
        text
        for node in nodes()
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "defects.append"
        for text in texts(node.args[0])
    }
    assert len(found) > 6
    assert found - wording.DEFECTS.keys() == set()


@pytest.mark.parametrize("code", sorted(wording.CODES))
def test_a_sentence_comes_out_whatever_facts_there_are(code: str) -> None:
    told = wording.sentence(code, {})
    assert told.title
    assert told.advice
    assert "%(" not in str(told)


def test_facts_are_named() -> None:
    assert "mail.amt.test" in wording.sentence("connection-refused", {"host": "mail.amt.test", "port": 143}).title
    assert "143" in wording.sentence("connection-refused", {"host": "mail.amt.test", "port": 143}).title


def test_an_error_and_recorded_trouble_read_the_same() -> None:
    error = LoginRejected("login-rejected", answer="NO")
    assert wording.sentence(error) == wording.of_trouble(TroubleRecord("login-rejected", {}, datetime.now(UTC)))


def test_an_unknown_code_is_named_in_a_general_sentence() -> None:
    told = wording.sentence("from-the-future")
    assert "from-the-future" in told.title
    assert told.advice
    assert "from-the-future" in wording.field_sentence("from-the-future")
    assert "from-the-future" in wording.defect_sentence("from-the-future")


def test_every_wrong_field_gets_its_sentence() -> None:
    told = wording.field_sentences(Invalid({"incoming.port": "not-a-port", "label": "taken"}))
    assert set(told) == {"incoming.port", "label"}
    assert "65535" in told["incoming.port"]


def test_what_the_server_said_is_one_short_line_with_control_characters_shown() -> None:
    said = wording.server_words({"answer": "550 no\r\nsuch\x1b[31m user" + "x" * 400})
    assert said.startswith("550 no\\x0d\\x0asuch\\x1b[31m user")
    assert len(said) == 300
