"""Mail text as HTML: the only place where text of a mail becomes markup.

`mail.html.linkify` escapes everything and makes links and quotations; here outermost quotations are folded. Nothing else in
the pages marks anything as safe.
"""

from __future__ import annotations

import re

from django.utils.html import escape
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from poststelle.mail.html import linkify

_QUOTE = re.compile(r"<(/?)blockquote>")


def text_as_html(text: str) -> str:
    """Plain text, escaped, with links; outermost quotations folded, except when the text is nothing but a quotation."""
    linked = linkify(text)
    fold = bool(re.sub(r"<blockquote>.*</blockquote>", "", linked, flags=re.S).strip())
    return mark_safe(_folded(linked) if fold else linked)  # noqa: S308 - linkify has escaped everything


def _folded(linked: str) -> str:
    depth = 0
    summary = escape(_("Quoted text"))
    opening = f'<details class="quoted"><summary>{summary}</summary><blockquote>'

    def fold(match: re.Match[str]) -> str:
        nonlocal depth
        if not match[1]:
            depth += 1
            return opening if depth == 1 else match[0]
        depth -= 1
        return "</blockquote></details>" if depth == 0 else match[0]

    return _QUOTE.sub(fold, linked)
