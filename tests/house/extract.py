"""Which strings the program shows, and the two catalogues that must hold them.

    python -m tests.house.extract

adds new strings to both catalogues and drops those nobody shows any more: the English text is the source's own, the
German one stays empty until somebody writes it. Neither gettext nor a settings module is needed.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from tests.house.tree import PACKAGE, files

LANGUAGES = ("de", "en")
FOUNDED = datetime(2026, 1, 1, tzinfo=UTC)
"""Stands in every catalogue's header, so that renewing one changes nothing but strings."""
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}


@dataclass(frozen=True)
class Shown:
    """One translatable string: the source text (singular and plural if it counts), its context, where it stands."""

    text: str | tuple[str, ...]
    context: str | None
    place: str

    @property
    def key(self) -> str:
        """What a catalogue knows the string by."""
        return self.text if isinstance(self.text, str) else self.text[0]


def forms(message: Message) -> tuple[str, ...]:
    """The translations of a message: one, or one for each plural of the language; empty ones are left out."""
    strings = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
    return tuple(string for string in strings if string)


def shown() -> list[Shown]:
    """Every translatable string in code and templates, once per place."""
    found = []
    for path in files(PACKAGE, ".py", ".html", ".txt"):
        source = path.read_text(encoding="utf-8")
        if path.suffix != ".py":
            # What is left of a template keeps its indentation, which means nothing to Python's tokenizer.
            source = "\n".join(line.strip() for line in templatize(source).splitlines())
        for line, text, _comments, context in extract("python", io.BytesIO(source.encode()), KEYWORDS):
            found.append(Shown(text, context, f"{path.relative_to(PACKAGE)}:{line}"))
    return found


def catalogue_file(language: str) -> Path:
    return PACKAGE / "locale" / language / "LC_MESSAGES" / "django.po"


def catalogue(language: str) -> Catalog:
    """The language's catalogue as it stands in the file; empty if there is none yet."""
    if not catalogue_file(language).exists():
        return Catalog(locale=language)
    with catalogue_file(language).open("rb") as source:
        return read_po(source, locale=language)


def renew(language: str) -> None:
    """Write the catalogue anew with exactly the strings that are shown, keeping every translation."""
    old = catalogue(language)
    new = Catalog(
        locale=language,
        project="Poststelle",
        version="1",
        header_comment="# What Poststelle says. Renewed by: python -m tests.house.extract",
        last_translator="the Poststelle authors",
        language_team=language,
        fuzzy=False,
    )
    new.creation_date = new.revision_date = FOUNDED
    for string in shown():
        known = old.get(string.key, string.context)
        if known and forms(known) and not known.fuzzy:
            new.add(string.text, known.string, context=string.context)
        else:
            new.add(string.text, string.text if language == "en" else "", context=string.context)
    with catalogue_file(language).open("wb") as target:
        write_po(target, new, width=110, sort_output=True)


def missing(language: str) -> list[str]:
    """What the catalogue still lacks, one line each with the place; empty when it is complete."""
    known = catalogue(language)
    gaps = []
    for string in shown():
        message = known.get(string.key, string.context)
        wanted = 1 if isinstance(string.text, str) else known.num_plurals
        if message is None or message.fuzzy or len(forms(message)) != wanted:
            gaps.append(f"{string.place}: {string.text!r}")
    return gaps


if __name__ == "__main__":
    for each in LANGUAGES:
        renew(each)
