"""Mail text as HTML: the only place where text of a mail becomes markup.

`mail.html.linkify` escapes everything and makes links and quotations; here outermost quotations are folded, and words somebody
looked for are marked. Nothing else in the pages marks anything as safe.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.utils.html import escape, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from poststelle.mail import words
from poststelle.mail.html import linkify

_LETTERS = re.compile(r"([^\W_]+)")
_SHORTEST_STEM = 4
_MARKS = {True: mark_safe("<mark>"), False: ""}
_ENDS = {True: mark_safe("</mark>"), False: ""}
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


def marked(text: str, looked_for: Sequence[str]) -> str:
    """The text, escaped, with every word marked that begins as one looked for, or has its stem."""
    if not looked_for:
        return text
    stems = words.Stems()
    wanted = {form for word in looked_for for form in (*words.spellings(word), stems.of(word))}
    long = tuple(one for one in wanted if len(one) >= _SHORTEST_STEM)
    pieces = []
    for at, piece in enumerate(_LETTERS.split(text)):
        plain = words.folded(piece) if at % 2 else ""
        hit = bool(plain) and (plain in wanted or plain.startswith(long) or stems.of(piece) in wanted)
        pieces.append((_MARKS[hit], piece, _ENDS[hit]))
    return format_html_join("", "{}{}{}", pieces)
