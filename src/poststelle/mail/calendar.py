"""Invitations: the appointments in a mail's text/calendar parts (RFC 5545, RFC 6047).

Law: any text gives a list of events, linear in its size, at most `MAX_EVENTS`; nothing is expanded: a recurrence stays the rule
it was sent as. Nothing here is believed, everything may be shown.

This module does not know calendars people keep, nor answers to invitations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from poststelle.mail import headers
from poststelle.mail.message import ParsedMessage, Raw, part_text
from poststelle.mail.mime import Part

TYPES = frozenset({"text/calendar", "application/ics", "text/x-vcalendar"})
MAX_EVENTS = 100
_MAX_PARTS = 10
_LARGEST = 1 << 20
_MAX_PEOPLE = 500

_LINE = re.compile(r"([A-Za-z0-9-]{1,100})((?:;[A-Za-z0-9-]{1,100}=(?:\"[^\"]*\"|[^\";:]*))*+):(.*)", re.S)
_PARAMETER = re.compile(r";([A-Za-z0-9-]+)=(?:\"([^\"]*)\"|([^\";:]*))")
_ESCAPE = re.compile(r"\\(.)", re.S)
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")
_MOMENT = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:T(\d{2}):?(\d{2}):?(\d{2})?(Z)?)?", re.A)
_LENGTH = re.compile(r"([+-])?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?", re.A)

# As Windows and Outlook call the zones German offices meet (CLDR windowsZones).
_WINDOWS_ZONES = {
    "w. europe standard time": "Europe/Berlin",
    "central europe standard time": "Europe/Budapest",
    "central european standard time": "Europe/Warsaw",
    "romance standard time": "Europe/Paris",
    "gmt standard time": "Europe/London",
    "greenwich standard time": "Atlantic/Reykjavik",
    "e. europe standard time": "Europe/Chisinau",
    "gtb standard time": "Europe/Bucharest",
    "fle standard time": "Europe/Kyiv",
    "turkey standard time": "Europe/Istanbul",
    "russian standard time": "Europe/Moscow",
    "eastern standard time": "America/New_York",
    "central standard time": "America/Chicago",
    "mountain standard time": "America/Denver",
    "pacific standard time": "America/Los_Angeles",
    "india standard time": "Asia/Kolkata",
    "china standard time": "Asia/Shanghai",
    "tokyo standard time": "Asia/Tokyo",
    "aus eastern standard time": "Australia/Sydney",
    "utc": "UTC",
}


@dataclass(frozen=True, slots=True)
class Event:
    """An appointment as sent. `method` is REQUEST, CANCEL, REPLY, … or "".

    `start` and `end` are aware where their zone is known (`zone` names it as sent), naive where they float, dates for whole
    days; `end` of whole days is the first day after. `recurrence` is the rule as sent (RFC 5545 section 3.3.10), "" without.
    """

    method: str
    uid: str
    summary: str
    start: datetime | date | None
    end: datetime | date | None
    zone: str
    location: str
    organizer: tuple[str, str]
    attendees: tuple[tuple[str, str], ...]
    recurrence: str
    status: str
    description: str


def invitations(raw: Raw, parsed: ParsedMessage) -> tuple[Event, ...]:
    """The events in the calendar parts of a message, each appointment once."""
    found: dict[tuple[object, ...], Event] = {}
    for part in _calendar_parts(parsed)[:_MAX_PARTS]:
        for event in events(part_text(raw, part, _LARGEST)):
            # Invitations come twice as a rule: as an alternative of the text, and as a file.
            found.setdefault((event.method, event.uid, event.start, event.recurrence), event)
    return tuple(found.values())[:MAX_EVENTS]


def _calendar_parts(parsed: ParsedMessage) -> Sequence[Part]:
    leaves = (*parsed.texts, *parsed.attachments)
    return [part for part in leaves if part.content_type in TYPES or part.name.lower().endswith((".ics", ".vcs"))]


def events(text: str) -> tuple[Event, ...]:
    """The events in a calendar text."""
    method = ""
    found: list[Event] = []
    within: list[str] = []
    fields: list[_Field] = []
    for field in _fields(text[: 2 * _LARGEST]):
        if field.name == "BEGIN":
            within.append(field.value.strip().upper())
            if within[-1] == "VEVENT":
                fields = []
        elif field.name == "END":
            if within and within.pop() == "VEVENT" and field.value.strip().upper() == "VEVENT":
                found.append(_event(method, fields))
                fields = []
                if len(found) == MAX_EVENTS:
                    break
        elif within and within[-1] == "VEVENT":
            fields.append(field)
        elif field.name == "METHOD" and within == ["VCALENDAR"]:
            method = field.value.strip().upper()[:40]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    parameters: dict[str, str]
    value: str

    @property
    def text(self) -> str:
        escaped = _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], self.value)
        return "\n".join(filter(None, map(headers.clean, escaped.split("\n"))))


def _fields(text: str) -> Iterator[_Field]:
    unfolded = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n ", "").replace("\n\t", "")
    for line in unfolded.split("\n"):
        if match := _LINE.fullmatch(line):
            parameters = {one[1].upper(): one[2] or one[3] or "" for one in _PARAMETER.finditer(match[2])}
            yield _Field(match[1].upper(), parameters, match[3])


def _event(method: str, fields: Sequence[_Field]) -> Event:
    first: dict[str, _Field] = {}
    for field in fields:
        first.setdefault(field.name, field)

    def text(name: str) -> str:
        return first[name].text if name in first else ""

    start, zone = _moment(first.get("DTSTART"))
    end, _ = _moment(first.get("DTEND"))
    if end is None and start is not None and "DURATION" in first:
        end = _after(start, first["DURATION"].value)
    attendees = [_person(field) for field in fields if field.name == "ATTENDEE"]
    return Event(
        method=method,
        uid=text("UID")[:998],
        summary=" ".join(text("SUMMARY").split()),
        start=start,
        end=end,
        zone=zone,
        location=" ".join(text("LOCATION").split()),
        organizer=_person(first["ORGANIZER"]) if "ORGANIZER" in first else ("", ""),
        attendees=tuple(attendees[:_MAX_PEOPLE]),
        recurrence=headers.clean(first["RRULE"].value)[:998] if "RRULE" in first else "",
        status=text("STATUS").upper(),
        description=text("DESCRIPTION"),
    )


def _person(field: _Field) -> tuple[str, str]:
    address = headers.clean(field.value)
    if address.lower().startswith("mailto:"):
        address = address[7:]
    return headers.clean(field.parameters.get("CN", "")), address.strip()


def _moment(field: _Field | None) -> tuple[datetime | date | None, str]:
    if field is None or not (match := _MOMENT.match(field.value.strip())):
        return None, ""
    year, month, day, hour, minute, second, utc = match.groups()
    zone = headers.clean(field.parameters.get("TZID", "")).strip('"')
    try:
        if hour is None:
            return date(int(year), int(month), int(day)), ""
        at = datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second or 0), 59))  # noqa: DTZ001 - floats until its zone is known
    except ValueError:
        return None, ""
    if utc:
        return at.replace(tzinfo=UTC), "UTC"
    known = _zone(zone)
    return (at.replace(tzinfo=known) if known else at), zone


def _zone(name: str) -> ZoneInfo | None:
    wanted = _WINDOWS_ZONES.get(name.lower(), name)
    # Some programs put a path of their own in front of the name.
    for candidate in (wanted, "/".join(wanted.strip("/").split("/")[-2:])):
        if _ZONE_NAME.fullmatch(candidate):
            try:
                return ZoneInfo(candidate)
            except (ValueError, OSError, KeyError):
                continue
    return None


def _after(start: datetime | date, length: str) -> datetime | date | None:
    match = _LENGTH.fullmatch(length.strip())
    if match is None or match[1] == "-":
        return None
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in match.groups()[1:])
    try:
        return start + timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        return None
