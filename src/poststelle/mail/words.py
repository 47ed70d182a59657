"""Words as the search index keeps them: cut like FTS5's unicode61 does, folded, stemmed in German, spelled either way.

Law: pure; the same word gives the same stem on every machine (one Snowball version for all). `Stems` and `Vocabulary` belong to one thread.
This module does not know the index, nor what was asked.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import product

import Stemmer

_WORD = re.compile(r"[^\W_]+")
_PARTED = bytes(code if code > 127 else ord(chr(code).lower()) if chr(code).isalnum() else 32 for code in range(256))
START_LENGTH = 3
OURS = "\ue000"
"""A letter of the private use area, which belongs to tokens for FTS5 and to no word for people: nobody can ask for these by typing."""

_REMEMBERED, _WORTH_REMEMBERING = 100_000, 40
_SHORTEST, _LONGEST = 3, 60
_LONG_WORD = re.compile(r"[^\W\d_]{8,40}")
_UMLAUT = re.compile(r"(?<![aeq])(?:ae|oe|ue)|ß|ss|[äöü]")
_OTHER = {"ae": "ä", "oe": "ö", "ue": "ü", "ß": "ss", "ss": "ß", "ä": "ae", "ö": "oe", "ü": "ue"}
_MOST_UMLAUTS = 3


def words(text: str) -> list[str]:
    """The words of a text in order, in lower case."""
    return _WORD.findall(text.lower())


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
    """A German stemmer."""

    def __init__(self) -> None:
        self._stemmer = Stemmer.Stemmer("german", 0)

    def of(self, word: str) -> str:
        """The stem of a word, folded. What is too short, too long or no word of letters stays as it is."""
        word = word.lower()
        if not (_SHORTEST <= len(word) <= _LONGEST and word.isalpha()):
            return folded(word)
        return folded(self._stemmer.stemWord(word))


class Vocabulary:
    """What texts hold that has not been met before, for whoever keeps it to take out; all of it folded.

    `inflected`: (stem, word) of words that differ from their stem. `long`: words that may be compounds.
    What has been met is remembered within bounds: a word may be met again.
    """

    def __init__(self) -> None:
        self.inflected: set[tuple[str, str]] = set()
        self.long: set[str] = set()
        self._stems = Stems()
        self._met: set[bytes] = set()

    def read(self, text: bytes) -> None:
        """Meet the words of a text (UTF-8)."""
        # Nearly all there is to be done to most texts: in ASCII, where most of what parts words lies, by a table, and not decoded.
        if not (fresh := set(text.translate(_PARTED).split()) - self._met):
            return
        if len(self._met) >= _REMEMBERED:
            self._met.clear()
        self._met.update(word for word in fresh if len(word) <= _WORTH_REMEMBERING)
        for word in words(b" ".join(fresh).decode()):
            if word.isalpha():
                self._meet(word)

    def _meet(self, word: str) -> None:
        plain, stem = folded(word), self._stems.of(word)
        if stem != plain:
            self.inflected.add((stem, plain))
        if _LONG_WORD.fullmatch(word):
            self.long.add(plain)
