"""A form field as a value: what it is called, what was typed, and what is wrong with it, for ``parts/field.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any


@dataclass(frozen=True, slots=True)
class Field:
    """`name` is the dotted path in the document the form makes; `error` a finished sentence, empty when all is well.

    `kind` is the input's type, or ``select``, ``textarea``, ``check`` (value ``1`` or ``0``) or ``hidden``. A password is never
    written back. `when`: the choices elsewhere in the form under which the field means something, as ``name=a,b;other=c|third=d``
    (the first, and one of the two others).
    `offered`: the same for single choices of a select, by their value. `offers_people`: it takes an address, and people from
    one's mail are offered.
    """

    name: str
    label: Any
    kind: str = "text"
    value: str = ""
    help: Any = ""
    error: str = ""
    choices: Sequence[tuple[str, Any]] = ()
    autocomplete: str = "off"
    placeholder: str = ""
    required: bool = False
    when: str = ""
    offered: Mapping[str, str] = field(default_factory=dict)
    offers_people: bool = False

    @property
    def id(self) -> str:
        """The element's id."""
        return "field-" + self.name.replace(".", "-")

    @property
    def options(self) -> list[tuple[str, Any, str]]:
        """The choices of a select with the condition each is offered under (empty: always)."""
        return [(value, shown, self.offered.get(value, "")) for value, shown in self.choices]


def choices(names: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    """The options of a select from a mapping of values (or enum members) to what they are called."""
    return [(str(value), shown) for value, shown in names.items()]


def applies(when: str, values: Mapping[str, str]) -> bool:
    """Whether a condition (`Field.when`) holds for what a form says; the script asks the same."""
    return all(any(map(partial(_chosen, values), part.split("|"))) for part in when.split(";") if part)


def _chosen(values: Mapping[str, str], condition: str) -> bool:
    name, _, wanted = condition.partition("=")
    return values.get(name, "") in wanted.split(",")
