"""Trouble as a row keeps it: an error's code and facts, and since when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from poststelle.errors import PoststelleError
from poststelle.mail.records import TroubleRecord


def trouble_column(error: PoststelleError) -> dict[str, object]:
    """The error as JSON can hold it."""
    facts = {
        name: value if isinstance(value, str | int | float | bool | None) else str(value)
        for name, value in error.facts.items()
    }
    return {"code": error.code, "facts": facts}


def trouble_record(column: Any, since: datetime | None) -> TroubleRecord | None:
    """What `trouble_column` made, read back; None where there is none."""
    return TroubleRecord(column["code"], column["facts"], since) if column is not None and since is not None else None
