"""One line of a menu that does something: a form of its own, posted in the background (`assets/tree.js`)."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

register = template.Library()


@register.inclusion_tag("parts/deed.html", takes_context=True)
def deed(
    context: Context,
    address: str,
    icon: str,
    words: str,
    *,
    ask: str = "",
    name: str = "",
    sure: str = "",
    way: str = "",
    danger: bool = False,
    **fields: object,
) -> dict[str, Any]:
    """The line that posts `fields` (those that are None are left out) to `address`.

    `ask` is asked first and answered by a name, which is `name` until then; to `sure` one agrees first. `way`: the arrow key that
    does the same in the tree, "up", "down", "out" or "below".
    """
    return {
        "csrf_token": context["csrf_token"], "address": address, "icon": icon, "words": words, "ask": ask, "name": name,
        "sure": sure, "way": way, "key": _KEYS.get(way, ""), "is_danger": danger,
        "fields": {key: value for key, value in fields.items() if value is not None},
    }  # fmt: skip


_KEYS = {"up": "Alt ↑", "down": "Alt ↓", "out": "Alt ←", "below": "Alt →"}
