"""Rows in which every word of what somebody typed occurs."""

from __future__ import annotations

from django.db.models import Q


def holding(words: str, *columns: str) -> Q:
    """Each of the words in one of the columns, in capitals or not. SQLite knows capitals of ASCII alone: umlauts are asked for as they may stand."""
    found = Q()
    for word in words.split():
        spelled = {word} if word.isascii() else {word, word.lower(), word.upper(), word.capitalize()}
        found &= Q(*((f"{column}__icontains", one) for column in columns for one in sorted(spelled)), _connector=Q.OR)
    return found
