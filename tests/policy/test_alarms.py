"""When people are told that a mailbox stands still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from poststelle.policy.alarms import Facts, Told, Verdict, verdict

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def facts(state: str, code: str = "", minutes: float = 1, interval: float = 60.0) -> Facts:
    """How an account is doing that was last in step so many minutes ago."""
    return Facts(state, code, NOW - timedelta(minutes=minutes), interval)


def told(code: str, hours: float = 1, *, over: bool = False) -> Told:
    """They were told so many hours ago."""
    return Told(code, NOW - timedelta(hours=hours), over)


@pytest.mark.parametrize(
    ("now", "before", "wanted"),
    [
        (facts("suspended", "login-rejected"), Told(), Verdict.TELL),
        (facts("suspended", "login-rejected"), told("login-rejected"), Verdict.NOTHING),
        (facts("suspended", "login-rejected"), told("connect-timeout"), Verdict.TELL),
        (facts("suspended", "connect-timeout"), told("connect-timeout", over=True), Verdict.NOTE),
        (facts("suspended", "connect-timeout"), told("connect-timeout", 25, over=True), Verdict.TELL),
        (facts("troubled", "connect-timeout", 10), Told(), Verdict.NOTHING),
        (facts("troubled", "connect-timeout", 16), Told(), Verdict.TELL),
        (facts("troubled", "connection-refused", 16), told("connect-timeout"), Verdict.NOTHING),
        (facts("troubled", "connect-timeout", 100, 3600.0), Told(), Verdict.NOTHING),
        (facts("troubled", "connect-timeout", 121, 3600.0), Told(), Verdict.TELL),
        (facts("troubled", "connect-timeout", 1), told("connect-timeout"), Verdict.NOTHING),
        (facts("stalled", "", 16), Told(), Verdict.TELL),
        (facts("well"), told("stalled"), Verdict.OVER),
        (facts("switched-off", minutes=999), told("stalled"), Verdict.OVER),
        (facts("well"), told("stalled", over=True), Verdict.NOTHING),
        (facts("behind", minutes=999), Told(), Verdict.NOTHING),
    ],
)
def test_people_are_told_once_and_not_of_what_passes_by_itself(now: Facts, before: Told, wanted: Verdict) -> None:
    assert verdict(now, before, NOW) is wanted
