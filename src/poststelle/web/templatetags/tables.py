"""The columns of a table, said once: its head is drawn from them (`parts/columns.html`), and each cell names the one it is in.

On a phone a line of a table is read downwards, and the names beside its values stand for the head (`assets/phone.css`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django import template

register = template.Library()


@dataclass(frozen=True, slots=True)
class Column:
    """What a column is called. `is_seen`: the head shows it, else it is there for screen readers alone."""

    title: str
    is_number: bool
    is_seen: bool

    def __str__(self) -> str:
        return self.title


@register.simple_tag
def columns(*, numbers: str = "", unseen: str = "", **titles: object) -> Mapping[str, Column]:
    """The columns by name, in their order; one without a title is left out. `numbers` and `unseen` name some, with blanks between."""
    figures, hidden = numbers.split(), unseen.split()
    return {name: Column(str(title), name in figures, name not in hidden) for name, title in titles.items() if title}
