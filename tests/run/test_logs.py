"""One line per event: nothing from outside begins a line of its own, nothing secret is told."""

from __future__ import annotations

import json
import logging
import sys

from poststelle.mail.secret import Secret
from poststelle.run.logs import JsonLines, TextLines

HOSTILE = "Ordner\r\n2026-01-01 00:00:00 ERROR forged\x1b[31m\u202e"


def record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("poststelle.test", logging.WARNING, __file__, 1, message, args, None)


def failed(message: str) -> logging.LogRecord:
    try:
        raise ValueError(message)
    except ValueError:
        return logging.LogRecord("poststelle.test", logging.ERROR, __file__, 1, "it failed", (), sys.exc_info())


def test_a_line_break_in_a_message_begins_no_line() -> None:
    (line,) = TextLines().format(record("folder %s", HOSTILE)).splitlines()
    assert "\\r\\n2026-01-01" in line
    assert "\x1b" not in line
    assert "\u202e" not in line


def test_a_traceback_is_indented_below_its_record() -> None:
    first, *rest = TextLines().format(failed(HOSTILE)).splitlines()
    assert first.endswith("ERROR poststelle.test: it failed")
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_json_is_one_object_on_one_line() -> None:
    line = JsonLines().format(failed(HOSTILE))
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"], told["kind"]) == (
        "ERROR",
        "poststelle.test",
        "it failed",
        "ValueError",
    )
    assert HOSTILE in told["traceback"]
    assert told["time"].endswith("+00:00")


def test_a_secret_stays_one() -> None:
    assert "geheim" not in JsonLines().format(record("login %s %r", Secret("geheim"), Secret("geheim")))
