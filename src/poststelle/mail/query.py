"""What somebody typed into the search box, as a value.

Law: any text is a query, nothing is refused: an operator nobody knows, or one whose value makes no sense, is words like any
other. Operators are German and English alike. Pure; `today` is given.

This module does not know how a query is answered, nor by whom it may be asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from poststelle.mail import words

MAX_LENGTH, MAX_TERMS = 1_000, 30

_PIECE = re.compile(r'(-)?(?:([^\W\d_]{2,12}):)?(?:"([^"]*)"?|(\S+))')
_OPEN = re.compile(r'(?:(?<=\s)|(?<=\s-)|^-?)([^\W\d_]{2,12}):("[^"]*|[^\s"]*)$')
_DAY = re.compile(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?")
_GERMAN_DAY = re.compile(r"(?:(\d{1,2})\.)?(\d{1,2})\.(\d{2}|\d{4})")
_YEAR = re.compile(r"(?:19|20)\d{2}")
_AGO = re.compile(r"(\d{1,4})(t|d|w|m|j|y)")
_DAYS = {"t": 1, "d": 1, "w": 7, "m": 30, "j": 365, "y": 365}
_NAMED_DAYS = {"heute": 0, "today": 0, "gestern": 1, "yesterday": 1, "vorgestern": 2}


@dataclass(frozen=True, slots=True)
class Term:
    """Words that must stand together in this order (mostly one). `where`: "", "subject", "from", "to" or "file".

    `exact`: it stood in quotes, so neither stems nor compounds. `open_ended`: it may still be typed, so beginnings count.
    """

    words: tuple[str, ...]
    where: str = ""
    exact: bool = False
    open_ended: bool = False
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All of this must hold; None or "" where nothing was said.

    `after` and `before` are days: received on or after the one, before the other. `folder` is a name, path or role word,
    `case` a case file's number.
    """

    terms: tuple[Term, ...] = ()
    has_attachment: bool | None = None
    unread: bool | None = None
    flagged: bool | None = None
    answered: bool | None = None
    after: date | None = None
    before: date | None = None
    folder: str = ""
    case: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was asked for."""
        return self == Query()

    @property
    def asks_rows(self) -> bool:
        """Whether it takes more than the index to answer: flags and folders change."""
        return bool(self.folder) or any(flag is not None for flag in (self.unread, self.flagged, self.answered))


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator to offer: its German and English word, what it restricts (a stable word), and values to choose from, in the same
    order in both languages."""

    german: str
    english: str
    meaning: str
    german_values: Sequence[str] = ()
    english_values: Sequence[str] = ()


OPERATORS: Sequence[Operator] = (
    Operator("von", "from", "sender"),
    Operator("an", "to", "recipient"),
    Operator("betreff", "subject", "subject"),
    Operator("datei", "file", "file-name"),
    Operator("hat", "has", "attachment", ("anhang",), ("attachment",)),
    Operator("vor", "before", "before-day", ("heute", "gestern"), ("today", "yesterday")),
    Operator("nach", "after", "after-day", ("heute", "gestern", "7t"), ("today", "yesterday", "7d")),
    Operator("in", "in", "folder"),
    Operator(
        "ist",
        "is",
        "state",
        ("ungelesen", "gelesen", "markiert", "beantwortet"),
        ("unread", "read", "flagged", "answered"),
    ),
    Operator("akte", "case", "case-file"),
)

_FIELDS = {"sender": "from", "recipient": "to", "subject": "subject", "file-name": "file"}
_MEANINGS = {word: one.meaning for one in OPERATORS for word in (one.german, one.english)}
_VALUES = {
    f"{word}:{value}": f"{one.meaning}:{meant}"
    for one in OPERATORS
    for word in (one.german, one.english)
    for values in (one.german_values, one.english_values)
    for value, meant in zip(values, one.english_values, strict=True)
}
_STATES: Mapping[str, Mapping[str, bool]] = {
    "ungelesen": {"unread": True},
    "unread": {"unread": True},
    "gelesen": {"unread": False},
    "read": {"unread": False},
    "markiert": {"flagged": True},
    "flagged": {"flagged": True},
    "beantwortet": {"answered": True},
    "answered": {"answered": True},
}
_ATTACHMENT_WORDS = {"anhang", "anhänge", "anlage", "anlagen", "attachment", "attachments"}


@dataclass(frozen=True, slots=True)
class Typing:
    """The operator a text ends in: what stands `before` it (with its minus), its word as typed, what it means, and its value so far."""

    before: str
    operator: str
    meaning: str
    value: str


def being_typed(text: str) -> Typing | None:
    """The operator whose value is being typed at the end of the text, an open quote included; None where there is none."""
    found = _OPEN.search(text)
    meaning = _MEANINGS.get(found[1].lower(), "") if found else ""
    return Typing(text[: found.start(1)], found[1], meaning, found[2].lstrip('"')) if found and meaning else None


def completions(typed: str, language: str = "de") -> list[str]:
    """What the last word of `typed` may become, operators with their colon and their values; for the box's suggestions.

    Operators are offered in one's language, and in the other one where that has none; values in that of their operator.
    """
    last = re.split(r"\s", typed)[-1].lower().removeprefix("-")
    german = [(one.german, one.german_values) for one in OPERATORS]
    english = [(one.english, one.english_values) for one in OPERATORS]
    own, other = (german, english) if language == "de" else (english, german)
    name, colon, value = last.partition(":")
    if colon:
        fitting = (one for word, values in [*own, *other] if word == name for one in values if one.startswith(value))
        return list(dict.fromkeys(f"{name}:{one}" for one in fitting))
    begun = ([f"{word}:" for word, _ in some if last and word.startswith(last)] for some in (own, other))
    return next((some for some in begun if some), [])


def meaning(completion: str) -> str:
    """What one of the `completions` means, as a stable word: an operator's `meaning`, behind it the English value if it has one."""
    return _VALUES.get(completion) or _MEANINGS.get(completion.rstrip(":"), "")


def parse(text: str, today: date) -> Query:
    """The query that was typed."""
    return _Reading(today).read(text[:MAX_LENGTH])


@dataclass(slots=True)
class _Reading:
    today: date
    query: Query = field(default_factory=Query)
    terms: list[Term] = field(default_factory=list)

    def read(self, text: str) -> Query:
        pieces = list(_PIECE.finditer(text))
        for piece in pieces:
            minus, operator, quoted, bare = piece.groups()
            value = quoted if quoted is not None else bare
            meaning = _MEANINGS.get((operator or "").lower(), "")
            # A quote that is never closed, and a word with nothing behind it, may still grow.
            typing = (
                piece is pieces[-1] and piece.end() == len(text) and not (quoted is not None and text.endswith('"'))
            )
            if meaning in _FIELDS:
                self._term(value, _FIELDS[meaning], quoted is not None, typing, bool(minus))
            elif not (meaning and self._restrict(meaning, value, bool(minus))):
                spoken = value if not operator else f"{operator}:{value}"
                self._term(spoken, "", quoted is not None and not operator, typing, bool(minus))
        return replace(self.query, terms=tuple(self.terms[:MAX_TERMS]))

    def _term(self, value: str, where: str, exact: bool, typing: bool, excluded: bool) -> None:  # noqa: FBT001 - private
        if found := tuple(words.words(value)):
            self.terms.append(Term(found, where, exact, typing and not excluded, excluded))

    def _restrict(self, meaning: str, value: str, minus: bool) -> bool:  # noqa: FBT001 - private
        """Whether the operator made sense."""
        steps: Mapping[str, Callable[[str, bool], Mapping[str, object]]] = {
            "attachment": self._attachment,
            "state": self._state,
            "before-day": self._before,
            "after-day": self._after,
        }
        if step := steps.get(meaning):
            change = step(value.lower(), minus)
        elif minus:
            change = {}
        else:
            change = {"folder" if meaning == "folder" else "case": value} if value.strip() else {}
        self.query = replace(self.query, **change)  # type: ignore[arg-type]
        return bool(change)

    def _attachment(self, value: str, minus: bool) -> Mapping[str, object]:  # noqa: FBT001 - private
        return {"has_attachment": not minus} if value in _ATTACHMENT_WORDS else {}

    def _state(self, value: str, minus: bool) -> Mapping[str, object]:  # noqa: FBT001 - private
        return {name: on is not minus for name, on in _STATES.get(value, {}).items()}

    def _before(self, value: str, minus: bool) -> Mapping[str, object]:  # noqa: FBT001 - private
        day = self._day(value)
        return {"after" if minus else "before": day} if day else {}

    def _after(self, value: str, minus: bool) -> Mapping[str, object]:  # noqa: FBT001 - private
        day = self._day(value)
        return {"before" if minus else "after": day} if day else {}

    def _day(self, value: str) -> date | None:
        """The first day a date, month, year, named day or length of time ago names."""
        try:
            if value in _NAMED_DAYS:
                return self.today - timedelta(days=_NAMED_DAYS[value])
            if match := _AGO.fullmatch(value):
                return self.today - timedelta(days=int(match[1]) * _DAYS[match[2]])
            if match := _DAY.fullmatch(value):
                return date(int(match[1]), int(match[2]), int(match[3] or 1))
            if match := _GERMAN_DAY.fullmatch(value):
                year = int(match[3]) + (2000 if len(match[3]) == 2 else 0)
                return date(year, int(match[2]), int(match[1] or 1))
            if _YEAR.fullmatch(value):
                return date(int(value), 1, 1)
        except (ValueError, OverflowError):
            pass
        return None
