"""HTML of a mail prepared for reading, before it is made safe: quoted letters folded, links that pretend to lead elsewhere marked.

Law: what comes out is as untrusted as what went in; `mail.html.sanitise` follows. Bounded like everything that builds a tree.
This module does not know languages: the words come from the caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from poststelle.mail.markup import bounded
from poststelle.mail.spoofing import is_look_alike, shown_domain

_QUOTED = (
    "blockquote[type=cite], .gmail_quote, .yahoo_quoted, .moz-cite-prefix + blockquote, #divRplyFwdMsg, #appendonsend"
)
_MOST_LINKS = 2_000
_SHOWN_HOST = re.compile(r"(?:https?://)?((?:[\w-]{1,63}\.){1,10}[^\W\d_]{2,24})(?=[/:?#\s]|$)", re.I)


@dataclass(frozen=True, slots=True)
class Labels:
    """What the reader is told: over a folded quotation, and before the host a deceiving link really leads to."""

    quoted: str
    leads_to: str


def prepared(html: str, labels: Labels) -> str:
    """The HTML with its outermost quotations in closed ``details`` and deceiving links marked; unchanged where there are none."""
    html = bounded(html)
    lowered = html.lower()
    has_quotes = "quote" in lowered or "divrplyfwdmsg" in lowered or "appendonsend" in lowered
    if not has_quotes and "<a" not in lowered:
        return html
    tree = LexborHTMLParser(html)
    if tree.body is None:
        return html
    changed = _mark_links(tree, labels)
    if has_quotes:
        changed += _fold(tree, labels)
    return (tree.html or html) if changed else html


def _mark_links(tree: LexborHTMLParser, labels: Labels) -> int:
    count = 0
    for link in tree.css("a[href]")[:_MOST_LINKS]:
        host = real_host(link.attributes.get("href") or "")
        if host and (is_look_alike(host) or _pretends(link.text(deep=True)[:300], host)):
            note = f"<mark>{escape(labels.leads_to)} {escape(shown_domain(host))}</mark>"
            count += _put_behind(link, note)
    return count


def real_host(href: str) -> str:
    """The host a web address leads to, lower case; "" where it is none."""
    try:
        parts = urlsplit(re.sub(r"[\x00-\x20]", "", href))
        host = parts.hostname or ""
    except ValueError:
        return ""
    return host.lower() if parts.scheme.lower() in {"http", "https"} else ""


def _pretends(text: str, host: str) -> bool:
    """Whether a link's text is itself an address, of another site."""
    shown = _SHOWN_HOST.match(text.strip())
    if not shown:
        return False
    one, other = _site(shown[1].lower()), _site(host)
    return one != other


def _site(host: str) -> str:
    """The last labels of a name, so that ``www.`` and tracking hosts of the same site are no reproach."""
    labels = host.split(".")
    return ".".join(labels[-3:] if len(labels[-1]) == 2 and len(labels[-2:][0]) <= 3 else labels[-2:])


def _put_behind(node: LexborNode, html: str) -> int:
    fresh = LexborHTMLParser(f"<body> {html}</body>")
    made = fresh.css_first("mark")
    if made is None:
        return 0
    node.insert_after(made)
    return 1


def _fold(tree: LexborHTMLParser, labels: Labels) -> int:
    """Every outermost quotation, unless it is all there is to read."""
    body = tree.body
    if body is None:
        return 0
    outermost = [node for node in tree.css(_QUOTED) if not _within_quotation(node, body)]
    quoted = sum(len(node.text(deep=True).strip()) for node in outermost)
    if not outermost or len(body.text(deep=True).strip()) <= quoted:
        return 0
    for node in outermost[:50]:
        shell = LexborHTMLParser(f"<body><details><summary>{escape(labels.quoted)}</summary></details></body>")
        details = shell.css_first("details")
        if details is None:
            continue
        node.insert_before(details)
        placed = node.prev
        if placed is not None:
            placed.insert_child(node)
            node.decompose()
    return len(outermost)


def _within_quotation(node: LexborNode, body: LexborNode) -> bool:
    above = node.parent
    while above is not None and above != body:
        names = (above.attributes.get("class") or "").split()
        if "gmail_quote" in names or "yahoo_quoted" in names or above.attributes.get("type") == "cite":
            return True
        above = above.parent
    return False
