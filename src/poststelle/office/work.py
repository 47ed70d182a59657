"""Working on messages at the counter: whose they are, where they stand, notes, follow-ups, tags, who is at them now.

Notes, presence and what is new for oneself take the right *see*; assigning, status and follow-ups take *process*. All of it stays
with the message, wherever it is moved. Marks and tags on messages themselves are `office.handling.mark`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.listing import Status
from poststelle.mail.order import collated
from poststelle.mail.records import PlacementRecord, UserRecord
from poststelle.mail.settings import Right
from poststelle.mail.work import COLOURS, AnswerRecord, NoteRecord, PresenceRecord, TagRecord, TaskRecord
from poststelle.office.actor import Actor
from poststelle.store import accounts, list_rows, messages, notes, tags
from poststelle.store import work as store
from poststelle.store.work import ANSWERING, READING, Spot

MOST_AT_ONCE, LONGEST_NOTE, LONGEST_NAME = 1_000, 20_000, 60
_FARTHEST = timedelta(days=3660)
_NOTHING = TaskRecord(Status.OPEN, None, None, None, is_due=False)
_NOT_IN_A_KEYWORD = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Work:
    """What people added to a message, and who is at it. `colleagues` may see it: whom one can assign it to or mention."""

    placement: PlacementRecord
    task: TaskRecord
    notes: Sequence[NoteRecord]
    present: Sequence[PresenceRecord]
    answer: AnswerRecord | None
    colleagues: Sequence[UserRecord]
    may_process: bool


def on(actor: Actor, placement: str) -> Work:
    """Everything about one message. Raises NotFound."""
    reach = actor.reach
    spot, record = store.find(reach, placement), messages.placement(reach, placement)
    person = actor.user.id if actor.user else None
    return Work(
        placement=record,
        task=store.tasks([spot.message]).get(spot.message, _NOTHING),
        notes=notes.of(spot.message, person),
        present=store.present(spot.message, person),
        answer=list_rows.answers(reach, [spot.thread]).get(record.message_id) if spot.thread else None,
        colleagues=store.seers(spot.message),
        may_process=spot.may_process,
    )


def assign(actor: Actor, placements: Sequence[str], user: str | None) -> int:
    """Whose these messages are now: a colleague's (id or e-mail address) who may see them, or (None) nobody's. How many changed.

    Raises NotFound, NotPermitted, Invalid (user, messages).
    """
    spots = _to_process(actor, placements)
    chosen = None
    for spot in spots if user is not None else ():
        chosen = next((one for one in store.seers(spot.message) if user in {one.id, one.email}), None)
        if chosen is None:
            raise Invalid({"user": "cannot-see"})
    number = chosen.id if chosen else None
    return _each(spots, lambda spot: store.assign(actor.reach, spot, number, actor=actor.name))


def set_status(actor: Actor, placements: Sequence[str], status: Status) -> int:
    """Where the work on these messages stands now. How many changed. Raises NotFound, NotPermitted, Invalid (messages)."""
    spots = _to_process(actor, placements)
    return _each(spots, lambda spot: store.set_status(actor.reach, spot, status, actor=actor.name))


def follow_up(actor: Actor, placements: Sequence[str], at: datetime | None, *, everybody: bool = False) -> int:
    """When these messages come back (Wiedervorlage), for the acting person or everybody who sees them; None: not at all.

    How many changed. Raises NotFound, NotPermitted, Invalid (at, messages).
    """
    if at is not None and (at.tzinfo is None or not timezone.now() - _FARTHEST < at < timezone.now() + _FARTHEST):
        raise Invalid({"at": "out-of-range"})
    person = actor.user.id if actor.user and not everybody else None
    spots = _to_process(actor, placements)
    return _each(spots, lambda spot: store.follow_up(actor.reach, spot, at, person, actor=actor.name))


def remind(actor: Actor) -> int:
    """Bring back what has become due; how many messages. Only the system: the engine asks every now and then."""
    if actor.user is not None:
        raise NotPermitted("system-only")
    return store.remind(timezone.now())


# -- notes -----------------------------------------------------------------------------------------------------------


def add_note(actor: Actor, placement: str, text: str) -> NoteRecord:
    """An internal note; ``@name`` wants that colleague's attention, if they may see the message. Raises NotFound, Invalid (text)."""
    spot, person = store.find(actor.reach, placement), _person(actor)
    clean = _note(text)
    mentioned = notes.mentioned_in(clean, store.seers(spot.message))
    return notes.add(actor.reach, spot, person, clean, mentioned, actor=actor.name)


def change_note(actor: Actor, placement: str, note: str, text: str) -> NoteRecord:
    """Another text for one's own note. Raises NotFound, also for somebody else's; Invalid (text)."""
    spot, person = store.find(actor.reach, placement), _person(actor)
    clean = _note(text)
    mentioned = notes.mentioned_in(clean, store.seers(spot.message))
    return notes.change(actor.reach, spot, note, person, clean, mentioned, actor=actor.name)


def remove_note(actor: Actor, placement: str, note: str) -> None:
    """Take one's own note away. Raises NotFound, also for somebody else's."""
    notes.remove(actor.reach, store.find(actor.reach, placement), note, _person(actor), actor=actor.name)


# -- who is at it ----------------------------------------------------------------------------------------------------


def here(actor: Actor, placement: str, doing: str = READING) -> list[PresenceRecord]:
    """The acting person reads (``reading``) or answers (``answering``) the message; who else does.

    To be said again every 20 seconds; after 60 nobody believes it any more. Raises NotFound, Invalid (doing).
    """
    if doing not in {READING, ANSWERING}:
        raise Invalid({"doing": "unknown-value"})
    spot = store.find(actor.reach, placement)
    return store.here(actor.reach, spot, _person(actor), doing, actor=actor.name)


def away(actor: Actor, placement: str) -> None:
    """The acting person has left the message. Raises NotFound."""
    store.away(actor.reach, store.find(actor.reach, placement), _person(actor), actor=actor.name)


def looked(actor: Actor, placement: str) -> bool:
    """The acting person has had the message open; whether it was new for them. The shared mark "read" stays. Raises NotFound."""
    spot, person = store.find(actor.reach, placement), _person(actor)
    return not store.has_looked(spot.message, person) and store.looked(spot.message, person)


def looked_at_everything(actor: Actor) -> None:
    """Nothing that is here by now is new for the acting person."""
    store.looked_at_everything(_person(actor))


# -- tags ------------------------------------------------------------------------------------------------------------


def offered_tags(actor: Actor) -> list[TagRecord]:
    """What messages can be tagged with: the office's tags, then keywords found in folders the actor may see."""
    return tags.offered(actor.reach)


def add_tag(actor: Actor, name: str, colour: str | None = None) -> TagRecord:
    """A new tag of the office's, with a keyword made from its name. Takes *process* on some mailbox.

    `colour`: one of `mail.work.COLOURS`, "" for none; None: one that few tags have. Raises NotPermitted, Invalid (name, colour).
    """
    if not actor.is_administrator and not accounts.within(actor.reach, Right.PROCESS):
        raise NotPermitted("process-needed")
    if colour is None:
        taken = [tag.colour for tag in tags.offered(actor.reach)]
        colour = min(COLOURS, key=taken.count)
    name = _tag(name, colour)
    keyword = _keyword(name)
    if tags.exists(actor.reach, keyword):
        raise Invalid({"name": "taken"})
    return tags.put(actor.reach, keyword, name, colour, actor=actor.name)


def tag_named(actor: Actor, name: str) -> TagRecord:
    """The tag people call that, in capitals or not; else a new one (`add_tag`)."""
    known = (tag for tag in tags.offered(actor.reach) if tag.name.casefold() == name.strip().casefold())
    return next(known, None) or add_tag(actor, name)


def change_tag(actor: Actor, keyword: str, name: str, colour: str) -> TagRecord:
    """Name and colour of a keyword, for everybody; messages keep the keyword. Administrators only. Raises Invalid."""
    if not actor.is_administrator:
        raise NotPermitted("administrators-only")
    if not re.fullmatch(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]{1,100}", keyword):
        raise Invalid({"keyword": "not-a-flag"})
    return tags.put(actor.reach, keyword, _tag(name, colour), colour, actor=actor.name)


def remove_tag(actor: Actor, keyword: str) -> None:
    """Forget name and colour of a keyword; messages keep it. Administrators only. Raises NotFound."""
    if not actor.is_administrator:
        raise NotPermitted("administrators-only")
    tags.remove(actor.reach, keyword, actor=actor.name)


# -- trust -----------------------------------------------------------------------------------------------------------


def trust_sender(actor: Actor, placement: str) -> str:
    """Always show the acting person remote pictures of this message's sender; the address. Raises NotFound, Invalid (sender)."""
    record, person = messages.placement(actor.reach, placement), _person(actor)
    if not record.sender.address:
        raise Invalid({"sender": "missing"})
    tags.trust(person, record.sender.address)
    return record.sender.address.lower()


def distrust_sender(actor: Actor, address: str) -> None:
    """No longer."""
    tags.distrust(_person(actor), address)


def trusted_senders(actor: Actor) -> list[str]:
    """Whose remote pictures the acting person always sees."""
    return tags.trusted(_person(actor))


def _to_process(actor: Actor, placements: Sequence[str]) -> list[Spot]:
    if len(placements) > MOST_AT_ONCE:
        raise Invalid({"messages": "too-many"})
    spots = [store.find(actor.reach, placement) for placement in dict.fromkeys(placements)]
    if not all(spot.may_process for spot in spots):
        raise NotPermitted("process-needed")
    return spots


def _each(spots: Sequence[Spot], act: Callable[[Spot], bool]) -> int:
    return sum(act(spot) for spot in spots)


def _person(actor: Actor) -> str:
    if actor.user is None:
        raise NotPermitted("people-only")
    return actor.user.id


def _note(text: str) -> str:
    clean = text.replace("\r\n", "\n").replace("\0", "").strip()
    if not clean:
        raise Invalid({"text": "missing"})
    if len(clean) > LONGEST_NOTE:
        raise Invalid({"text": "too-long"})
    return clean


def _tag(name: str, colour: str) -> str:
    name = name.strip()
    wrong = {} if name else {"name": "missing"}
    if len(name) > LONGEST_NAME:
        wrong["name"] = "too-long"
    elif not name.isprintable():
        wrong["name"] = "control-character"
    if colour and colour not in COLOURS:
        wrong["colour"] = "unknown-value"
    if wrong:
        raise Invalid(wrong)
    return name


def _keyword(name: str) -> str:
    """An IMAP keyword (RFC 9051 section 9) that reminds of the name where Latin letters can."""
    reminder = _NOT_IN_A_KEYWORD.sub("_", collated(name)).strip("_")[:40]
    return reminder or f"tag_{sum(ord(letter) * 31**at for at, letter in enumerate(name)) % 0xFFFFFFFF:x}"
