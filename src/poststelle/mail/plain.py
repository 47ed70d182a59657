"""The plain-text form of a short HTML text such as a signature: the words line by line, and where its links lead."""

from __future__ import annotations

from selectolax.lexbor import LexborHTMLParser

from poststelle.mail.html import text_of
from poststelle.mail.markup import bounded


def plain_of(html: str) -> str:
    """The text one would have typed instead, without blank lines; a link whose words hide its address has that behind it. Never raises."""
    tree = LexborHTMLParser(bounded(html))
    for link in tree.css("a[href]"):
        words, address = link.text().strip(), (link.attributes.get("href") or "").strip()
        shown = address.removeprefix("mailto:").removeprefix("https://").removeprefix("http://").rstrip("/")
        if address.startswith(("https://", "http://", "mailto:")) and shown.casefold() not in words.casefold():
            link.insert_after(f" <{address}>" if words else address)
    return text_of(tree.html or "")
