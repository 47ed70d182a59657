"""Where templates put what is drawn in Python (`web.drawing`)."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.template import Context

from poststelle.office.letters import Sender
from poststelle.web.drawing import Lines, Rows
from poststelle.web.markup import Markup, joined, markup
from poststelle.web.tree import Twig

register = template.Library()

_SELECTED, _NOTHING = Markup(" selected"), Markup("")


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
    here, token = context["request"].get_full_path(), str(context["csrf_token"])
    drawer = Lines(here, token, totals=context["chosen"].totals)
    return joined([drawer.draw(twig) for twig in twigs])


@register.simple_tag
def drawn_senders(senders: Iterable[tuple[Sender, str]], chosen: str) -> Markup:
    """Whom one may write as, each with what its letters begin with."""
    pieces = []
    for one, block in senders:
        selected, name = _SELECTED if one.key == chosen else _NOTHING, f"{one.name} · " if one.name else ""
        form = '<option value="{}" data-block="{}"{}>{}{} ({})</option>'
        pieces.append(markup(form, one.key, block, selected, name, one.address, one.account.label))
    return joined(pieces)
