"""What single servers and providers do otherwise than they say: how they are recognised, what it changes, and the source.

Recognised by host name or by a capability of their own, never by what they say they are (RFC 2971 section 3 forbids it).
Law: an entry changes how the adapter behaves and says where it is known from. What a server can be asked is never looked up
here, and what merely fails is not either: the adapter falls back by itself and stops trusting it (`Session.distrust`).
This module does not know sessions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quirks:
    """What differs at one server.

    `distrusted`: capabilities to take as not offered. `delete_in_trash`: elsewhere a removal only takes a label off, so messages
    are moved into the trash first. `sources`: where it is known from.
    """

    distrusted: frozenset[str] = frozenset()
    delete_in_trash: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """`hosts`: domains the server's name ends with; `capability`: one that only it offers."""

    quirks: Quirks
    hosts: tuple[str, ...] = ()
    capability: str = ""

    def fits(self, host: str, capable: Collection[str]) -> bool:
        return self.capability in capable or any(host == known or host.endswith(f".{known}") for known in self.hosts)


NONE = Quirks()
"""Nothing is known: of most servers, so that one will do for all."""


TABLE: Mapping[str, _Entry] = {
    # VANISHED is malformed or names messages that are still there, and ENABLED is never said.
    "iCloud": _Entry(
        Quirks(frozenset({"QRESYNC"}), sources=("Foundry376/Mailspring-Sync#91", "jstedfast/MailKit#1871")),
        hosts=("mail.me.com", "mail.icloud.com"),
    ),
    # Folders are labels: EXPUNGE takes one off and the message stays in All Mail. What is in the trash is really removed.
    "Gmail": _Entry(
        Quirks(delete_in_trash=True, sources=("rgrove/larch#29", "developers.google.com/gmail ImapSettings")),
        hosts=("imap.gmail.com", "imap.googlemail.com"),
        capability="X-GM-EXT-1",
    ),
    # A faulty IMAP4rev2, offered since September 2026.
    "Microsoft 365": _Entry(
        Quirks(frozenset({"IMAP4REV2"}), sources=("jstedfast/MailKit#2016",)),
        hosts=("office365.com", "outlook.com"),
    ),
}
"""By provider. Two more are answered for everywhere, without an entry: Yahoo tells a HIGHESTMODSEQ without CONDSTORE
(whiteout-io/imap-client#40), and Exchange 2013 answers UID MOVE with a COPYUID line that lacks its ``* OK`` (ruby/net-imap#250)."""


def quirks_of(host: str, capable: Collection[str]) -> Quirks:
    """What is known of a server by its host name and what it offers."""
    found = [entry.quirks for entry in TABLE.values() if entry.fits(host.lower().rstrip("."), capable)]
    if not found:
        return NONE
    return Quirks(
        frozenset().union(*(quirks.distrusted for quirks in found)),
        any(quirks.delete_in_trash for quirks in found),
        tuple(source for quirks in found for source in quirks.sources),
    )
