"""Who may connect when, how much a day, and whether it is the network."""

from __future__ import annotations

import pytest

from poststelle.policy.scheduling import Limits, Pace, Wakings, Weather, bulk_may_go_on, group_of, provider_of


def test_new_connections_to_one_server_are_spread_and_others_do_not_wait() -> None:
    pace = Pace(Limits(connects_per_second=10))
    assert [round(pace.wait("a.test", 0.0), 3) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]
    assert pace.wait("b.test", 0.0) == 0.0
    assert pace.wait("a.test", 100.0) == 0.0


def test_a_thousand_accounts_start_within_the_rate_and_not_much_later() -> None:
    pace = Pace(Limits(connects_per_second=20))
    waits = [pace.wait("mail.test", 0.0) for _ in range(1000)]
    assert max(waits) == pytest.approx(999 / 20)


def test_the_servers_of_one_provider_share_its_limits() -> None:
    assert group_of("imap.gmail.com") == group_of("pop.gmail.com") == group_of("IMAP.GoogleMail.com.") == "google"
    assert group_of("outlook.office365.com") == "microsoft"
    assert provider_of("notgmail.com") is None
    assert group_of("imap.amt.test") == "imap.amt.test"


def test_a_provider_may_be_asked_less_than_the_office_would() -> None:
    limits = Limits(bulk_per_host=10, connects_per_second=50.0)
    assert limits.bulk_at("outlook.office365.com") == 4
    assert limits.rate_at("outlook.office365.com") == 5.0
    assert limits.bulk_at("imap.amt.test") == 10
    assert Limits(bulk_per_host=1).bulk_at("outlook.office365.com") == 1


def test_the_smaller_of_the_providers_and_the_offices_daily_bytes_counts() -> None:
    assert Limits().bytes_a_day("imap.gmail.com", "imap") == 2500 * 10**6
    assert Limits().bytes_a_day("pop.gmail.com", "pop3") == 1250 * 10**6
    assert Limits(bytes_per_day=10**6).bytes_a_day("imap.gmail.com", "imap") == 10**6
    assert Limits(bytes_per_day=10**6).bytes_a_day("imap.amt.test", "imap") == 10**6
    assert Limits().bytes_a_day("imap.amt.test", "imap") is None


def test_a_first_sync_leaves_a_fifth_of_the_day_to_what_arrives() -> None:
    assert bulk_may_go_on(799, 1000)
    assert not bulk_may_go_on(800, 1000)
    assert bulk_may_go_on(10**12, None)


def weather(*hosts: str) -> Weather:
    made = Weather()
    for host in hosts:
        made.join(host)
    return made


def test_one_server_that_is_down_is_not_the_network() -> None:
    it = weather("a", "b", "c")
    it.answered()
    it.failed("a")
    it.failed("b")
    assert not it.is_silent()
    assert not it.is_everywhere()


def test_when_every_server_has_failed_since_one_last_answered_it_is_the_network() -> None:
    it = weather("a", "b")
    it.failed("a")
    it.failed("b")
    assert it.is_silent()
    assert it.is_everywhere()
    it.answered()
    assert not it.is_everywhere()
    it.failed("a")
    assert not it.is_silent()


def test_before_any_server_has_answered_nobody_can_say_whose_fault_it_is() -> None:
    it = weather("a", "b")
    it.failed("a")
    assert it.is_everywhere()
    it.answered()
    it.failed("a")
    assert not it.is_everywhere()


def test_an_office_with_one_server_cannot_tell_but_may_look() -> None:
    it = weather("a")
    it.failed("a")
    assert it.is_silent()
    assert not it.is_everywhere()


def test_a_server_nobody_uses_any_more_counts_for_nothing() -> None:
    it = weather("a", "b", "b")
    it.failed("a")
    it.leave("b")
    assert not it.is_silent()
    it.leave("b")
    assert it.is_silent()
    it.answered()
    it.failed("elsewhere")
    assert not it.is_silent()


def test_a_server_may_wake_us_often_for_a_while_and_then_once_a_second() -> None:
    wakings = Wakings()
    for number in range(Wakings.AT_ONCE):
        assert wakings.pause(0.01 * number) == 0.0
        wakings.woken(0.01 * number)
    now = 1.0
    for _ in range(5):
        wakings.woken(now)
        now += (pause := wakings.pause(now))
    assert pause == pytest.approx(Wakings.SECONDS)
    assert wakings.pause(now + 60.0) == 0.0


def test_a_server_that_wakes_us_for_new_mail_three_times_a_second_is_never_made_to_wait() -> None:
    wakings = Wakings()
    for number in range(1000):
        assert wakings.pause(number / 3) == 0.0
        wakings.woken(number / 3)
        wakings.was_worth_it()


def test_mail_that_pours_in_faster_is_fetched_four_times_a_second() -> None:
    wakings, now = Wakings(), 0.0
    for _ in range(1000):
        now += wakings.pause(now)
        wakings.woken(now)
        wakings.was_worth_it()
    assert now == pytest.approx(1000 * Wakings.WORTHWHILE_SECONDS, abs=Wakings.AT_ONCE * Wakings.SECONDS + 1.0)
