"""How log records become lines: for people (``text``) or for machines (``json``), by the setting ``log_format``.

Law (RELIABILITY Q75): nothing that comes from outside can begin a line of its own. In text, control characters are shown and a
traceback is indented below its record; in JSON everything is one object on one line.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class TextLines(logging.Formatter):
    """Time, level, logger and message on one line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the traceback below it if there is one."""
        lines = [f"{self.formatTime(record)} {record.levelname} {record.name}: {visible(record.getMessage())}"]
        lines += [f"    {visible(line)}" for line in _traceback(self, record).splitlines()]
        return "\n".join(lines)


class JsonLines(logging.Formatter):
    """One object: time (ISO 8601, UTC), level, logger, message, process; with a failure also its kind and traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname, "logger": record.name, "message": record.getMessage(), "process": record.process,
        }  # fmt: skip
        if trace := _traceback(self, record):
            told["traceback"] = trace
            if record.exc_info and record.exc_info[0]:
                told["kind"] = record.exc_info[0].__name__
        return json.dumps(told, ensure_ascii=True)


def visible(text: str) -> str:
    """The text with control characters, line breaks and direction marks shown as escapes."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
