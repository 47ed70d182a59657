"""Django's ``translate`` for words that stand in the template: said once in each language. A table of mailboxes says a thousand of them.

Words that are looked up while drawing, or kept under a name, stay Django's.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.template.base import Parser, Token, Variable
from django.template.context import Context
from django.templatetags.i18n import TranslateNode, do_translate
from django.utils.translation import get_language

register = template.Library()


class Words(TranslateNode):
    """Constant words, as Django says them."""

    def __init__(self, said_by: Any) -> None:
        super().__init__(said_by.filter_expression, said_by.noop, None, said_by.message_context)
        self._said: dict[tuple[str | None, bool], str] = {}

    def render(self, context: Context) -> str:
        """The words in the reader's language."""
        key = (get_language(), context.autoescape)
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = str(super().render(context))
        return said


@register.tag
def translate(parser: Parser, token: Token) -> TranslateNode:
    """As Django's."""
    node: Any = do_translate(parser, token)
    var, context = node.filter_expression.var, node.message_context
    is_constant = isinstance(var, Variable) and var.literal is not None and not node.filter_expression.filters
    if not is_constant or node.asvar or (context is not None and (context.filters or not isinstance(context.var, str))):
        return node  # type: ignore[no-any-return]  # Django's tags have no types
    return Words(node)
