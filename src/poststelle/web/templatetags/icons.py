"""Lucide's icons, each drawn once in each shape: a page shows the same ones hundreds of times."""

from __future__ import annotations

import functools

from django import template
from lucide.templatetags import lucide as drawing

from poststelle.web.markup import Markup, markup

register = template.Library()

_SHAPES = 1_000


@register.simple_tag
def lucide(name: str, *, size: int = 24, **attributes: object) -> Markup:
    """The icon as SVG within the page; attributes as Lucide's own tag takes them."""
    return _drawn(str(name), size, tuple((key, str(value)) for key, value in attributes.items()))


@functools.lru_cache(_SHAPES)
def _drawn(name: str, size: int, attributes: tuple[tuple[str, str], ...]) -> Markup:
    return markup("{}", drawing.lucide(name, size=size, **dict(attributes)))
