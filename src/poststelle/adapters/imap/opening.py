"""What is agreed with the server once, right after log-in: who we are, which extensions are switched on, compression.

Law: nothing here is needed; a server may refuse all of it and the session works as before. Extensions count as switched on only
when the server says so (RFC 5161), because some answer OK and do nothing. This module does not know folders.
"""

from __future__ import annotations

from poststelle.adapters.imap.quirks import Quirks, quirks_of
from poststelle.adapters.imap.session import Session

_IDENTITY = b'ID ("name" "Poststelle")'


async def settle(session: Session, *, bulk: bool = False) -> Quirks:
    """Agree with the server; what is known of it. `bulk`: compress where offered, for sessions that carry much."""
    quirks = quirks_of(session.connection.host, session.capable)
    session.distrust(*quirks.distrusted)
    wanted = _extensions(session)
    identity = _IDENTITY if "ID" in session.capable else b""
    if wanted:
        await session.attempt(b"ENABLE", *wanted, lead=identity)
    elif identity:
        await session.attempt(identity)
    if bulk and "COMPRESS=DEFLATE" in session.capable:
        answer = await session.attempt(b"COMPRESS", b"DEFLATE")
        if answer.condition.status == "OK":
            session.connection.compress()
    return quirks


def _extensions(session: Session) -> list[bytes]:
    if "ENABLE" not in session.capable and "IMAP4REV2" not in session.capable:
        return []
    wanted = [b"QRESYNC"] if "QRESYNC" in session.capable else []
    if session.capable & {"UTF8=ACCEPT", "UTF8=ONLY"}:
        wanted.append(b"UTF8=ACCEPT")
    return wanted
