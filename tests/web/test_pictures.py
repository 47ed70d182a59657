"""Remote pictures come through us: asked for by a person, fetched once, drawn anew, and never more than a picture."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.etree import ElementTree

import pytest
from django.core.cache import caches
from django.test import Client

from poststelle.office import accounts, pictures, work
from tests.builders import a_folder, a_letter, a_message_in, an_account
from tests.mail.papers import a_picture
from tests.servers.ca import CertificateAuthority
from tests.web.visitor import Visitor, text_of

_HERE = {"egress_allow": ("127.0.0.0/8", "::1/128")}


class Host:
    """A web server of a sender's, over TLS; `asked` are the requests it got."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.server = server
        self.asked: list[dict[str, str]] = []
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.address = f"https://localhost:{server.server_port}"


@pytest.fixture
def sender_host(ca: CertificateAuthority, settings: Any) -> Iterator[Host]:
    certificate = ca.good()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    with serving(context) as host:
        settings.POSTSTELLE = settings.POSTSTELLE.model_copy(update={"ca_file": ca.ca_file} | _HERE)
        yield host


@pytest.fixture
def plain_host(settings: Any) -> Iterator[Host]:
    """One that knows nothing of encryption."""
    with serving(None) as host:
        host.address = host.address.replace("https:", "http:")
        settings.POSTSTELLE = settings.POSTSTELLE.model_copy(update=_HERE)
        yield host


@contextmanager
def serving(context: ssl.SSLContext | None) -> Iterator[Host]:

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.asked.append({"path": self.path} | {name.lower(): value for name, value in self.headers.items()})
            status, kind, data = host.answers.get(self.path, (404, "text/plain", b""))
            self.send_response(status)
            self.send_header("Location" if status == 302 else "Content-Type", kind)
            self.send_header("Set-Cookie", "tracked=1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    host = Host(server)
    caches["pictures"].clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield host
    server.shutdown()
    server.server_close()


def shown_pictures(visitor: Visitor, *urls: str) -> list[str]:
    """The addresses in the frame of a message with these pictures, once they were asked for."""
    return the_pictures(visitor, "".join(f'<img src="{url}">' for url in urls))


def the_pictures(visitor: Visitor, html: str) -> list[str]:
    """The same for a message of that form."""
    message = a_message_in(a_folder(an_account(visitor.actor)), a_letter(html=html))
    page = visitor.part(f"/mail/f/{message.folder_id}/m/{message.id}/?remote=1", "reader").content.decode()
    frame = re.search(r'<iframe class="body"[^>]* src="([^"]+)"', page)
    assert frame
    return re.findall(r'src="(/mail/picture/[^"]+)"', Client().get(frame[1]).content.decode())


def test_a_picture_is_fetched_once_without_anything_of_the_reader_and_drawn_anew(
    ada: Visitor, sender_host: Host
) -> None:
    hidden = a_picture() + b"<script>alert(1)</script>"
    sender_host.answers["/logo.png"] = (200, "image/png", hidden)
    (address,) = shown_pictures(ada, f"{sender_host.address}/logo.png")
    answers = [
        Client().get(address, headers={"referer": "https://amt.test/", "user-agent": "Reader/1"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0]["Content-Type"] == "image/png"
    assert b"script" not in answers[0].content
    assert answers[0]["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert len(sender_host.asked) == 1
    (asked,) = sender_host.asked
    assert asked["user-agent"] == "Poststelle"
    assert not asked.keys() & {"cookie", "referer", "authorization", "accept-language"}


@pytest.mark.parametrize(
    ("status", "kind", "data"),
    [
        (200, "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
        (200, "image/png", b"<html>no picture</html>"),
        (200, "image/png", a_picture("PNG", (6000, 5000))),
        (200, "image/jpeg", b"\xff\xd8" + b"x" * (6 << 20)),
        (404, "image/png", a_picture()),
    ],
)  # fmt: skip
def test_what_is_no_decent_picture_is_not_shown(
    ada: Visitor, sender_host: Host, status: int, kind: str, data: bytes
) -> None:
    sender_host.answers["/x"] = (status, kind, data)
    (address,) = shown_pictures(ada, f"{sender_host.address}/x")
    assert Client().get(address).status_code == 404


def test_a_picture_that_cannot_be_had_leaves_a_quiet_place_with_its_words(ada: Visitor, sender_host: Host) -> None:
    html = f'<img src="{sender_host.address}/x" alt="Logo &#1;&#xfffe; &lt;b&gt; &quot;Nord&quot;"><img src="{sender_host.address}/x">'
    named, nameless = (Client().get(address) for address in the_pictures(ada, html))
    assert [one.status_code for one in (named, nameless)] == [404, 404]
    assert named["Content-Type"] == "image/svg+xml"
    assert "sandbox" in named["Content-Security-Policy"]
    said = ElementTree.fromstring(named.content)
    assert [one.text for one in said.iter() if one.text and "{" not in one.text] == [
        'Logo  <b> "Nord"',
        "could not be loaded",
    ]
    assert "Logo" not in nameless.content.decode()
    assert "could not be loaded" in nameless.content.decode()


def test_a_redirect_into_the_house_is_not_followed(ada: Visitor, sender_host: Host, settings: Any) -> None:
    settings.POSTSTELLE = settings.POSTSTELLE.model_copy(update={"egress_allow": ("127.0.0.1/32",)})
    sender_host.answers["/x"] = (302, "https://127.0.0.2:443/secret", b"")
    (address,) = shown_pictures(ada, f"{sender_host.address.replace('localhost', '127.0.0.1')}/x")
    assert Client().get(address).status_code == 404


def test_what_no_server_can_be_asked_for_is_not_shown(ada: Visitor) -> None:
    assert shown_pictures(ada, "ftp://kunde.test/x.png", "file:///etc/passwd", "/mail/x.png") == []


def test_a_picture_of_a_server_without_encryption_comes_through_us_too(ada: Visitor, plain_host: Host) -> None:
    plain_host.answers["/logo.png"] = (200, "image/png", a_picture())
    (address,) = shown_pictures(ada, f"{plain_host.address}/logo.png")
    assert Client().get(address).status_code == 200
    assert len(plain_host.asked) == 1


def test_a_picture_written_without_encryption_is_tried_with_it_first() -> None:
    assert [url for url, _ in pictures._ways("http://kunde.test/x.png")] == [
        "https://kunde.test/x.png", "http://kunde.test/x.png",
    ]  # fmt: skip
    assert [url for url, _ in pictures._ways("HTTP://kunde.test:80")] == ["https://kunde.test", "http://kunde.test:80"]
    assert [url for url, _ in pictures._ways("http://kunde.test:8080/x")] == ["http://kunde.test:8080/x"]
    assert [url for url, _ in pictures._ways("https://kunde.test/x")] == ["https://kunde.test/x"]


def test_a_server_inside_the_house_is_not_asked_without_encryption_either(
    ada: Visitor, plain_host: Host, settings: Any
) -> None:
    settings.POSTSTELLE = settings.POSTSTELLE.model_copy(update={"egress_allow": ()})
    plain_host.answers["/x"] = (200, "image/png", a_picture())
    (address,) = shown_pictures(ada, f"{plain_host.address.replace('localhost', '127.0.0.1')}/x")
    assert Client().get(address).status_code == 404
    assert plain_host.asked == []


def test_pictures_behind_the_words_are_said_to_be_left_out(ada: Visitor) -> None:
    html = '<table background="https://kunde.test/1.png"><tr><td style="background: url(https://kunde.test/2.png)">Gruß'
    message = a_message_in(a_folder(an_account(ada.actor)), a_letter(html=html))
    address = f"/mail/f/{message.folder_id}/m/{message.id}/"
    assert "2 remote pictures are not shown" in text_of(ada.part(address, "reader").content.decode())
    page = text_of(ada.part(f"{address}?remote=1", "reader").content.decode())
    assert "2 pictures in the background of this message are not shown." in page


def test_an_address_is_worth_nothing_once_forged_or_without_the_right(
    ada: Visitor, bob: Visitor, sender_host: Host
) -> None:
    sender_host.answers["/logo.png"] = (200, "image/png", a_picture())
    grants = [{"user": ada.user.email, "rights": ["see", "administer"]}, {"user": bob.user.email, "rights": ["see"]}]
    account = an_account(ada.actor, grants=grants)
    message = a_message_in(a_folder(account), a_letter(html=f'<img src="{sender_host.address}/logo.png">'))
    page = bob.part(f"/mail/f/{message.folder_id}/m/{message.id}/?remote=1", "reader").content.decode()
    frame = re.search(r'<iframe class="body"[^>]* src="([^"]+)"', page)
    assert frame
    (address,) = re.findall(r'src="(/mail/picture/[^"]+)"', Client().get(frame[1]).content.decode())
    assert Client().get(address).status_code == 200
    assert Client().get(address[:-2] + "AA").status_code == 404
    accounts.change(ada.actor, account.id, {"grants": grants[:1]})
    assert Client().get(address).status_code == 404


def test_whoever_trusts_a_sender_sees_the_pictures_at_once_but_never_a_forgers(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    html = '<img src="https://kunde.test/x.png">'
    first, second = (a_message_in(folder, a_letter(html=html)) for _ in range(2))
    forged = a_message_in(
        folder,
        a_letter(html=html, headers={"Authentication-Results": "mx.mail.amt.test; dmarc=fail header.from=kunde.test"}),
    )
    ada.post(f"/mail/m/{first.id}/trust/", back="/mail/")
    assert work.trusted_senders(ada.actor) == ["eva@kunde.test"]
    pages = [ada.part(f"/mail/f/{folder.id}/m/{one.id}/", "reader").content.decode() for one in (second, forged)]
    assert ["remote-bar" in page for page in pages] == [False, True]
    ada.post("/me/distrust/", address="eva@kunde.test")
    assert work.trusted_senders(ada.actor) == []
