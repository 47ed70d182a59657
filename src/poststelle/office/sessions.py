"""Where people are logged in, at the counter: everybody sees and ends their own, administrators end anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poststelle.mail.records import SessionRecord
from poststelle.office import people as office
from poststelle.office.actor import Actor
from poststelle.store import sessions

name_of = sessions.name_of
"""What a session with that key is called."""

_PROGRAMS: Mapping[str, str] = {
    "Edg/": "Edge", "OPR/": "Opera", "SamsungBrowser/": "Samsung Internet", "Firefox/": "Firefox", "FxiOS/": "Firefox",
    "CriOS/": "Chrome", "Chrome/": "Chrome", "Safari/": "Safari", "curl/": "curl", "python": "Python",
}  # fmt: skip
_SYSTEMS: Mapping[str, str] = {
    "iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "Mac OS X": "Mac", "CrOS": "Chromebook",
    "Linux": "Linux",
}  # fmt: skip


def begin(store: Any, *, agent: str, address: str) -> None:
    """Note with a session just logged in (`store`, as the request has it) with what and from where; forget ended ones."""
    sessions.begin(store, agent=agent, address=address)
    sessions.clear()


def used(store: Any) -> None:
    """The session (as the request has it) is being used by its person."""
    sessions.used(store)


def of(actor: Actor, user: str) -> list[SessionRecord]:
    """Where that person (id or e-mail address) is logged in, most recently used first. Raises NotFound, NotPermitted."""
    return sessions.of(office.administered(actor, user).id)


def end(actor: Actor, user: str, session: str) -> None:
    """End the one with that id. Raises NotFound, NotPermitted."""
    sessions.end(office.administered(actor, user).id, session, actor=actor.name)


def end_all(actor: Actor, user: str, *, keep: str = "") -> int:
    """End all of a person's, but for the one named `keep`; how many there were. Raises NotFound, NotPermitted."""
    return sessions.end_all(office.administered(actor, user).id, actor=actor.name, keep=keep)


def device(agent: str) -> tuple[str, str]:
    """Browser and system in plain words as far as the name of the browser tells, "" where it does not."""
    program = next((name for mark, name in _PROGRAMS.items() if mark in agent), "")
    return program, next((name for mark, name in _SYSTEMS.items() if mark in agent), "")
