"""What changes elsewhere appears by itself: one stream of server-sent events per browser.

Law: the journal says what happened, the office says what of it the person may know, at the moment of telling; the stream only
says where to look again (folders, accounts, outbox), never what is there. One thread per process looks whether the journal has
grown; it works only while somebody listens. A stream ends with the log-in, with the person's access, and at shutdown.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from importlib import import_module

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.db import Error, connection
from django.http import HttpRequest, StreamingHttpResponse

from poststelle.errors import NotFound, TooOften
from poststelle.office import feed, people
from poststelle.web.entrance import Visit

log = logging.getLogger(__name__)

LOOK_SECONDS, LOOK_AROUND_SECONDS = 0.02, 1.0
"""Between two looks at the journal at least; and how long somebody may have stopped listening before it is noticed."""

MOST_STREAMS = 20
"""Open streams of one person: one for each browser, so that this many are a mistake or worse."""
HEARTBEAT_SECONDS = 15.0
_WINDOW, _MOST_WINDOWS = 200, 10
_NOTABLE = frozenset({"messages-arrived", "assigned", "follow-up-due", "note-added"})
_OUTGOING = frozenset({"outgoing-submitted", "outgoing-changed", "outgoing-released", "outgoing-discarded"})
_EVERYWHERE = frozenset({"tree-arranged", "shared-tree-arranged", "tag-changed", "tag-removed"})


class Watch:
    """The one thread that looks, and everybody it wakes."""

    def __init__(self) -> None:
        # Reentrant, because `close` may interrupt this very thread as a signal handler.
        self._lock = threading.RLock()
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._thread: threading.Thread | None = None
        self.closed = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set whenever the journal has grown, and at shutdown."""
        woken = asyncio.Event()
        with self._lock:
            self._listeners[woken] = asyncio.get_running_loop()
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="journal-watch", daemon=True)
                self._thread.start()
        try:
            yield woken
        finally:
            with self._lock:
                self._listeners.pop(woken, None)

    def close(self) -> None:
        """End every stream now: the server is stopping. Safe from any thread and in a signal handler."""
        self.closed = True
        self._wake()

    def _look(self) -> None:
        commits, seen, due = feed.commits(LOOK_SECONDS), None, True
        while self._is_listened_to():
            due = commits.wait(LOOK_SECONDS if due else LOOK_AROUND_SECONDS) or due
            try:
                newest = feed.latest() if due else seen
            except Error:
                log.warning("the journal cannot be read just now", exc_info=True)
                connection.close()
            else:
                due = False
                if newest != seen:
                    seen = newest
                    self._wake()
        commits.close()
        connection.close()

    def _is_listened_to(self) -> bool:
        """Else the thread has ended, and the next listener starts another."""
        with self._lock:
            if not self._listeners:
                self._thread = None
            return bool(self._listeners)

    def _wake(self) -> None:
        with self._lock:
            for woken, loop in list(self._listeners.items()):
                with contextlib.suppress(RuntimeError):  # the loop has ended, its streams with it
                    loop.call_soon_threadsafe(woken.set)


watch = Watch()

_streams: Counter[str] = Counter()


@contextlib.contextmanager
def _counted(user: str) -> Iterator[None]:
    _streams[user] += 1
    try:
        yield
    finally:
        _streams[user] -= 1
        if not _streams[user]:
            del _streams[user]


@dataclass(slots=True)
class News:
    """Where to look again. `after` is the journal's position once this has been told; `notable`: a desktop may want to know."""

    after: int
    folders: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    outgoing: bool = False
    notable: bool = False
    everything: bool = False

    def __bool__(self) -> bool:
        return bool(self.folders or self.accounts or self.outgoing or self.everything)

    def event(self) -> str:
        """As a server-sent event, its id being the position to go on from."""
        told = {
            "id": self.after, "folders": sorted(self.folders), "accounts": sorted(self.accounts),
            "outgoing": self.outgoing, "notable": self.notable, "everything": self.everything,
        }  # fmt: skip
        return f"id: {self.after}\ndata: {json.dumps(told)}\n\n"


async def live(request: Visit) -> StreamingHttpResponse:
    """The stream. ``Last-Event-ID`` or ``after``: go on behind that journal entry; else from now."""
    asked = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    newest = await sync_to_async(feed.latest, thread_sensitive=False)()
    after = min(int(asked), newest) if asked.isascii() and asked.isdecimal() and len(asked) < 19 else newest
    assert request.actor.user is not None  # a session is always a person's
    if _streams[request.actor.user.id] >= MOST_STREAMS:
        raise TooOften("too-many-streams", after=HEARTBEAT_SECONDS)
    stream = _stream(request.actor.user.id, request.session.session_key or "", after)
    return StreamingHttpResponse(
        stream, content_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )


async def _stream(user: str, session: str, after: int) -> AsyncIterator[str]:
    with watch.listening() as woken, _counted(user):
        yield "retry: 2000\n\n"
        while not watch.closed:
            woken.clear()
            news = await sync_to_async(_news, thread_sensitive=False)(user, session, after)
            if news is None:
                yield "event: ended\ndata: {}\n\n"
                return
            after = news.after
            yield news.event() if news else ": \n\n"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), HEARTBEAT_SECONDS)


def _news(user: str, session: str, after: int) -> News | None:
    """What the person may know of since then; None once they are no longer logged in."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session)
    # As for every page: a session also ends with the password it was begun with.
    if str(get_user(request).pk) != user:
        return None
    try:
        actor = people.actor_of_session(user)
    except NotFound:
        return None
    # Taken before the entries are read: one that comes in between is told now and, harmlessly, once more.
    news = News(max(after, feed.latest()))
    position = after
    for _ in range(_MOST_WINDOWS):
        page = feed.changes(actor, position, _WINDOW)
        for entry in page.items:
            news.after = max(news.after, entry.id)
            news.outgoing = news.outgoing or entry.kind in _OUTGOING
            news.notable = news.notable or entry.kind in _NOTABLE
            news.everything = news.everything or entry.kind in _EVERYWHERE
            news.folders |= {entry.folder_id} if entry.folder_id else set()
            news.accounts |= {entry.account_id} if entry.account_id else set()
        if page.next is None:
            return news
        position = int(page.next)
    news.everything = True
    return news
