"""Where templates put what is drawn in Python (`web.drawing`)."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.template import Context

from poststelle.web.drawing import Lines, Rows
from poststelle.web.markup import Markup, joined, markup
from poststelle.web.tree import Twig

register = template.Library()


@register.simple_tag(takes_context=True)
def drawn_rows(context: Context) -> Markup:
    """The rows of the list (``rows``), with the heading over the first of each group."""
    opened = context.get("opened")
    drawer = Rows(context["columns"], context["looked_for"], opened.placement.id if opened else "")
    pieces = []
    for one in context["rows"]:
        if one.heading:
            pieces.append(markup('<li class="row-heading"><h2>{}</h2></li>', one.heading))
        pieces.append(drawer.draw(one))
    return joined(pieces)


@register.simple_tag(takes_context=True)
def drawn_lines(context: Context, twigs: Iterable[Twig]) -> Markup:
    """The lines of a tree."""
    drawer = Lines(context["request"].get_full_path(), str(context["csrf_token"]))
    return joined([drawer.draw(twig) for twig in twigs])
