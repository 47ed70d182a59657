"""How much HTML a tree builder is asked to build, bounded before it is built.

Law: HTML parsers need quadratic time for deep nesting and may copy open formatting elements without end (the WHATWG tree
construction rules ask for it); half a megabyte of ``<div>`` costs them minutes. So one linear pass guesses the depth the tree
would get, never lower by more than a constant factor, and cuts the text where a cap is passed. Ordinary mail is far below.

This module does not know what is safe to show (`mail.html`).
"""

from __future__ import annotations

import re

MAX_ELEMENTS = 100_000
MAX_DEPTH = 400
MAX_COPIES = 1_000_000


def _names(text: str) -> set[str]:
    return set(text.split())


_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>\x00]*+)")
_FORMATTING = _names("a b big code em font i nobr s small strike strong tt u")
_CHILDLESS = _names(
    "area base basefont bgsound br col embed frame hr img image input keygen link meta param source track wbr"
)
# Their end tags are optional: the next one closes them, or what they stand in does, and that is counted.
_SELF_ENDING = _names("p li dd dt tr tbody thead tfoot option optgroup html head body colgroup")
_INLINE = _FORMATTING | _names("span abbr acronym bdi bdo cite del dfn ins kbd label mark q samp sub sup time var")
_CELLS = {"td", "th", "caption"}
_WALLS = _CELLS | {"table"}


def bounded(html: str) -> str:
    """The text itself, or its beginning up to where a cap is passed; always valid Unicode."""
    if not html.isascii():
        html = html.encode("utf-8", "replace").decode()
    if html.count("<") <= MAX_DEPTH:
        return html
    open_: list[str] = []
    formatting = copies = 0
    for count, match in enumerate(_TAG.finditer(html)):
        name = match[2].lower()
        if name in _CHILDLESS or name in _SELF_ENDING:
            pass
        elif match[1]:
            before = len(open_)
            _end(open_, name)
            formatting -= name in _FORMATTING and len(open_) < before
        else:
            if name in _CELLS:
                _end(open_, name, until="table")
            open_.append(name)
            formatting += name in _FORMATTING
        copies += formatting
        if len(open_) > MAX_DEPTH or count >= MAX_ELEMENTS or copies > MAX_COPIES:
            return html[: match.start()]
    return html


def _end(open_: list[str], name: str, *, until: str = "") -> None:
    """Close the innermost `name` with all within it, unless something stands between that an end tag does not reach across."""
    for place in range(len(open_) - 1, -1, -1):
        other = open_[place]
        if other == name:
            if name in _FORMATTING:
                del open_[place]
            else:
                # Formatting elements that were not ended go on in the next block (they are copied there).
                open_[place:] = [inner for inner in open_[place + 1 :] if inner in _FORMATTING]
            return
        if (
            other == until
            or (name != "table" and other in _WALLS)
            or (name in _INLINE - _FORMATTING and other not in _INLINE)
        ):
            return
