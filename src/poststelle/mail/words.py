"""Words as the search index keeps them: cut like FTS5's unicode61 does, folded, stemmed in German, spelled either way.

Law: pure; the same word gives the same stem on every machine (one Snowball version for all). A `Stems` belongs to one thread.
This module does not know the index, nor what was asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from itertools import product
from sys import intern

import Stemmer

_WORD = re.compile(r"[^\W_]+")
_PARTED = bytes(code if code > 127 or chr(code).isalnum() else 32 for code in range(256))
START_LENGTH = 3
OURS = "\ue000"
"""A letter of the private use area, which belongs to tokens for FTS5 and to no word for people: nobody can ask for these by typing."""

_REMEMBERED, _WORTH_REMEMBERING = 60_000, 40
_SHORTEST, _LONGEST = 3, 60
_LONG_WORD = re.compile(r"[^\W\d_]{8,40}")
_UMLAUT = re.compile(r"(?<![aeq])(?:ae|oe|ue)|ß|ss|[äöü]")
_OTHER = {"ae": "ä", "oe": "ö", "ue": "ü", "ß": "ss", "ss": "ß", "ä": "ae", "ö": "oe", "ü": "ue"}
_MOST_UMLAUTS = 3


def words(text: str) -> list[str]:
    """The words of a text in order, in lower case."""
    return _WORD.findall(text.lower())


def distinct(text: str) -> set[str]:
    """The words of a text, in lower case, each once."""
    # In ASCII, where most of what parts words lies, a table parts them faster than an expression does.
    found = set(text.lower().encode("utf-8", "replace").translate(_PARTED).decode().split())
    if odd := [word for word in found if not word.isalnum()]:
        found.difference_update(odd)
        found.update(_WORD.findall(" ".join(odd)))
    return found


def folded(word: str) -> str:
    """The word without case and diacritics, as unicode61 (remove_diacritics 2) keeps it: ``Müller`` is ``muller``."""
    word = word.lower()
    if word.isascii():
        return word
    return "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))


def spellings(word: str) -> list[str]:
    """The word folded, first as it stands, then with its umlauts written the other way: ``Mueller`` is also ``muller``."""
    word = word.lower()
    places = list(_UMLAUT.finditer(word))[:_MOST_UMLAUTS]
    found: dict[str, None] = {}
    for choice in product((False, True), repeat=len(places)):
        pieces: list[str] = []
        reached = 0
        for place, other in zip(places, choice, strict=True):
            pieces += word[reached : place.start()], _OTHER[place[0]] if other else place[0]
            reached = place.end()
        found[folded("".join(pieces) + word[reached:])] = None
    return list(found)


RULES = f"{Stemmer.version()} {unicodedata.unidata_version}"
"""By which rules words are stemmed and folded here: with others, the same word may give another stem."""


class Stems:
    """A German stemmer that remembers what it has met. `mark` goes before the start of a word, where it stands for one.

    `unmet`: possible compounds met for the first time, folded, for whoever collects them to take out.
    """

    def __init__(self, mark: str = "") -> None:
        self._stemmer = Stemmer.Stemmer("german", 0)
        self._mark = mark
        self._stem_of: dict[str, str] = {}
        self._start_of: dict[str, str] = {}
        self.unmet: set[str] = set()

    def of(self, word: str) -> str:
        """The stem of a word, folded. What is too short, too long or no word of letters stays as it is."""
        word = word.lower()
        if not (_SHORTEST <= len(word) <= _LONGEST and word.isalpha()):
            return folded(word)
        return folded(self._stemmer.stemWord(word))

    def forms(self, known: Collection[str]) -> set[str]:
        """Of these lower-case words: the stems that differ from the words, and how the words start, marked. All of them folded.

        Words shorter than a start (`START_LENGTH`) have none.
        """
        # One string per stem and start, whatever text it is for: this is most of what indexing costs outside SQLite.
        found = set(map(self._stem_of.get, known))
        found.update(map(self._start_of.get, known))
        if None in found:
            for word in set(known).difference(self._stem_of):
                found.update(self._meet(word))
            found.discard(None)
        found.discard("")
        return found  # type: ignore[return-value]  # None has just gone

    def starts(self, known: Iterable[str]) -> set[str]:
        """How these lower-case words start, marked."""
        plain = (folded(word) for word in known)
        return {self._mark + word[:START_LENGTH] for word in plain if len(word) >= START_LENGTH}

    def _meet(self, word: str) -> tuple[str, str]:
        """Its stem, "" where that is the word itself, and its marked start."""
        plain = folded(word)
        start = self._mark + plain[:START_LENGTH] if len(plain) >= START_LENGTH else ""
        if not word.isalpha():
            return "", start
        stem = self.of(word)
        if _LONG_WORD.fullmatch(word):
            self.unmet.add(plain)
        if stem == plain:
            stem = ""
        if len(word) <= _WORTH_REMEMBERING:
            if len(self._stem_of) >= _REMEMBERED:
                self._stem_of.clear()
                self._start_of.clear()
            self._stem_of[word], self._start_of[word] = intern(stem), intern(start)
        return stem, start
