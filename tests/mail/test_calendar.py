"""Invitations as they come with mail."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poststelle.mail.calendar import MAX_EVENTS, events, invitations
from poststelle.mail.digest import digest
from poststelle.mail.message import parse
from tests.builders import a_letter


def a_calendar(*lines: str, method: str = "REQUEST") -> str:
    return "\r\n".join(
        ["BEGIN:VCALENDAR", f"METHOD:{method}", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", ""]
    )


MEETING = a_calendar(
    "UID:1@amt.test",
    "SUMMARY;LANGUAGE=de:Sitzung\\, Rat",
    "  haus",
    'DTSTART;TZID="W. Europe Standard Time":20260302T090000',
    "DTEND;TZID=Europe/Berlin:20260302T103000",
    "LOCATION:Saal 1\\nErdgeschoss",
    'ORGANIZER;CN="Ada, Amt":mailto:ada@amt.test',
    "ATTENDEE;CN=Bob;PARTSTAT=NEEDS-ACTION:MAILTO:bob@amt.test",
    "RRULE:FREQ=WEEKLY;BYDAY=MO",
    "BEGIN:VALARM",
    "SUMMARY:Wecker",
    "END:VALARM",
)


def test_an_invitation_is_read_with_its_zone_people_and_rule() -> None:
    (event,) = events(MEETING)
    berlin = ZoneInfo("Europe/Berlin")
    assert (event.method, event.uid, event.summary) == ("REQUEST", "1@amt.test", "Sitzung, Rat haus")
    assert event.start == datetime(2026, 3, 2, 9, tzinfo=berlin)
    assert event.end == datetime(2026, 3, 2, 10, 30, tzinfo=berlin)
    assert (event.zone, event.location) == ("W. Europe Standard Time", "Saal 1 Erdgeschoss")
    assert event.organizer == ("Ada, Amt", "ada@amt.test")
    assert event.attendees == (("Bob", "bob@amt.test"),)
    assert event.recurrence == "FREQ=WEEKLY;BYDAY=MO"


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("DTSTART:20260302T090000Z", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("DTSTART;VALUE=DATE:20260302", date(2026, 3, 2)),
        ("DTSTART:20260302T090000", datetime(2026, 3, 2, 9)),
        ("DTSTART;TZID=/x.test/2026/Europe/Berlin:20260302T090000", datetime(2026, 3, 2, 9, tzinfo=ZoneInfo("Europe/Berlin"))),
        ("DTSTART;TZID=../../etc/passwd:20260302T090000", datetime(2026, 3, 2, 9)),
        ("DTSTART;TZID=Europe:20260302T090000", datetime(2026, 3, 2, 9)),
        ("DTSTART:20261302T090000", None),
        ("DTSTART:bald", None),
    ],
)  # fmt: skip
def test_a_beginning_is_a_moment_a_day_or_nothing(line: str, start: object) -> None:
    (event,) = events(a_calendar(line))
    assert event.start == start


def test_a_length_in_place_of_an_end_is_added() -> None:
    (event,) = events(a_calendar("DTSTART:20260302T090000Z", "DURATION:P1DT2H"))
    assert isinstance(event.start, datetime)
    assert event.end == event.start + timedelta(days=1, hours=2)


def test_the_same_invitation_as_text_and_as_file_is_one_and_found_by_its_words() -> None:
    files = [("a.ics", "text/calendar", MEETING.encode()), ("invite.ics", "application/ics", MEETING.encode())]
    raw = a_letter("Einladung", "Bitte kommen", attachments=files)
    assert len(invitations(raw, parse(raw))) == 1
    assert "Erdgeschoss" in digest(raw).more


def test_a_calendar_of_thousands_is_cut() -> None:
    assert len(events(a_calendar("SUMMARY:x") * 500)) == MAX_EVENTS


@given(
    st.lists(
        st.sampled_from(
            [
                *MEETING.splitlines(),
                "BEGIN:VEVENT",
                "END:VEVENT",
                "DTSTART:99999999T999999",
                "DURATION:P99999D",
                ":",
                ";=:",
                "\u2028",
            ]
        ),
        max_size=40,
    ),
    st.text(max_size=60),
)
def test_any_text_is_read_without_an_error(lines: list[str], text: str) -> None:
    events("\n".join([*lines, text]))
    events(a_calendar(text, *lines))
