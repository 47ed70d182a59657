"""HTML of a mail made safe to show, HTML to plain words, and plain text to HTML.

Law: closed lists (RELIABILITY Q60). What is not named here does not come through: elements, attributes, CSS properties, URL
schemes. The result is not touched again; quoting it goes through `sanitise` again. The sandboxed frame it is shown in is a
second wall, not an excuse for this one.

This module does not know messages or parts; embedded images come as a mapping from Content-ID to URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from urllib.parse import unquote

import nh3
from selectolax.lexbor import LexborHTMLParser

from poststelle.mail.markup import bounded

SANITISER_VERSION = 2
"""Grows whenever the same HTML would come out differently; derived HTML with an older number is made again."""

MAX_QUOTE_LEVEL = 10


def _names(text: str) -> set[str]:
    return set(text.split())


_TAGS = _names(
    "a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn div dl dt em "
    "figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section small "
    "span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr"
)
_DROPPED_WHOLE = _names(
    "script style title template textarea select option noscript noembed noframes iframe object applet embed svg math audio "
    "video canvas frameset xmp plaintext"
)
_TABLE = {"width", "height", "bgcolor", "valign", "nowrap", "background"}
_ATTRIBUTES = {
    "*": {"style", "align", "dir", "lang"},
    "a": {"href"},
    "img": {"src", "srcset", "alt", "width", "height", "border", "hspace", "vspace"},
    "font": {"color", "face", "size"},
    "table": _TABLE | {"border", "cellpadding", "cellspacing"},
    "td": _TABLE | {"colspan", "rowspan"},
    "th": _TABLE | {"colspan", "rowspan"},
    "tr": _TABLE,
    "col": {"span", "width"},
    "colgroup": {"span", "width"},
    "ol": {"start", "type"},
    "ul": {"type"},
    "li": {"value", "type"},
    "hr": {"width", "size", "noshade", "color"},
    "blockquote": {"type"},
}
_PROPERTIES = _names(
    "background background-color border border-bottom border-bottom-color border-bottom-style border-bottom-width border-collapse "
    "border-color border-left border-left-color border-left-style border-left-width border-radius border-right border-right-color "
    "border-right-style border-right-width border-spacing border-style border-top border-top-color border-top-style "
    "border-top-width border-width box-sizing caption-side clear color direction display empty-cells float font font-family "
    "font-size font-style font-variant font-weight height letter-spacing line-height list-style-type margin margin-bottom "
    "margin-left margin-right margin-top max-height max-width min-height min-width overflow-wrap padding padding-bottom "
    "padding-left padding-right padding-top table-layout text-align text-decoration text-decoration-line text-indent "
    "text-transform vertical-align white-space width word-break word-spacing word-wrap"
)
_FUNCTIONS = {"rgb", "rgba", "hsl", "hsla"}
_CSS_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})[ \t\r\n\f]?|(.))", re.S)
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.S)
_CSS_VALUE = re.compile(r"[\w\s#%.,+\-!'\"()/]*")
_CSS_TOKEN = re.compile(r"[\w-]+|\S")
_CSS_REMOTE = re.compile(r"(?:url|image-set|src)\s*\(", re.I)

_URL_NOISE = re.compile(r"[\x00-\x1f\x7f]")
_LINK = re.compile(r"(?:https?://|mailto:|tel:)\S", re.I)
_REMOTE_IMAGE = re.compile(r"(?:https?:)?//[^\s\"'<>\\`]+", re.I)
_EMBEDDED_IMAGE = re.compile(r"data:image/(?:png|jpe?g|gif|webp|bmp);base64,[A-Za-z0-9+/=\s]+", re.I)
_LINK_OUT = re.compile(r'(<a\b[^<>]*? href="https?://([^/?#"\\]+)[^"]*")', re.I)


@dataclass(frozen=True, slots=True)
class Sanitised:
    """HTML that runs nothing and asks for nothing but what was allowed; `blocked_remote` counts remote resources left out,
    `remote` tells that images were let in."""

    html: str
    blocked_remote: int
    remote: bool = False


class _Filter:
    """Decides every attribute of one document and counts what was remote."""

    def __init__(self, images: Mapping[str, str], *, remote: bool, through: Callable[[str], str]) -> None:
        self.images, self.remote, self.through, self.blocked = images, remote, through, 0
        self._styles: dict[str, tuple[str | None, int]] = {}

    def __call__(self, _tag: str, name: str, value: str) -> str | None:
        if name == "style":
            # A newsletter says the same few styles thousands of times.
            if value not in self._styles:
                self._styles[value] = self._style(value)
            kept, blocked = self._styles[value]
            self.blocked += blocked
            return kept
        if name == "href":
            link = _URL_NOISE.sub("", value).strip()
            return link if _LINK.match(link) else None
        if name == "src":
            return self._image(value)
        if name in {"srcset", "background"}:
            # The same picture in other sizes comes as the one in `src`.
            self.blocked += not (self.remote and name == "srcset")
            return None
        return value

    def _image(self, value: str) -> str | None:
        url = _URL_NOISE.sub("", value).strip()
        if url[:4].lower() == "cid:":
            return self.images.get(unquote(url[4:])) or self.images.get(url[4:])
        if _EMBEDDED_IMAGE.fullmatch(url):
            return url
        if self.remote and _REMOTE_IMAGE.fullmatch(url):
            whole = f"https:{url}" if url.startswith("//") else url
            if here := self.through(whole):
                return here
        if re.match(r"https?:|[\\/]{2}", url, re.I):
            self.blocked += 1
        return None

    def _style(self, value: str) -> tuple[str | None, int]:
        """What may stay of a style, and how much of it was remote."""
        plain = _CSS_COMMENT.sub(" ", _CSS_ESCAPE.sub(_css_character, value))
        kept, blocked = [], 0
        for declaration in plain.split(";"):
            name, _, given = declaration.partition(":")
            name, given = name.strip().lower(), given.strip()
            if _CSS_REMOTE.search(given):
                blocked += 1
            elif name in _PROPERTIES and _harmless(given):
                kept.append(f"{name}: {given}")
        return "; ".join(kept) or None, blocked


def _css_character(match: re.Match[str]) -> str:
    if match[1]:
        number = int(match[1], 16)
        return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
    return match[2]


def _harmless(value: str) -> bool:
    return bool(
        value
        and _CSS_VALUE.fullmatch(value)
        and value.count('"') % 2 == 0
        and value.count("'") % 2 == 0
        and all(name.lower() in _FUNCTIONS for name, sign in pairwise(["", *_CSS_TOKEN.findall(value)]) if sign == "(")
    )


def sanitise(
    html: str, *, images: Mapping[str, str] | None, remote: bool, through: Callable[[str], str] = str
) -> Sanitised:
    """HTML of a mail as a fragment to show in the sandboxed frame (`document` makes the frame's page of it).

    `images` maps Content-IDs (without brackets) to the URLs put in place of ``cid:``; those without one vanish. Remote images
    vanish and are counted, unless `remote`: then ``https:`` images stay, under the address `through` makes of theirs ("": not this
    one either). Links open elsewhere and tell their host as a title.
    """
    keep = _Filter(images or {}, remote=remote, through=through)
    cleaner = nh3.Cleaner(
        tags=_TAGS,
        clean_content_tags=_DROPPED_WHOLE,
        attributes=_ATTRIBUTES,
        attribute_filter=keep,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}, "img": {"referrerpolicy": "no-referrer"}},
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
    )
    return Sanitised(_LINK_OUT.sub(_with_host, cleaner.clean(bounded(html))), keep.blocked, remote)


def _with_host(match: re.Match[str]) -> str:
    return f'{match[1]} title="{match[2].rpartition("@")[2]}"'


_POLICY = "default-src 'none'; img-src {images}; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
_OWN_COLOURS = re.compile(r'\b(?:bg)?color="|style="(?:[^"]*; )?(?:background|background-color|color): ')
_SHADES = "#dark{color-scheme:light dark}#dark:target{color-scheme:dark}#dark:has(#light:target){color-scheme:light}"
_STYLE = (
    "html{color-scheme:light}html,body{background:light-dark(#fff,#17191d)}"
    "body{margin:16px;color:light-dark(#1a1a1a,#e7e9ec);font:15px/1.5 system-ui,sans-serif;"
    "overflow-wrap:anywhere}img{max-width:100%;height:auto}table{max-width:100%}pre{white-space:pre-wrap}"
    "blockquote{margin:0 0 0 2px;padding:0 0 0 12px;border-left:2px solid light-dark(#c8ccd2,#4a515c)}"
    "a{color:light-dark(#0b57a4,#8fb0ff)}"
    "mark{padding:0 4px;border-radius:3px;background:light-dark(#fff1c9,#5c4711);color:light-dark(#6b3d00,#ffdf9e);font-size:13px}"
    "details>summary{width:fit-content;margin:8px 0;padding:0 8px;border-radius:6px;background:light-dark(#eef0f4,#2b2f36);"
    "color:light-dark(#4c5563,#b9c0ca);font-size:12px}"
    ".head{margin:0 0 16px;padding:0 0 16px;border-bottom:1px solid #c8ccd2;font-size:13px}.head div{display:flex;gap:8px}"
    ".head dt{flex:0 0 90px;color:#4c5563}.head dd{margin:0;min-width:0}.plain{white-space:pre-wrap}"
    "@media print{body{margin:0}table{width:auto!important}td,th,pre{white-space:pre-wrap!important;overflow-wrap:anywhere}"
    "img,tr{break-inside:avoid}}"
)


def has_colours(html: str) -> bool:
    """Whether a sanitised fragment sets colours of its own, which were chosen for white paper."""
    return _OWN_COLOURS.search(html) is not None


def document(
    sanitised: Sanitised,
    *,
    title: str = "",
    language: str = "",
    heading: Sequence[tuple[str, str]] = (),
    paper: bool = False,
) -> str:
    """The whole page of the sandboxed frame around a sanitised fragment. `heading`: name and value lines set above it, as plain text.

    It is dark where the system is, except on `paper` and where the mail has colours of its own; the fragments ``#dark`` and
    ``#light`` of its address choose.
    """
    shades = "" if paper or has_colours(sanitised.html) else _SHADES
    policy = _POLICY.format(images="data: 'self'" if sanitised.remote else "data:")
    lines = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in heading)
    head = f'<dl class="head">{lines}</dl>' if lines else ""
    lang = f' lang="{escape(language)}"' if language else ""
    return (
        f'<!doctype html><html id="dark"{lang}><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><meta name="referrer" content="no-referrer">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f'<style>{_STYLE}{shades}</style></head><body id="light">{head}{sanitised.html}</body></html>'
    )


_BLOCK = re.compile(
    r"<(?=/?(?:address|article|aside|blockquote|br|center|dd|div|dl|dt|footer|form|h[1-6]|header|hr|li|ol|p|pre|section|table|tr|ul)\b)",
    re.I,
)
_CELL = re.compile(r"<(?=t[dh]\b)", re.I)
_UNREAD = "script,style,head,title,template,noscript,svg,math,iframe,object,textarea,select"


def text_of(html: str) -> str:
    """The words of an HTML text, one line per block, without markup, scripts and styles. Never raises."""
    source = " ".join(bounded(html).split())
    tree = LexborHTMLParser(_CELL.sub(" <", _BLOCK.sub("\n<", source)))
    for node in tree.css(_UNREAD):
        node.decompose()
    text = tree.body.text(separator="") if tree.body is not None else ""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


_URL = re.compile(
    r"(?<!\w)(?:https?://|mailto:)[^\s<>\"\x00-\x20\x7f-\xa0\u2000-\u200f\u2028-\u202f\u2066-\u2069]+", re.I
)
_QUOTE = re.compile(r"(?:> ?)*")


def linkify(text: str) -> str:
    """Plain text as HTML (RELIABILITY Q64): everything escaped, http, https and mailto addresses as links, quoted lines in nested
    blockquotes up to `MAX_QUOTE_LEVEL`. Line ends stay line ends: show it with ``white-space: pre-wrap``."""
    pieces: list[str] = []
    level = 0
    block: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        depth, start = _quote_depth(line)
        if depth != level:
            pieces.append(_linked("\n".join(block)))
            pieces.append("<blockquote>" * (depth - level) or "</blockquote>" * (level - depth))
            level, block = depth, []
        block.append(line[start:])
    pieces.append(_linked("\n".join(block)))
    pieces.append("</blockquote>" * level)
    return "".join(pieces)


def _quote_depth(line: str) -> tuple[int, int]:
    if not line.startswith(">"):
        return 0, 0
    marks = _QUOTE.match(line)
    prefix = marks[0] if marks else ""
    depth = prefix.count(">")
    if depth <= MAX_QUOTE_LEVEL:
        return depth, len(prefix)
    cut = 0
    for _ in range(MAX_QUOTE_LEVEL):
        cut = prefix.index(">", cut) + 1
    return MAX_QUOTE_LEVEL, cut


def _linked(text: str) -> str:
    pieces: list[str] = []
    reached = 0
    for match in _URL.finditer(text):
        url = _without_punctuation(match[0])
        if url.endswith(":") or (url.endswith("/") and url.count("/") == 2):
            continue
        end = match.start() + len(url)
        pieces += escape(text[reached : match.start()]), _link(url)
        reached = end
    pieces.append(escape(text[reached:]))
    return "".join(pieces)


def _link(url: str) -> str:
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer nofollow">{escape(url)}</a>'


def _without_punctuation(url: str) -> str:
    """What ends a sentence does not belong to a link in it; a closing bracket does if it was opened within."""
    spare = url.count(")") - url.count("(")
    end = len(url)
    while end:
        last = url[end - 1]
        if last == ")" and spare > 0:
            spare -= 1
        elif last not in ".,;:!?'\"*_]}":
            break
        end -= 1
    return url[:end]
