"""One account's life in the engine: wait, connect, catch up, watch, back off, along the table of `sync.watch`.

What it does next is decided by the account's own wishes (push, interval, only by hand) and by `policy.retry`. Whoever runs it
nudges it when something here waits for it, and ends it when nothing has been heard of it for too long (`deadline`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.utils import timezone

from poststelle.errors import NotFound, PoststelleError, Trouble, TryAgain
from poststelle.mail.settings import Endpoint, Receiving
from poststelle.office import events, incoming, live
from poststelle.policy import retry
from poststelle.policy.scheduling import NETWORK, Limits, Wakings
from poststelle.run.network import BulkPlaces, PacedDoors
from poststelle.run.workshop import Workshop
from poststelle.store import disk
from poststelle.store.ways import Access
from poststelle.sync.folder import LONGEST_SILENCE
from poststelle.sync.watch import Event, State, move

log = logging.getLogger(__name__)
T = TypeVar("T")

SET_BACK_SECONDS = 5.0
LISTEN_SECONDS = 20 * 60.0
SAFETY_ROUND_SECONDS = 30 * 60.0
"""Between rounds where the server reports every folder by itself."""

LINGER_SECONDS = 2 * 60.0
"""A session for looks stays for the next one."""

HOLD_SECONDS = 5 * 60.0
"""An account without push that is due again sooner keeps its session meanwhile."""


@dataclass(frozen=True, slots=True)
class Town:
    """What all watchers of an engine share. `poll_seconds`: the shortest time between two rounds that nobody asked for."""

    shop: Workshop
    doors: PacedDoors
    limits: Limits
    places: BulkPlaces
    poll_seconds: float
    suspend_after: int
    becalmed: dict[str, Watcher] = field(default_factory=dict)
    """Who waits because of the network."""
    confirmed: dict[str, datetime] = field(default_factory=dict)
    """When accounts were last found in step, not written down yet."""


class Watcher:
    """Keeps one account in step until it is suspended, changed or removed."""

    __slots__ = ("_asked", "_due", "_errands", "_nudged", "_receiving", "_rested", "_shows", "_waiting", "_wakings", "account", "deadline", "endpoint", "forgotten",
                 "state", "stuck", "task", "town", "version")  # fmt: skip

    def __init__(self, town: Town, account: str, version: int, before: asyncio.Task[None] | None = None) -> None:
        self.town, self.account, self.version = town, account, version
        self.state = State.WAITING
        self.endpoint: Endpoint | None = None
        self.stuck = self.forgotten = False
        self._asked = self._errands = self._due = self._shows = False
        self._nudged = self._rested = False
        self._waiting: asyncio.Task[Any] | None = None
        self._receiving = Receiving()
        self._wakings = Wakings()
        self.deadline = 0.0
        self.alive(LONGEST_SILENCE)
        self.task = asyncio.create_task(self._run(before))

    # -- what others do to it ----------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Somebody wants a round now."""
        self._asked = True
        self._nudge()

    def tell(self) -> None:
        """Something changed here that the server is to be told."""
        if not self._errands:
            self._errands = True
            self._nudge()

    def show(self) -> None:
        """Somebody wants to see a folder that is not fetched."""
        if not self._shows:
            self._shows = True
            self._nudge()

    def clear_up(self) -> None:
        """The network is back."""
        self._due = True
        self._nudge()

    def _nudge(self) -> None:
        self._nudged = True
        # Once only: it may need a moment to end in good order.
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()

    def alive(self, seconds: float) -> None:
        """It is at work; nothing need be heard of it for so long."""
        self.deadline = asyncio.get_running_loop().time() + seconds

    # -- its life ----------------------------------------------------------------------------------------------------

    async def _run(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before], timeout=3.0)
        try:
            while not self.forgotten and await self._goes_on():
                pass
        finally:
            self._forget_server()
            self._move(Event.STOP)

    async def _goes_on(self) -> bool:
        """Once through its life, until it is due again; False when somebody must act first."""
        try:
            seconds = await self._until_trouble()
            if seconds is None:
                return False
            if self.state is not State.WAITING:
                await self._back_off(seconds)
                self._move(Event.DUE)
        except Exception as error:  # not even the trouble could be noted: the database is locked or the disk is full
            disk.set_back(log, f"account {self.account}", error)
            self._move(Event.TROUBLE)
            self.alive(SET_BACK_SECONDS + LONGEST_SILENCE)
            await asyncio.sleep(SET_BACK_SECONDS)
            self._move(Event.DUE)
        return True

    async def _until_trouble(self) -> float | None:
        """Seconds to leave the account alone; None until a person has acted. One account's bug does not stop the others."""
        try:
            await self._stay()
        except NotFound:
            return None
        except asyncio.CancelledError:
            if not self.stuck or self.forgotten:
                raise
            self.stuck = False
            _uncancel()
            return await self._failed(TryAgain("no-progress"))
        except Trouble as error:
            log.info("account %s: %s", self.account, error)
            return await self._failed(error)
        except PoststelleError as error:
            log.warning("account %s: %s", self.account, error)
            trouble = TryAgain(error.code)
            trouble.facts.update(error.facts)
            return await self._failed(trouble)
        except Exception as error:
            if code := disk.trouble_of(error):
                log.warning("account %s: %s: %s", self.account, code, error)
                return await self._failed(TryAgain(code), ours=True)
            log.exception("account %s: unexpected", self.account)
            return await self._failed(TryAgain("internal-error", kind=type(error).__name__))
        return 0.0

    async def _failed(self, trouble: Trouble, *, ours: bool = False) -> float | None:
        """Note it. `ours`: no server can help it, so that it counts against none."""
        self.alive(LONGEST_SILENCE)
        if self._shows:
            self._shows = False
            await self.town.shop.write(live.failed, self.account, trouble)
        doors = self.town.doors
        if self.endpoint is not None:
            doors.noticed(self.endpoint.host, trouble)
        verdict = await incoming.failed(
            self.account, trouble, self.town.shop.tools, version=self.version,
            everywhere=ours or doors.weather.is_everywhere(), limit=self.town.suspend_after,
        )  # fmt: skip
        if isinstance(verdict, retry.Suspend):
            self._move(Event.REFUSED)
            seconds = verdict.again_after
        else:
            self._move(Event.TROUBLE)
            seconds = verdict.seconds
        if trouble.code in NETWORK and seconds is not None:
            self.town.becalmed[self.account] = self
        return seconds

    async def _back_off(self, seconds: float) -> None:
        """Only a person's wish, or the network's return, shortens the wait; an errand waits with the rest."""
        self._asked = self._due = False
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0 and not (
            self._asked or self._due or self._shows
        ):
            self.alive(left + LONGEST_SILENCE)
            await self._sleep(left)
        self.town.becalmed.pop(self.account, None)

    async def _unless_nudged(self, waiting: Coroutine[Any, Any, T], otherwise: T) -> T:
        """What it comes to; `otherwise` as soon as something here wants something, or has since this was last called."""
        if self._nudged:
            waiting.close()
            self._nudged = False
            return otherwise
        self._waiting = task = asyncio.create_task(waiting)
        try:
            await _ended(task)
        finally:
            self._waiting = None
            task.cancel()
            # Only then is the session free for something else.
            await asyncio.gather(task, return_exceptions=True)
        self._nudged = False
        return otherwise if task.cancelled() else task.result()

    async def _sleep(self, seconds: float) -> None:
        await self._unless_nudged(asyncio.sleep(seconds), None)

    def _move(self, event: Event) -> None:
        self.state = move(self.state, event)

    # -- while all is well -------------------------------------------------------------------------------------------

    async def _stay(self) -> None:
        """Rounds and watching, until there is trouble."""
        shop = self.town.shop
        access = await incoming.access_of(self.account, shop.tools)
        self._know_server(access)
        if not self._rested:
            self._rested = True
            if (rest := await shop.write(incoming.rest_of, self.account)) > 0:
                # Suspended before this engine began: not to be looked at before its hour is over.
                await self._back_off(min(rest, retry.LONGEST_WAIT))
        while True:
            await self._until_wanted()
            self._move(Event.DUE)
            pause = await self._session(access)
            self._move(Event.DONE)
            await shop.write(incoming.stands, self.account, State.WAITING)
            await self._rest(pause)

    async def _until_wanted(self) -> None:
        """An account that is not fetched by itself waits for somebody's wish, or for something to tell its server."""
        wishes = self._receiving
        while not (
            (wishes.included and wishes.automatic) or (self._asked and wishes.included) or self._errands or self._shows
        ):
            self._asked = False
            self.alive(float("inf"))
            await self._sleep(float("inf"))

    async def _rest(self, seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0 and not (
            self._asked or self._errands or self._shows
        ):
            self.alive(left + LONGEST_SILENCE)
            await self._sleep(left)

    async def _session(self, access: Access) -> float:
        """One connection, until it is not wanted any more; seconds until the next."""
        town, wishes = self.town, self._receiving
        self.alive(LONGEST_SILENCE + 600.0)  # its turn to connect may come late
        opened = await incoming.open_account(
            self.account, town.doors, town.shop.tools, access=access, limits=town.limits, turn=town.places.place,
            woken=self._nudge, alive=self.alive,
        )  # fmt: skip
        try:
            self._move(Event.CONNECTED if wishes.background else Event.LIVE_ONLY)
            looked = await self._look(opened)
            if not (wishes.included and (wishes.automatic or self._asked)):
                await self._tell(opened)
                await self._serve(opened, looked=looked)
                return 0.0
            await self._round(opened, routine=False)
            if not wishes.background:
                # Its folders are listed and what was changed here is told; mail is looked at on the server.
                await self._serve(opened, looked=looked)
                return max(self._interval(opened), SAFETY_ROUND_SECONDS)
            while self._keeps_session() or opened.is_catching_up:
                await self._watch(opened)
            return self._interval(opened)
        finally:
            await opened.close()

    async def _look(self, opened: incoming.OpenAccount) -> bool:
        """Show what somebody is waiting for; whether anybody was."""
        if not self._shows:
            return False
        self._shows = False
        try:
            await live.show(opened)
        except Trouble:
            self._shows = True  # they are told why it cannot be
            raise
        self.town.doors.weather.answered()
        return True

    async def _tell(self, opened: incoming.OpenAccount) -> None:
        self._errands = False
        await opened.tell()

    async def _serve(self, opened: incoming.OpenAccount, *, looked: bool) -> None:
        """Whoever looks at a folder looks at another one next: the session stays a while, until a round is wanted."""
        clock = asyncio.get_running_loop().time
        # A POP3 session keeps others out of the mailbox.
        linger = 0.0 if self.endpoint is not None and self.endpoint.protocol == "pop3" else LINGER_SECONDS
        end = clock() + SAFETY_ROUND_SECONDS
        until = clock() + (linger if looked or self._shows else 0.0)
        while (left := min(until, end) - clock()) > 0 and not self._asked:
            if await self._look(opened):
                until = clock() + linger
            if self._errands:
                await self._tell(opened)
            self.alive(left + LONGEST_SILENCE)
            await self._sleep(left)

    async def _watch(self, opened: incoming.OpenAccount) -> None:
        """Watch until it is time for the next round, and do it."""
        clock = asyncio.get_running_loop().time
        due = clock() + self._interval(opened)
        self._move(Event.IN_STEP)
        events.push_mode(self.account, _mode(opened, push=self._receiving.push))
        while True:
            left = min(max(due - clock(), 0.0), self._usual_interval())
            changed = await self._listen(opened, min(left, LISTEN_SECONDS))
            self._move(Event.NEWS)
            await self._look(opened)
            await self._tell(opened)
            if changed is None or self._asked or clock() >= due:
                await self._round(opened, routine=not self._asked)
                return
            if changed and await opened.look(changed):
                self._wakings.was_worth_it()
            in_step = not opened.is_catching_up or await opened.settle()
            if in_step and opened.is_told_everything:
                # Where rounds are few because every change is reported, this is what says that all is well.
                self.town.confirmed[self.account] = timezone.now()
            self._move(Event.IN_STEP)
            if in_step and not self._keeps_session():
                return

    async def _round(self, opened: incoming.OpenAccount, *, routine: bool) -> None:
        self._asked = False
        if await opened.round(routine=routine) is not None:
            self.town.confirmed[self.account] = timezone.now()
        self.town.doors.weather.answered()

    async def _listen(self, opened: incoming.OpenAccount, seconds: float) -> frozenset[Any] | None:
        """What changed on the server, or nothing when somebody here wants something first."""
        self.alive(seconds + LONGEST_SILENCE)
        if not self._receiving.push:
            await self._sleep(seconds)
            return frozenset()
        changed = await self._unless_nudged(self._hear(opened, seconds), frozenset())
        self.alive(LONGEST_SILENCE)
        return changed

    async def _hear(self, opened: incoming.OpenAccount, seconds: float) -> frozenset[Any] | None:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._wakings.pause(clock()))
        changed = await opened.listen(seconds)
        if changed is None or changed:
            self._wakings.woken(clock())
        return changed

    def _interval(self, opened: incoming.OpenAccount) -> float:
        usual = self._usual_interval()
        return max(usual, SAFETY_ROUND_SECONDS) if opened.is_told_everything else usual

    def _usual_interval(self) -> float:
        return max(self.town.poll_seconds, 60.0 * self._receiving.interval_minutes)

    def _keeps_session(self) -> bool:
        wishes = self._receiving
        return wishes.automatic and (wishes.push or self._usual_interval() <= HOLD_SECONDS)

    # -- its server --------------------------------------------------------------------------------------------------

    def _know_server(self, access: Access) -> None:
        self._receiving = access.receiving
        if self.endpoint is None and access.incoming is not None:
            self.endpoint = access.incoming
            self.town.doors.weather.join(access.incoming.host)

    def _forget_server(self) -> None:
        self.town.becalmed.pop(self.account, None)
        if self.endpoint is not None:
            self.town.doors.weather.leave(self.endpoint.host)
            self.endpoint = None


def _mode(opened: incoming.OpenAccount, *, push: bool) -> str:
    if not push:
        return "poll"
    return "notify" if opened.is_told_everything else "idle"


async def _ended(task: asyncio.Task[Any]) -> None:
    """Once it has ended, however. As `asyncio.wait`, which keeps a kilobyte for every mailbox that waits."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(_: object) -> None:
        if not over.done():
            over.set_result(None)

    task.add_done_callback(end)
    await over


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
