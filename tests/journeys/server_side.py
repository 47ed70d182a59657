"""What lies on the mail server, seen and changed by another mail program: imaplib, straight past Poststelle."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from poststelle.adapters.imap import utf7
from tests.servers.dovecot import Dovecot, User


@contextmanager
def mailbox(dovecot: Dovecot, user: User, folder: str = "INBOX") -> Iterator[imaplib.IMAP4]:
    """A log-in with that folder open."""
    client = imaplib.IMAP4(dovecot.host, dovecot.imap_port)
    try:
        client.login(user.address, user.password)
        client.select(_quoted(folder))
        yield client
    finally:
        client.logout()


def make_folder(dovecot: Dovecot, user: User, name: str) -> None:
    """Create a folder with any name people can think of."""
    with mailbox(dovecot, user) as client:
        assert client.create(_quoted(name))[0] == "OK", name


def put(dovecot: Dovecot, user: User, folder: str, raw: bytes) -> None:
    """Append a message to a folder."""
    with mailbox(dovecot, user) as client:
        assert client.append(_quoted(folder), "", "", raw)[0] == "OK"


def flags(dovecot: Dovecot, user: User, subject: str, folder: str = "INBOX") -> set[str]:
    """The flags of the one message with that subject."""
    with mailbox(dovecot, user, folder) as client:
        (number,) = _numbers(client, subject)
        answer = client.fetch(number, "(FLAGS)")[1][0]
        assert isinstance(answer, bytes)
        return {flag.decode() for flag in imaplib.ParseFlags(answer)}


def flag(dovecot: Dovecot, user: User, subject: str, change: str) -> None:
    """Change flags as another mail program would: ``+FLAGS (\\Flagged)``."""
    with mailbox(dovecot, user) as client:
        (number,) = _numbers(client, subject)
        assert client.store(number, *change.split(" ", 1))[0] == "OK"


def raw(dovecot: Dovecot, user: User, subject: str, folder: str = "INBOX") -> list[bytes]:
    """Every message there with that word in its subject, as the server hands it out."""
    with mailbox(dovecot, user, folder) as client:
        found = [client.fetch(number, "(BODY.PEEK[])")[1][0] for number in _numbers(client, subject)]
    return [answer[1] for answer in found if isinstance(answer, tuple)]


def letters(dovecot: Dovecot, user: User, subject: str, folder: str = "INBOX") -> list[EmailMessage]:
    """The same, read."""
    return [message_from_bytes(one, policy=policy.default) for one in raw(dovecot, user, subject, folder)]


def _numbers(client: imaplib.IMAP4, subject: str) -> list[str]:
    return client.search(None, "SUBJECT", f'"{subject}"')[1][0].decode().split()


def _quoted(folder: str) -> str:
    return '"' + utf7.encode(folder).decode().replace("\\", "\\\\").replace('"', '\\"') + '"'
