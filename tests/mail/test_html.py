"""HTML of strangers made safe, HTML read as words, plain text shown as HTML."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from poststelle.mail.html import MAX_QUOTE_LEVEL, document, has_colours, linkify, sanitise, text_of
from poststelle.mail.markup import MAX_DEPTH, bounded


def safe(html: str) -> str:
    return sanitise(html, images=None, remote=False).html


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg><style><img src=x onerror=alert(1)></style></svg>",
        "<math><mi//xlink:href='javascript:alert(1)'>",
        "<a href='java\nscript:alert(1)'>x</a>",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<a href=/relative>x</a>",
        "<iframe src=https://x.test></iframe>",
        "<form action=https://x.test><input name=a></form>",
        "<style>@import 'https://x.test'</style>",
        "<link rel=stylesheet href=https://x.test><meta http-equiv=refresh content='0;https://x.test'><base href=https://x.test>",
        "<object data=https://x.test></object><video src=https://x.test></video>",
        "<div hx-get=/x class=y id=z>x</div>",
        "<img src='data:image/svg+xml;base64,AAAA'>",
        "<img src='cid:unknown'>",
    ],
)
def test_nothing_that_runs_or_asks_comes_through(html: str) -> None:
    cleaned = safe(html).lower()
    assert not re.search(
        r"script|onerror|svg|math|iframe|form|input|style|link rel|meta|base|object|video|hx-|class|id=|src=|href=|x\.test",
        cleaned,
    )


@pytest.mark.parametrize(
    "style",
    [
        "background:url(https://x.test)",
        "background:u\\72l(https://x.test)",
        "background:u\\72\nl(https://x.test)",
        "background:URL (https://x.test)",
        "background:/**/url(https://x.test)",
        "background:-webkit-image-set(url(https://x.test) 1x)",
        "background:image-set('https://x.test' 1x)",
        "--a:url(https://x.test);background:var(--a)",
        "cursor:url(https://x.test),auto",
        "position:fixed;top:0",
        "behavior:url(x.htc)",
        "width:expression(alert(1))",
        "color:red}body{background:red",
        "@import 'https://x.test'",
        "font-family:'a",
        "content:attr(x)",
        "filter:url(https://x.test#f)",
        "color:\\",
    ],
)
def test_a_style_that_asks_or_escapes_is_dropped(style: str) -> None:
    assert safe(f'<p style="{style}">x</p>') == "<p>x</p>"


def test_harmless_styles_stay() -> None:
    style = "color: rgb(1, 2, 3); font-family: 'A B',serif; padding: 1px 2em; background: #fff"
    assert safe(f'<p style="{style}">x</p>') == f'<p style="{style}">x</p>'
    assert safe("<p style='c\\6f lor:red;position:fixed'>x</p>") == '<p style="color: red">x</p>'


def test_a_link_opens_elsewhere_and_tells_its_host() -> None:
    (link,) = LexborHTMLParser(
        safe('<a href=" https://bank.test@evil.test/a?b&amp;c" target=_self rel=x>bank</a>')
    ).css("a")
    assert link.attributes == {
        "href": "https://bank.test@evil.test/a?b&c",
        "title": "evil.test",
        "target": "_blank",
        "rel": "noopener noreferrer nofollow",
    }


def test_text_that_looks_like_a_link_attribute_stays_text() -> None:
    assert safe('&lt;a href="https://x.test"') == '&lt;a href="https://x.test"'


def test_embedded_images_come_from_the_mapping_and_nowhere_else() -> None:
    image = "data:image/png;base64,AAAA"
    cleaned = sanitise('<img src="cid:a%40b"><img src="CID:c@d">', images={"a@b": image, "c@d": image}, remote=False)
    assert cleaned.html.count(f'src="{image}"') == 2
    assert f'src="{image}"' in safe(f'<img src="{image}">')


def test_remote_images_are_left_out_and_counted_until_somebody_asks() -> None:
    html = (
        '<img src="https://x.test/1"><img src="http://x.test/2"><img src="//x.test/3"><img srcset="https://x.test/4 1x">'
        '<table background="https://x.test/5"><tr><td style="background:url(https://x.test/6)">x</table>'
    )
    blocked = sanitise(html, images=None, remote=False)
    assert ("x.test" in blocked.html, blocked.blocked_remote) == (False, 6)
    allowed = sanitise(html, images=None, remote=True)
    assert re.findall(r"https?://x\.test/\d", allowed.html) == [
        "https://x.test/1",
        "http://x.test/2",
        "https://x.test/3",
    ]
    assert allowed.blocked_remote == 2, "pictures behind the words never come, and the reader is told"
    assert "img-src data:;" in document(blocked)
    assert "img-src data: 'self';" in document(allowed)
    shown = sanitise(html, images=None, remote=True, through=lambda url: f"/ours?{len(url)}")
    assert "x.test" not in shown.html
    assert re.findall(r'src="(/ours[^"]*)"', shown.html) == ["/ours?16", "/ours?15", "/ours?16"]


def test_the_frame_page_is_complete_and_forbids_everything_else() -> None:
    page = document(sanitise("<p>x</p>", images=None, remote=False), title="<Titel>", language="de")
    assert page.startswith('<!doctype html><html id="dark" lang="de"><head><meta charset="utf-8">')
    assert "default-src 'none'" in page
    assert "<title>&lt;Titel&gt;</title>" in page
    assert page.endswith('<body id="light"><p>x</p></body></html>')


@pytest.mark.parametrize(
    ("html", "coloured"),
    [
        ("<p>Rot und color: nicht gemeint</p>", False), ("<p style='border:1px solid'>x</p>", False),
        ("<p style='color:#333'>x</p>", True), ("<p style='margin:0;background-color:#eee'>x</p>", True),
        ("<p style='background:red'>x</p>", True), ("<table bgcolor=white><tr><td>x</table>", True), ("<font color=navy>x</font>", True),
    ],
)  # fmt: skip
def test_only_a_mail_without_colours_of_its_own_is_shown_on_dark_ground(html: str, *, coloured: bool) -> None:
    clean = sanitise(html, images=None, remote=False)
    assert has_colours(clean.html) is coloured
    assert ("color-scheme:light dark" in document(clean)) is not coloured
    assert "color-scheme:light dark" not in document(clean, paper=True)


def test_sanitised_html_is_not_changed_by_sanitising_it_again() -> None:
    once = safe('<p style="color:red">a <a href="https://x.test">b</a><table><tr><td>c')
    assert safe(once) == once


@given(st.text(alphabet="<>/\"'= abimgstyledivsrchrefon:;()\\&#x\0\ud800", max_size=80))
def test_any_html_is_made_safe_and_read(html: str) -> None:
    cleaned = safe(html)
    cleaned.encode("utf-8")
    text_of(html).encode("utf-8")
    assert not LexborHTMLParser(cleaned).css("script,style,svg,form,[onerror],[onclick],[src]")


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 300_000,
        "<b><div></b>" * 60_000,
        "<div><table><td></div>" * 60_000,
        ("<span>" * 300 + "<div>" + "</span>" * 300) * 200,
        "<p>" + "".join(f"<b id={number}>" for number in range(3_000)) + "</p>" + "<p>x</p>" * 50_000,
        "".join(f"<p><i id={number}>" for number in range(20_000)),
        "<blockquote>" * 100_000,
        "<table><td>" * 60_000,
        '<p style="' + "a:b;" * 200_000 + '">',
        '<p style="' + "\\" * 500_000 + '">',
        '<p style="' + "/*" * 300_000 + '">',
    ],
    ids=lambda html: html[:24],
)
def test_no_html_takes_long(html: str) -> None:
    begun = time.process_time()
    safe(html)
    text_of(html)
    assert time.process_time() - begun < 5


def test_ordinary_html_is_not_cut() -> None:
    html = "<div><table><tr><td><font><p>x<br></p></font></td><td>y</table></div>" * 5_000
    assert bounded(html) is html
    assert len(bounded("<div>" * 1_000)) == len("<div>") * MAX_DEPTH


def test_html_is_read_block_by_block() -> None:
    assert (
        text_of("<p>Hal<b>lo</b>\n Welt<br>zwei</p><table><tr><td>a</td><td>b</td></tr></table><script>x</script>")
        == "Hallo Welt\nzwei\na b"
    )
    assert text_of("") == ""


def test_plain_text_becomes_links_and_quotations_and_nothing_else() -> None:
    html = linkify(
        "Hi <b>\n> quoted\n>> twice\n> once\nsee https://x.test/a_(b)), mailto:a@x.test. javascript:x http://"
    )
    link = '<a href="{0}" target="_blank" rel="noopener noreferrer nofollow">{0}</a>'
    assert html == (
        "Hi &lt;b&gt;<blockquote>quoted<blockquote>twice</blockquote>once</blockquote>"
        f"see {link.format('https://x.test/a_(b)')}), {link.format('mailto:a@x.test')}. javascript:x http://"
    )


def test_a_link_cannot_leave_its_attribute() -> None:
    assert 'href="https://x.test/&amp;a&#x27;b"' in linkify("https://x.test/&a'b")
    assert "onclick" not in linkify('https://x.test/"onclick="x').partition("</a>")[0]


def test_quotation_levels_are_capped() -> None:
    assert linkify(">" * 1_000 + "x").count("<blockquote>") == MAX_QUOTE_LEVEL


@given(st.text(alphabet="> \nhttps:/x.()'\"<&", max_size=100))
def test_shown_text_is_always_balanced_and_escaped(text: str) -> None:
    html = linkify(text)
    assert html.count("<blockquote>") == html.count("</blockquote>")
    assert re.fullmatch(
        r"(?:[^<]|</?blockquote>|<a href=\"[^\"<]*\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">|</a>)*",
        html,
    )


@pytest.mark.parametrize("piece", [">", "> ", "http://)", ">\n>>\n", "http://", "mailto:("])
def test_no_text_makes_links_slow(piece: str) -> None:
    begun = time.process_time()
    linkify(piece * 200_000)
    assert time.process_time() - begun < 5
