"""What servers may send, and how long they may take, is the administrator's to say, within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from poststelle.adapters.imap.wire import Limits as ImapLimits
from poststelle.adapters.pop3.session import Limits as Pop3Limits
from poststelle.office.doors import Bounds, bounds
from poststelle.run.configuration import ConfigurationError, load


def test_where_nothing_is_set_the_bounds_are_those_of_the_protocols() -> None:
    assert bounds() == Bounds(ImapLimits(), Pop3Limits())


def test_what_is_set_holds_for_both_ways_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "poststelle.toml").write_text(
        "largest_message_megabytes = 25\nconnect_seconds = 3\ngreeting_seconds = 4\nanswer_seconds = 5\ncommand_minutes = 6\n"
    )
    monkeypatch.setattr(settings, "POSTSTELLE", load({"POSTSTELLE_HOME": str(tmp_path)}))
    ways = bounds()
    assert ways.imap.literal == ways.pop3.message == 25 * 1024 * 1024
    for way in (ways.imap, ways.pop3):
        told = (way.connect_seconds, way.greeting_seconds, way.read_seconds, way.command_seconds)
        assert told == (3, 4, 5, 360)
    assert bounds() is ways, "all connections share it"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("largest_message_megabytes", 1001), ("connect_seconds", 61), ("greeting_seconds", 0), ("answer_seconds", 91),
        ("command_minutes", 241),
    ],
)  # fmt: skip
def test_what_would_leave_an_account_waiting_for_ever_is_refused_by_name(tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load({"POSTSTELLE_HOME": str(tmp_path), f"POSTSTELLE_{name.upper()}": str(value)})
