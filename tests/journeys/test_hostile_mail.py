"""Hostile mail from a real server through the pages as they are served: listed, opened, previewed, printed, quoted in an answer,
forwarded, found, and opened with the pictures from elsewhere that the reader has asked for.

That each layer holds by itself is tests/journeys/test_vectors. Here everything is as people get it, and the vectors also stand where
nobody looks for HTML: in subjects, senders' names, file names and plain text. Mail nobody here wrote goes the same way where
POSTSTELLE_CORPORA names its folder (it takes a while); how much is printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from email.utils import formataddr
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Dialog, Error, Response

from tests.builders import a_letter
from tests.journeys import vectors
from tests.journeys.conftest import Window
from tests.journeys.office import Mailbox, Office, eventually
from tests.servers.dovecot import Dovecot
from tests.servers.process import free_port

pytestmark = [pytest.mark.servers, pytest.mark.browser]

CORPORA = Path(os.environ.get("POSTSTELLE_CORPORA") or "nowhere")
OWN = {**vectors.SCRIPTS, **vectors.LOOKS, **vectors.TRICKS}
READABLE = "Was jeder lesen darf"
SWALLOWING = [
    "script-behind-a-comment", "script-behind-a-title", "script-behind-a-text-field", "script-behind-no-script",
    "script-in-broken-tag", "mathematics-in-a-drawing", "nested-forms", "template",
]  # fmt: skip
"""What stands behind one of these in a mail may not be looked at any more: they come last."""

SHAPE = """() => {
  const told = some => [...some].map(one => one.outerHTML.slice(0, 160)), own = address => address.startsWith(location.origin);
  const answer = document.querySelector('.message .toolbar a[href*="reply="]')?.getBoundingClientRect();
  const top = answer && document.elementFromPoint(answer.x + answer.width / 2, answer.y + answer.height / 2);
  const look = getComputedStyle(document.body);
  return {
    strange: [
      ...told([...document.querySelectorAll('*')].filter(one => one.getAttributeNames().some(name => /^(on|hx-on)/.test(name)))),
      ...told(document.querySelectorAll('style, object, embed, base, math, foreignObject, meta[http-equiv]')),
      ...told([...document.scripts].filter(one => !one.nonce || !own(one.src))),
      ...told([...document.forms].filter(one => !own(new URL(one.getAttribute('action') ?? '', location).href))),
      ...told([...document.querySelectorAll('iframe')].filter(one =>
        one.getAttribute('sandbox') !== 'allow-popups allow-popups-to-escape-sandbox' || !own(one.src))),
      ...(answer && !top?.closest('.message .toolbar') ? ['our toolbar is covered'] : []),
    ],
    look: [look.backgroundColor, look.color, look.display, document.styleSheets.length, answer?.y, answer?.height].join(' '),
  }
}"""
"""Of a page of ours: what could only have come out of a mail, and how the page looks."""
ACTIVE = (
    "script, form, iframe, frame, object, embed, base, link, svg, math, input, button, textarea, select, video, audio, "
    "meta[http-equiv=refresh]"
)
"""What the page a mail has for itself never has."""


def own_mails(canary: str) -> Iterator[bytes]:
    """Several vectors to a mail, and one each in its subject, its sender's name and its files' names."""
    written = {name: one.replace("{canary}", canary) for name, one in OWN.items()}
    tame = [one for name, one in written.items() if name not in SWALLOWING]
    # What a header cannot hold (NUL, line ends) is no vector there.
    names = cycle(" ".join(written[name].replace("\0", "").split()) for name in vectors.SCRIPTS)
    for number, last in enumerate(SWALLOWING):
        html = "<hr>".join([f"<p>{READABLE}</p>", *tame[number :: len(SWALLOWING)], written[last]])
        files = [
            (next(names), "text/html", html.encode()),
            (f"{next(names)}.svg", "image/svg+xml", html.encode()),
            (f"{next(names)}.bin", "application/octet-stream", html.encode()),
        ]
        sender, to = (formataddr((next(names), f"{box}@kunde.test")) for box in ("eva", "udo"))
        yield a_letter(next(names), html, html=html, sender=sender, to=to, attachments=files)
    everything = "".join(written.values()).replace("\0", "")
    yield a_letter("Alles als Text", everything)
    inside = a_letter(next(names), "x", html=f"<p>{READABLE}</p>{everything}")
    yield a_letter("Mail in der Mail", attachments=[(f"{next(names)}.eml", "application/octet-stream", inside)])


def foreign_mails() -> Mapping[str, bytes]:
    """Those with HTML in the folder of POSTSTELLE_CORPORA but for what real people once wrote; none where none is named."""
    found = {str(path.relative_to(CORPORA)): path.read_bytes() for path in sorted(CORPORA.rglob("*.eml"))}
    return {name: raw for name, raw in found.items() if b"html" in raw.lower() and not name.startswith("realworld")}


class Watched:
    """A person's browser, and whatever a mail has achieved in it."""

    def __init__(self, window: Window, office: Office) -> None:
        self._window, self._office, self._page = window, office, window.page
        self.ran: list[str] = []
        window.context.expose_binding("__ran", lambda _, what="": self.ran.append(f"ran {what}"))
        window.context.add_init_script(
            "for (const name of ['alert','confirm','prompt','print']) window[name] = () => window.__ran(name)"
        )
        window.page.on("dialog", self._asked)
        self.usual = ""
        """How a page with an ordinary message looks."""
        self.words: list[str] = []
        """What stands in the frames that were shown."""

    def _asked(self, dialog: Dialog) -> None:
        self.ran.append(f"asked {dialog.message}")
        dialog.dismiss()

    def go(self, path: str) -> list[str]:
        """Open that page; what is not as it should be."""
        address = f"{self._office.address}{path}"
        try:
            answer = self._page.goto(address, wait_until="load")
            shape = self.shape()
        except Error as error:
            return [f"{path}: {str(error)[:200]}"]
        found = [*_refused(answer), *shape["strange"], *self.ran, *self._window.abroad]
        if self.usual and shape["look"] != self.usual and "/m/" in path and path.startswith("/mail/f/"):
            found.append(f"looks like {shape['look']}, not {self.usual}")
        if self._page.url.partition("#")[0] != address:
            found.append(f"led away to {self._page.url}")
        if len(self._window.context.pages) > 1:
            found.append(f"opened {self._window.context.pages[-1].url}")
        for frame in self._page.frames[1:]:
            found += self.active(frame)
            self.words.append(str(frame.evaluate("document.body.innerText")))
        return self._told(path, found)

    def print_view(self, path: str) -> list[str]:
        """Open a mail that is a page of its own."""
        answer = self._page.goto(f"{self._office.address}{path}", wait_until="load")
        found = [*_refused(answer), *self.active(self._page.main_frame), *self.ran, *self._window.abroad]
        return self._told(path, found)

    def shape(self) -> Mapping[str, Any]:
        """Of the page that is open."""
        found: Mapping[str, Any] = self._page.evaluate(SHAPE)
        return found

    def previews(self) -> list[str]:
        """Where the open message's files can be looked at."""
        links = self._page.locator(".attachments a.icon-button").all()
        return [str(link.get_attribute("href")) for link in links]

    def source(self, path: str) -> list[str]:
        """It is text, whatever is in it."""
        answer = self._window.context.request.get(f"{self._office.address}{path}")
        headers = (answer.status, answer.headers["content-type"], answer.headers["x-content-type-options"])
        return [] if headers == (200, "text/plain; charset=utf-8", "nosniff") else [f"{path}: {headers}"]

    def active(self, frame: Any) -> list[str]:
        """What that frame has which a mail never has."""
        told: list[str] = frame.evaluate(
            "wanted => [...document.querySelectorAll(wanted)].map(one => one.outerHTML.slice(0, 160))", ACTIVE
        )
        return told

    def _told(self, path: str, found: list[str]) -> list[str]:
        self.ran.clear()
        self._window.abroad.clear()
        return [f"{path}: {one}" for one in found]


def _refused(answer: Response | None) -> list[str]:
    return [] if answer is not None and answer.status == 200 else [f"answered {answer.status if answer else None}"]


def ids(mailbox: Mailbox) -> Mapping[str, str]:
    """Subjects by the ids of all messages."""
    found: dict[str, str] = {}
    cursor = ""
    while True:
        page = mailbox.office.api("GET", f"folders/{mailbox.folder()['id']}/messages?limit=200{cursor}")
        found |= {one["id"]: one["subject"] for one in page["items"]}
        if not page["next"]:
            return found
        cursor = f"&cursor={page['next']}"


def test_no_mail_does_anything_but_be_read(
    office: Office, ada: Window, dovecot: Dovecot, capsys: pytest.CaptureFixture[str]
) -> None:
    own, foreign = [*own_mails(f"http://127.0.0.1:{free_port()}")], foreign_mails()
    with capsys.disabled():
        print(f"\n{len(own)} mails of ours, {len(foreign)} nobody here wrote (POSTSTELLE_CORPORA)")  # noqa: T201
    user = dovecot.user("feindlich")
    dovecot.fill(user, [*foreign.values(), *own, a_letter("Ein gewöhnlicher Brief", html="<p>Guten Tag</p>")])
    mailbox = office.add_mailbox("Feindlich", user, dovecot)
    wanted = len(own) + len(foreign) + 1
    eventually(lambda: len(ids(mailbox)) == wanted, within=60 + len(foreign))
    watched, found = Watched(ada, office), ids(mailbox)
    folder = f"/mail/f/{mailbox.folder()['id']}/"
    usual, *others = found
    assert found[usual] == "Ein gewöhnlicher Brief"
    assert watched.go(f"{folder}m/{usual}/") == []
    watched.usual = watched.shape()["look"]
    wrong = watched.go(folder)
    for number in others:
        wrong += watched.go(f"{folder}m/{number}/")
        for preview in watched.previews():
            wrong += watched.go(preview)
        wrong += watched.source(f"/mail/m/{number}/source/")
        wrong += watched.print_view(f"/mail/m/{number}/print/")
        wrong += watched.go(f"/write/?reply={number}")
    for number in others[: len(own)]:  # the newest; what others wrote would have us ask for pictures all over the world
        wrong += watched.go(f"/mail/search/m/{number}/?q=onerror&remote=1")
        wrong += watched.go(f"/write/?forward={number}")
    eventually(lambda: office.api("GET", "search?q=onerror&limit=10")["items"])
    for query in ("onerror", "script", "svg", "%3Cimg%20src%3Dx%20onerror%3D%22alert(1)%22%3E"):
        wrong += watched.go(f"/mail/search/?q={query}")
    assert wrong == []
    # Nothing was kept from doing harm by not being shown at all.
    assert sum(READABLE in words for words in watched.words) > len(SWALLOWING)


def test_what_is_looked_for_would_be_found(office: Office, ada: Window) -> None:
    watched = Watched(ada, office)
    ada.page.set_content(
        """<img src="http://spy.example/a.gif" onerror="alert('x')"><style>b{color:red}</style><form action="http://spy.example/">"""
    )
    assert ada.abroad
    eventually(lambda: watched.ran)
    assert len(watched.shape()["strange"]) == 3
    assert len(watched.active(ada.page.main_frame)) == 1
