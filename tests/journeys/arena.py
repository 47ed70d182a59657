"""A place to let hostile HTML loose in: an outer page like ours around it, shielded by one layer or another, and a listener that hears
every request the HTML manages to send.

The layers are the product's own: `mail.html.sanitise`, the frame's sandbox and policy, the policy of the pages.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import BrowserContext, Error, Page

from poststelle.mail.folding import Labels, prepared
from poststelle.mail.html import Sanitised, document, sanitise
from poststelle.web.frame import policy
from poststelle.web.security import POLICY

Shield = Callable[[str], tuple[str, str, str]]
"""The vector's HTML to: the outer page's body, its policy, and what the frame at /frame holds."""

SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
_FRAME = (
    f'<button id="ours">Ours</button><iframe sandbox="{SANDBOX}" referrerpolicy="no-referrer" src="/frame"></iframe>'
)
_LABELS = Labels("Quoted text", "leads to:")
_LOOK = "<style>body{margin:0}#ours{display:block;width:300px;height:60px}iframe{width:600px;height:400px}</style>"


def unshielded(html: str) -> tuple[str, str, str]:
    """Nothing between the HTML and the page: what is alive at all."""
    return f'<button id="ours">Ours</button><div>{html}</div>', "", ""


def only_sanitised(html: str) -> tuple[str, str, str]:
    """The frame replaced by a ``div`` of a page without any policy."""
    clean = sanitise(prepared(html, _LABELS), images=None, remote=False).html
    return f'<button id="ours">Ours</button><div>{clean}</div>', "", ""


def only_framed(html: str) -> tuple[str, str, str]:
    """The sanitiser switched off."""
    return _FRAME, POLICY.format(nonce="none"), document(Sanitised(html, 0))


def as_shown(html: str) -> tuple[str, str, str]:
    """Every layer, as the product shows it."""
    return _FRAME, POLICY.format(nonce="none"), document(sanitise(prepared(html, _LABELS), images=None, remote=False))


@dataclass(slots=True)
class Seen:
    """What one vector has done. `by_hand`: requests only after a person had clicked or tabbed."""

    requests: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    left: str = ""
    covered: bool = False

    def __bool__(self) -> bool:
        return bool(self.requests or self.scripts or self.left or self.covered)


class Arena:
    """Shows vectors in one browser. `{canary}` in a vector stands for the listener."""

    def __init__(self, context: BrowserContext, outer: ThreadingHTTPServer, canary: ThreadingHTTPServer) -> None:
        self._outer, self._canary = outer, canary
        self.address = f"http://127.0.0.1:{outer.server_port}"
        self.canary = f"http://127.0.0.1:{canary.server_port}"
        self._seen = Seen()
        self._context = context
        # Whoever can run script can tell; nobody else reaches this.
        context.expose_binding("__ran", lambda _, what="": self._seen.scripts.append(str(what)))
        context.add_init_script(
            "for (const name of ['alert','confirm','prompt','print']) window[name] = () => window.__ran(name)"
        )
        context.set_default_timeout(3000)
        self.page = self._fresh()

    def _fresh(self) -> Page:
        page = self._context.new_page()
        page.on("dialog", lambda dialog: dialog.dismiss())
        return page

    def let_loose(self, html: str, shield: Shield, *, hands: bool = True) -> Seen:
        """Show it, wait, then (`hands`) tab through it and click on what can be clicked."""
        self._seen = Seen()
        body, header, framed = shield(html.replace("{canary}", self.canary))
        self._outer.pages = {"/": (body, header), "/frame": (framed, policy(remote=False))}  # type: ignore[attr-defined]
        self._canary.heard = []  # type: ignore[attr-defined]
        if self.page.is_closed():
            self.page = self._fresh()
        try:
            self.page.goto(f"{self.address}/", wait_until="load")
            self.page.wait_for_timeout(40)
            self._seen.requests = [*self._canary.heard]  # type: ignore[attr-defined]
            if hands and self.page.url == f"{self.address}/":
                self._seen.covered = not self.page.evaluate(
                    "(e => !!e && e.id === 'ours')(document.elementFromPoint(150, 30))"
                )
                self._by_hand()
        except Error as error:
            self._seen.left = self._seen.left or f"disturbed: {str(error)[:80]}"
            self.page.close()
            return self._seen
        if self.page.url.partition("#")[0] != f"{self.address}/":
            self._seen.left = self.page.url
        for other in self._context.pages:
            if other is not self.page:
                other.close()
        return self._seen

    def _by_hand(self) -> None:
        before = len(self._canary.heard)  # type: ignore[attr-defined]
        # Spoken to the browser directly: Playwright's own clicks wait for navigations the shields have stopped.
        hand = self._context.new_cdp_session(self.page)
        for x, y in ((40, 90), (300, 200)):
            for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
                press = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
                hand.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **press})
        for _ in range(3):
            for kind in ("keyDown", "keyUp"):
                hand.send(
                    "Input.dispatchKeyEvent", {"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
                )
        hand.detach()
        self.page.wait_for_timeout(30)
        self._seen.by_hand = self._canary.heard[before:]  # type: ignore[attr-defined]


class _Outer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        pages: Mapping[str, tuple[str, str]] = self.server.pages  # type: ignore[attr-defined]
        body, header = pages.get(self.path.partition("?")[0], ("", ""))
        data = body.encode("utf-8", "replace")
        if self.path == "/":
            data = f'<!doctype html><meta charset="utf-8"><title>Ours</title>{_LOOK}'.encode() + data
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if header:
            # The outer page's own small style is ours.
            self.send_header("Content-Security-Policy", header.replace("style-src 'self'", "style-src 'unsafe-inline'"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class _Canary(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.heard.append(self.path)  # type: ignore[attr-defined]
        self.send_response(204)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    do_POST = do_OPTIONS = do_HEAD = do_GET  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def opened(context: BrowserContext) -> Iterator[Arena]:
    """An arena until the block ends."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), kind) for kind in (_Outer, _Canary)]
    servers[0].pages, servers[1].heard = {}, []  # type: ignore[attr-defined]
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield Arena(context, *servers)
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
