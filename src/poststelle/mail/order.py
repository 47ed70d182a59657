"""How names and subjects are put in order, as people look them up (DIN 5007-1: ä with a, ß with ss, case and accents aside).

Law: pure and linear; the same text gives the same key on every machine. Keys are for comparing, never for showing.
"""

from __future__ import annotations

import unicodedata

from poststelle.mail.thread import base_subject

KEY_LENGTH = 24
"""How many characters of a key decide; what is equal that far stands newest first."""

_LONGEST = 200
_MARKS = " \t\"'„“”‚‘’«»‹›()[]{}<>*_-–—.,;:!?#~+/\\|"


def collated(text: str) -> str:
    """The text as it is compared."""
    text = text[:_LONGEST].strip(_MARKS)
    if text.isascii():
        return text.lower()
    return "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(one))


def sender_key(name: str, address: str) -> str:
    """Where a sender stands: by name, where there is none by address."""
    return collated(name or address)[:KEY_LENGTH]


def subject_key(subject: str) -> str:
    """Where a subject stands, reply and forward marks left out."""
    return collated(base_subject(subject))[:KEY_LENGTH]
