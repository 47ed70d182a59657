"""Mail text as HTML: the only place where text of a mail becomes markup.

`mail.html.linkify` escapes everything and makes links and quotations; here outermost quotations are folded, and words somebody
looked for are marked. Nothing else in the pages marks anything as safe.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.utils import timezone
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from poststelle.mail import words
from poststelle.mail.html import linkify
from poststelle.mail.query import parse
from poststelle.mail.records import UserRecord

_LETTERS = re.compile(r"[^\W_]+")
_MARKUP = re.compile(
    r"""(<(?:style|title)\b.*?</(?:style|title)>|<(?:"[^"]*"|'[^']*'|[^'">])*>|&\#?\w+;)""", re.S | re.I
)
_SHORTEST_STEM = 4
_QUOTE = re.compile(r"<(/?)blockquote>")


def text_as_html(text: str, looked_for: Sequence[str] = ()) -> str:
    """Plain text, escaped, with links; outermost quotations folded, except when the text is nothing but a quotation.

    Words looked for are marked.
    """
    linked = marked_html(linkify(text), looked_for)
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


def note_as_html(text: str, mentioned: Sequence[UserRecord]) -> str:
    """The text of a note, escaped, with those it calls marked: ``@`` and their name or e-mail address, or the first part of either."""
    names = {
        name
        for one in mentioned
        for name in (one.name, one.name.partition(" ")[0], one.email, one.email.partition("@")[0])
        if name
    }
    if not names:
        return escape(text)
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pieces = re.split(rf"(@(?:{longest_first})(?!\w|@|\.\w))", text, flags=re.I)
    return format_html_join(
        "", "{}", ((format_html('<b class="mention">{}</b>', one) if at % 2 else one,) for at, one in enumerate(pieces))
    )


def looked_for(query: str) -> list[str]:
    """The words a query (`mail.query`) looks for."""
    terms = parse(query, timezone.localdate()).terms
    return [word for term in terms if not term.excluded for word in term.words]


def marked_html(html: str, looked_for: Sequence[str]) -> str:
    """Clean markup with the words looked for marked in its text. Nothing else of it changes."""
    if not looked_for:
        return html
    marker = Marker(looked_for)
    return "".join(piece if at % 2 else str(marker(piece)) for at, piece in enumerate(_MARKUP.split(html)))


class Marker:
    """Marks words in texts: every word that begins as one looked for, or has its stem. Belongs to one thread."""

    def __init__(self, looked_for: Sequence[str]) -> None:
        self._stems = words.Stems()
        self._wanted = {form for word in looked_for for form in (*words.spellings(word), self._stems.of(word))}
        self._beginnings = tuple(one for one in self._wanted if len(one) >= _SHORTEST_STEM)
        self._met: dict[str, bool] = {}

    def __call__(self, text: str) -> str:
        """The text, escaped, with the words marked; where there is none, the text as it is."""
        if not self._wanted:
            return text
        pieces, reached = [], 0
        for match in _LETTERS.finditer(text):
            if self._is_hit(match[0]):
                pieces.append((text[reached : match.start()], match[0]))
                reached = match.end()
        return (
            format_html("{}{}", format_html_join("", "{}<mark>{}</mark>", pieces), text[reached:]) if pieces else text
        )

    def _is_hit(self, word: str) -> bool:
        known = self._met.get(word)
        if known is None:
            plain = words.folded(word)
            known = plain in self._wanted or plain.startswith(self._beginnings) or self._stems.of(word) in self._wanted
            self._met[word] = known
        return known
