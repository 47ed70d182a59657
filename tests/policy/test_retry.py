"""When to try again, and when to wait for a person."""

from __future__ import annotations

import pytest

from poststelle.errors import CertificateRejected, LoginRejected, NeedsAttention, ProtocolViolation, TryAgain
from poststelle.policy.retry import ALSO_OF_A_BAD_LINE, Suspend, Verdict, Wait, verdict


def seconds(found: Verdict) -> float:
    assert isinstance(found, Wait)
    return found.seconds


def test_passing_trouble_waits_twice_as_long_each_time_up_to_an_hour() -> None:
    waits = [seconds(verdict(TryAgain("connection-lost"), failures, chance=0.5)) for failures in range(1, 10)]
    assert waits[:4] == [30, 60, 120, 240]
    assert waits[-1] == 3600


def test_jitter_spreads_accounts_by_a_fifth_either_way() -> None:
    assert seconds(verdict(TryAgain("x"), 1, chance=0.0)) == pytest.approx(24)
    assert seconds(verdict(TryAgain("x"), 1, chance=1.0)) == pytest.approx(36)


def test_the_servers_own_wish_is_kept_but_for_a_day_at_most() -> None:
    assert seconds(verdict(TryAgain("busy", after=90), 5)) == 90
    assert seconds(verdict(TryAgain("busy", after=10**9), 5)) == 86400


def test_a_refused_login_is_tried_once_more_and_then_waits_for_a_person() -> None:
    assert isinstance(verdict(LoginRejected("login-rejected"), 1), Wait)
    assert verdict(LoginRejected("login-rejected"), 2) == Suspend()


@pytest.mark.parametrize("error", [CertificateRejected("certificate-expired"), NeedsAttention("mailbox-full")])
def test_what_a_person_must_mend_suspends_at_once(error: NeedsAttention) -> None:
    assert verdict(error, 1) == Suspend()


@pytest.mark.parametrize("code", sorted(ALSO_OF_A_BAD_LINE))
def test_what_a_disturbed_greeting_looks_like_is_looked_at_again_before_a_person_is_asked(code: str) -> None:
    assert seconds(verdict(NeedsAttention(code), 1, chance=0.5)) == 30
    assert verdict(NeedsAttention(code), 2) == Suspend()


def test_a_server_that_breaks_its_own_rules_is_left_alone_for_long() -> None:
    assert seconds(verdict(ProtocolViolation("line-too-long"), 1, chance=0.5)) == 3600


def test_trouble_that_stays_for_an_hour_suspends_and_is_looked_at_hourly() -> None:
    found = verdict(TryAgain("connect-timeout"), 5, failing_for=3600, chance=0.5)
    assert found == Suspend(again_after=3600)


@pytest.mark.parametrize(("failures", "failing_for"), [(4, 86400.0), (50, 3599.0)])
def test_few_failures_or_a_short_time_suspend_nobody(failures: int, failing_for: float) -> None:
    assert isinstance(verdict(TryAgain("connect-timeout"), failures, failing_for=failing_for), Wait)


def test_what_hits_all_servers_at_once_suspends_nobody() -> None:
    assert seconds(verdict(TryAgain("connect-timeout"), 500, failing_for=10**6, everywhere=True, chance=0.5)) == 300


def test_a_refused_log_in_waits_for_a_person_even_while_the_network_is_down() -> None:
    assert verdict(LoginRejected("login-rejected"), 2, everywhere=True) == Suspend()


def test_how_many_failures_suspend_is_the_offices_choice() -> None:
    assert isinstance(verdict(TryAgain("x"), 3, failing_for=4000, limit=3), Suspend)
