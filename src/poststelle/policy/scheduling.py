"""Who may connect when, how much a day, and whether it is the network or the server that fails.

Facts in, verdict out: clocks are handed in as seconds, hosts as names. What providers allow stands in one table with its sources;
what an office wants less of is a setting. This module does not know sockets, tasks or accounts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider's limits. `hosts`: name endings that share them; `bytes_per_day`: of one account, by protocol.

    `bulk`: sessions at once for first syncs and big catch-ups of all our accounts there; `connects_per_second`: new connections.
    """

    name: str
    hosts: tuple[str, ...]
    bytes_per_day: dict[str, int] = field(default_factory=dict)
    bulk: int | None = None
    connects_per_second: float | None = None


PROVIDERS = (
    # support.google.com/a/answer/1071518: 2,500 MB a day by IMAP, 1,250 MB by POP; /mail/answer/7126229: 15 connections an account.
    Provider("google", ("gmail.com", "googlemail.com"), {"imap": 2500 * 10**6, "pop3": 1250 * 10**6}),
    # Microsoft publishes no figure a day; it slows a tenant down as a whole (and allows some 20 connections), so we ask gently.
    Provider("microsoft", ("office365.com", "outlook.com"), bulk=4, connects_per_second=5.0),
)

RESERVE = 0.2
"""Share of a day's bytes that first syncs leave to what arrives."""


def provider_of(host: str) -> Provider | None:
    """Whose limits hold for a server."""
    name = host.rstrip(".").lower()
    return next((one for one in PROVIDERS if any(name == end or name.endswith(f".{end}") for end in one.hosts)), None)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an office allows itself: bulk sessions in all and per server, new connections a second per server, bytes a day per
    account (0: only what the provider demands), bytes of the cache for folders that are only looked at."""

    bulk: int = 8
    bulk_per_host: int = 4
    connects_per_second: float = 20.0
    bytes_per_day: int = 0
    cache_bytes: int = 200 * 10**6

    def bulk_at(self, host: str) -> int:
        """Bulk sessions at once with this server, or its provider."""
        provider = provider_of(host)
        return min(self.bulk_per_host, provider.bulk or self.bulk_per_host) if provider else self.bulk_per_host

    def rate_at(self, host: str) -> float:
        """New connections a second to this server, or its provider."""
        provider = provider_of(host)
        own = provider.connects_per_second if provider else None
        return min(self.connects_per_second, own or self.connects_per_second)

    def bytes_a_day(self, host: str, protocol: str) -> int | None:
        """How much one account may fetch there in a day; None: as much as there is."""
        provider = provider_of(host)
        known = [
            limit for limit in (self.bytes_per_day, (provider.bytes_per_day if provider else {}).get(protocol)) if limit
        ]
        return min(known) if known else None


def group_of(host: str) -> str:
    """Under which name the connections to a server are counted: its provider's, or its own."""
    provider = provider_of(host)
    return provider.name if provider else host.rstrip(".").lower()


def bulk_may_go_on(fetched: int, limit: int | None) -> bool:
    """Whether an account that has fetched so many bytes today may go on fetching what is old."""
    return limit is None or fetched < limit * (1 - RESERVE)


class Pace:
    """Spreads new connections: each server gets at most so many a second, in the order they are asked for."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._free_at: dict[str, float] = {}

    def wait(self, host: str, now: float) -> float:
        """Take the next turn; seconds until it comes."""
        group = group_of(host)
        at = max(now, self._free_at.get(group, now))
        self._free_at[group] = at + 1 / self._limits.rate_at(host)
        return at - now


class Wakings:
    """How often one server may wake us: `AT_ONCE` times in a row, then once in `SECONDS`, or in `WORTHWHILE_SECONDS` where that brings
    mail. Some never rest, and with mail that pours in one look brings more than many."""

    AT_ONCE, SECONDS, WORTHWHILE_SECONDS = 20, 1.0, 0.25

    def __init__(self) -> None:
        self._level_at = 0.0

    def woken(self, now: float) -> None:
        """It has woken us once more."""
        self._level_at = max(now, self._level_at) + self.SECONDS

    def was_worth_it(self) -> None:
        """There was new mail when it woke us last."""
        self._level_at -= self.SECONDS - self.WORTHWHILE_SECONDS

    def pause(self, now: float) -> float:
        """Seconds during which it is not to be listened to."""
        return max(0.0, self._level_at - now - self.AT_ONCE * self.SECONDS)


NETWORK = frozenset(
    {"host-unknown", "connect-timeout", "connection-refused", "connection-lost", "read-timeout", "write-timeout"}
)
"""Codes of trouble that may be the network's."""


class Weather:
    """Whether our servers can be reached at all: which of them have failed since any last answered."""

    def __init__(self) -> None:
        self._known: Counter[str] = Counter()
        self._silent: set[str] = set()
        self._proven = False

    def join(self, host: str) -> None:
        """An account of this server is watched from now on."""
        self._known[host] += 1

    def leave(self, host: str) -> None:
        """It is not any more."""
        self._known[host] -= 1
        if not self._known[host]:
            del self._known[host]
            self._silent.discard(host)

    def answered(self) -> None:
        """Some server has answered: the network is there."""
        self._silent.clear()
        self._proven = True

    def failed(self, host: str) -> None:
        """A server could not be reached, or fell silent."""
        if host in self._known:
            self._silent.add(host)
        if self.is_silent():
            self._proven = False

    def is_silent(self) -> bool:
        """Nobody answers: every server has failed since one last answered."""
        return bool(self._silent) and len(self._silent) == len(self._known)

    def is_everywhere(self) -> bool:
        """It may not be one server's fault: there are others, and none of them has answered since all failed, or ever."""
        return len(self._known) > 1 and not self._proven
