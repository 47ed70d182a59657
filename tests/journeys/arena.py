"""A place to let hostile HTML loose in: an outer page like ours around it, shielded by one layer or another, and listeners that hear
every request it manages to send: to the canary here, or, through a proxy, to anywhere else.

The layers are the product's own: `mail.html.sanitise`, the frame's sandbox and policy, the policy of the pages. Many vectors share a
page, each with a canary of its own; where a page as a whole shows something, its vectors are let loose again one by one.

The browser is driven from a thread with a limit on every step. Input that lands in a frame whose navigation was just forbidden is
never acknowledged by Chromium (the frame is being replaced by an error page), and who waits for that waits for ever.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from playwright.async_api import Browser, BrowserContext, CDPSession, Error, Page, Request, async_playwright
from playwright.async_api import TimeoutError as TooLong

from poststelle.mail.folding import Labels, prepared
from poststelle.mail.html import Sanitised, document, sanitise
from poststelle.web.frame import policy
from poststelle.web.security import POLICY

SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
ACROSS, GROUP = 6, 30
STEP, LONGEST = 5.0, 90.0
WIDTH, HEIGHT, TOP = 200, 120, 80
_BROWSERS_OWN = re.compile(r"(?:http://)?[\w.-]*\.(?:googleapis|google|gvt1)\.com(?::443|/.*)", re.S)
"""Whom Chromium asks by itself; no vector here does."""
_IS_OURS = (
    "(() => { const ours = document.elementFromPoint(150, 30), at = ours?.getBoundingClientRect();"
    " return ours?.id === 'ours' && ours.textContent === 'Ours' && at.width === 300 && at.height === 60 && document.title === 'Ours' })()"
)
_LABELS = Labels("Quoted text", "leads to:")
_LOOK = (
    "<style>body{margin:0}#ours{display:block;width:300px;height:60px}"
    f"main{{position:absolute;top:{TOP}px;width:{ACROSS * WIDTH}px;display:flex;flex-wrap:wrap}}"
    f"iframe,main>div{{box-sizing:border-box;border:0;width:{WIDTH}px;height:{HEIGHT}px;flex:none}}</style>"
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shield:
    """What stands between a vector and the page: `make` gives what is put in place of it, into a frame or (`bare`) into the page."""

    make: Callable[[str], str]
    bare: bool = False
    held: bool = True


def _clean(html: str) -> Sanitised:
    return sanitise(prepared(html, _LABELS), images=None, remote=False)


unshielded = Shield(str, held=False)
"""Each in a frame that is none of ours, without any policy: what is alive at all."""
only_sanitised = Shield(lambda html: _clean(html).html, bare=True)
"""The frame replaced by a ``div`` of a page without any policy."""
only_framed = Shield(lambda html: document(Sanitised(html, 0)))
"""The sanitiser switched off."""
as_shown = Shield(lambda html: document(_clean(html)))
"""Every layer, as the product shows it."""


@dataclass(slots=True)
class Seen:
    """What a vector has done. `by_hand`: requests only after a person had clicked or tabbed, other than a new window for a link."""

    requests: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    windows: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    abroad: list[str] = field(default_factory=list)
    left: str = ""
    covered: bool = False

    def __bool__(self) -> bool:
        return bool(self.requests or self.by_hand or self.scripts or self.abroad or self.left or self.covered)


class Arena:
    """Shows vectors in one browser. `{canary}` in a vector stands for the listener."""

    def __init__(
        self,
        launch: Callable[[], Coroutine[Any, Any, Browser]],
        loop: asyncio.AbstractEventLoop,
        servers: Sequence[ThreadingHTTPServer],
    ) -> None:
        self._launch, self._loop = launch, loop
        self._browser: Browser | None = None
        self._outer, self._canary, self._proxy = servers
        self.address = f"http://127.0.0.1:{self._outer.server_port}"
        self.canary = f"http://127.0.0.1:{self._canary.server_port}"
        self.given_up: list[str] = []
        """Steps no answer came to."""

    def let_loose(self, chosen: Mapping[str, str], shield: Shield, *, hands: bool = True) -> dict[str, Seen]:
        """What each of them did: shown, then (`hands`) clicked and tabbed through."""
        return asyncio.run_coroutine_threadsafe(self._all(chosen, shield, hands), self._loop).result()

    async def _all(self, chosen: Mapping[str, str], shield: Shield, hands: bool) -> dict[str, Seen]:
        found: dict[str, Seen] = {}
        names = iter(chosen)
        while group := [*itertools.islice(names, GROUP)]:
            seen, together = await self._shown({name: chosen[name] for name in group}, shield, hands)
            if together and shield.held:
                for name in group:
                    alone, whole = await self._shown({name: chosen[name]}, shield, hands)
                    seen[name] = _both(alone[name], whole)
            found |= seen
        return found

    async def _shown(self, chosen: Mapping[str, str], shield: Shield, hands: bool) -> tuple[dict[str, Seen], Seen]:
        """What each did as far as one can tell, and what they did together."""
        seen, together = {name: Seen() for name in chosen}, Seen()
        self._canary.heard, self._proxy.heard = [], []  # type: ignore[attr-defined]
        self._put(chosen, shield)
        context = await self._context()
        try:
            async with asyncio.timeout(LONGEST):
                page = await self._opened(context, together)
                together.abroad = [*self._proxy.heard]  # type: ignore[attr-defined]
                automatic = len(self._canary.heard)  # type: ignore[attr-defined]
                if hands and page.url == f"{self.address}/":
                    await self._by_hand(context, page, len(chosen))
                    together.covered = not await _step(page.evaluate(_IS_OURS))
                if page.url.partition("#")[0] != f"{self.address}/":
                    together.left = page.url
        except (Error, TimeoutError) as error:
            automatic = len(self._canary.heard)  # type: ignore[attr-defined]
            together.left = together.left or f"disturbed: {str(error)[:80]}"
        try:
            await _step(context.close())
        except (Error, TimeoutError):
            await self.end()
        self._tell(seen, automatic)
        asked = self._proxy.heard[len(together.abroad) :]  # type: ignore[attr-defined]
        together.abroad += [one for one in asked if _host(one) not in together.windows]
        return seen, together

    async def _context(self) -> BrowserContext:
        """Nothing left of the vectors before; in another browser where this one does not answer any more."""
        for _ in range(3):
            try:
                if self._browser is None:
                    self._browser = await asyncio.wait_for(self._launch(), LONGEST)
                return await asyncio.wait_for(
                    self._browser.new_context(locale="en-GB", accept_downloads=False), 5 * STEP
                )
            except (Error, TimeoutError):
                await self.end()
        raise AssertionError("no browser answers")

    async def end(self) -> None:
        """Let the browser go."""
        browser, self._browser = self._browser, None
        if browser is not None:
            with suppress(Error, TimeoutError):
                await asyncio.wait_for(browser.close(), 5 * STEP)

    def _put(self, chosen: Mapping[str, str], shield: Shield) -> None:
        made = [shield.make(self._named(html, name)) for name, html in chosen.items()]
        sandbox = f'sandbox="{SANDBOX}" referrerpolicy="no-referrer" ' if shield.held else ""
        inner = [
            f"<div>{html}</div>" if shield.bare else f'<iframe {sandbox}src="/frame/{number}"></iframe>'
            for number, html in enumerate(made)
        ]
        outer = f'<button id="ours">Ours</button><main>{"".join(inner)}</main>'
        page_policy = POLICY.format(nonce="none") if shield.held and not shield.bare else ""
        frame_policy = policy(remote=False) if shield.held else ""
        pages = {f"/frame/{number}": (html, frame_policy) for number, html in enumerate(made)}
        self._outer.pages = {"/": (outer, page_policy)} | pages  # type: ignore[attr-defined]

    def _named(self, html: str, name: str) -> str:
        named = f"{self.canary}/{name}"
        return html.replace("{canary}", named).replace("{canary_host}", named.removeprefix("http://"))

    async def _opened(self, context: BrowserContext, together: Seen) -> Page:
        # Whoever can run script can tell; nobody else reaches this.
        await context.expose_binding("__ran", lambda _, what="": together.scripts.append(str(what)))
        await context.add_init_script(
            "for (const name of ['alert','confirm','prompt','print']) window[name] = () => window.__ran(name)"
        )
        page = await context.new_page()

        def noted(request: Request) -> None:
            """A window somebody has opened by a link goes where the link says; nothing else may."""
            if not request.is_navigation_request():
                return
            with suppress(Error):  # a window that is not there yet is no frame of ours
                if request.frame.page is page or request.frame.parent_frame is not None:
                    return
            together.windows.append(_host(request.url))

        context.on("request", noted)
        page.on("filechooser", lambda _: None)
        with suppress(TooLong):
            # A resource that never comes may keep a page from being complete; what it did counts all the same.
            await page.goto(f"{self.address}/", wait_until="load", timeout=1000 * 3 * STEP)
        await asyncio.sleep(0.1)
        return page

    async def _by_hand(self, context: BrowserContext, page: Page, count: int) -> None:
        hand = await _step(context.new_cdp_session(page))
        for number in range(count):
            await self._click(hand, number % ACROSS * WIDTH + 25, TOP + number // ACROSS * HEIGHT + 26)
        for _ in range(count + 1):
            await self._key(hand, "Tab", 9)
        await self._key(hand, "Enter", 13)
        await asyncio.sleep(0.1)

    async def _click(self, hand: CDPSession, x: int, y: int) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            press = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            await self._sent(hand, "Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **press})

    async def _key(self, hand: CDPSession, name: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            what = {"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code}
            await self._sent(hand, "Input.dispatchKeyEvent", what)

    async def _sent(self, hand: CDPSession, method: str, what: dict[str, Any]) -> None:
        try:
            await asyncio.wait_for(hand.send(method, what), 0.5)
        except TimeoutError:
            self.given_up.append(f"{what['type']} {what.get('x', '')}")

    def _tell(self, seen: Mapping[str, Seen], automatic: int) -> None:
        for at, (path, destination) in enumerate(self._canary.heard):  # type: ignore[attr-defined]
            _, name, *rest = path.split("/", 2)
            one = seen.get(name)
            if one is None:
                continue
            told = f"/{'/'.join(rest)}"
            if at < automatic:
                one.requests.append(told)
            else:
                (one.windows if destination == "document" else one.by_hand).append(told)


def _host(address: str) -> str:
    """Of a URL, or of what a proxy is asked for."""
    return address.removeprefix("http://").removeprefix("https://").partition("/")[0].partition(":")[0]


def _both(alone: Seen, whole: Seen) -> Seen:
    """What was seen of one, with what the page as a whole showed while it was there alone."""
    alone.scripts, alone.abroad, alone.left, alone.covered = whole.scripts, whole.abroad, whole.left, whole.covered
    return alone


async def _step(one: Coroutine[Any, Any, T]) -> T:
    return await asyncio.wait_for(one, STEP)


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
        self.server.heard.append((self.path, self.headers.get("Sec-Fetch-Dest", "")))  # type: ignore[attr-defined]
        self.send_response(204)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    do_POST = do_OPTIONS = do_HEAD = do_GET  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        pass


class _Proxy(BaseHTTPRequestHandler):
    """Where everything goes that is not for this machine, and no further."""

    def do_GET(self) -> None:
        if not _BROWSERS_OWN.fullmatch(self.path):
            self.server.heard.append(self.path)  # type: ignore[attr-defined]
        self.close_connection = True

    do_POST = do_OPTIONS = do_HEAD = do_CONNECT = do_GET  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def opened(executable: str, switches: Sequence[str]) -> Iterator[Arena]:
    """An arena with a browser of its own until the block ends."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), kind) for kind in (_Outer, _Canary, _Proxy)]
    for server in servers:
        server.pages, server.heard = {}, []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    loop = asyncio.new_event_loop()
    driver = threading.Thread(target=loop.run_forever, daemon=True)
    driver.start()

    # As a switch of the browser, because Playwright's own proxy would take what stays on this machine too.
    proxy = f"--proxy-server=http://127.0.0.1:{servers[2].server_port}"
    playwright = asyncio.run_coroutine_threadsafe(async_playwright().start(), loop).result()
    arena = Arena(
        lambda: playwright.chromium.launch(executable_path=executable, args=[*switches, proxy]), loop, servers
    )

    async def ended() -> None:
        await arena.end()
        await playwright.stop()

    try:
        yield arena
    finally:
        asyncio.run_coroutine_threadsafe(ended(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        driver.join()
        loop.close()
        for server in servers:
            server.shutdown()
            server.server_close()
