"""What can go wrong, sorted by what to do next.

Law: a class exists only if some caller acts differently on it. An error carries a stable `code` and facts, never a
sentence; the sentence (German and English) is made from them in `office.wording`. Facts are plain values that may be
logged and shown to an administrator: no secrets, server text already cut and redacted.

This module does not know protocols, Django or people.
"""

from __future__ import annotations

from collections.abc import Mapping


class PoststelleError(Exception):
    """Base of everything Poststelle raises on purpose. `code` is a stable word such as ``"login-rejected"``."""

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.facts.items())
        return f"{self.code} ({told})" if told else self.code


class Trouble(PoststelleError):
    """The outside world failed us; raised by adapters."""


class TryAgain(Trouble):
    """Passing trouble: network, time-out, throttling, SMTP 4xx. `after` is the server's wish in seconds, if it named one."""

    def __init__(self, code: str, *, after: float | None = None, **facts: object) -> None:
        super().__init__(code, **facts)
        self.after = after


class TooOften(TryAgain):
    """Somebody asks more often than they may; it will do again `after` that many seconds."""


class NeedsAttention(Trouble):
    """A person must act before trying again makes sense; the account is suspended with this as its reason."""


class LoginRejected(NeedsAttention):
    """The server refused user name or password. Never retried with the same secret (beyond one immediate retry)."""


class CertificateRejected(NeedsAttention):
    """TLS was refused by us: expired, wrong name, unknown issuer. Never answered by falling back."""


class HostForbidden(NeedsAttention):
    """The egress rule does not allow this host (RELIABILITY Q50): nothing was connected."""


class SuspiciousLoss(NeedsAttention):
    """The server suddenly holds far less than we do. Nothing was removed here; a person decides."""


class CursorLost(Trouble):
    """The server no longer honours our cursor (IMAP UIDVALIDITY changed …): start the folder over."""


class FolderMissing(Trouble):
    """The folder is not there any more: list folders again."""


class MessageTrouble(Trouble):
    """One message only: set it aside and go on."""


class ProtocolViolation(Trouble):
    """The server broke its own rules. The connection is useless; wait long before the next."""


class Refusal(PoststelleError):
    """We refuse; raised by the office (and by values that check themselves)."""


class NotPermitted(Refusal):
    """The actor may know of the thing but not do this to it."""


class NotFound(Refusal):
    """Not there, or not within the actor's reach: the two are never told apart."""


class Invalid(Refusal):
    """What was given cannot be accepted. `fields` maps a dotted path (``"incoming.port"``) to a stable reason code."""

    def __init__(self, fields: Mapping[str, str], **facts: object) -> None:
        super().__init__("invalid", **facts)
        self.fields = dict(fields)

    def __str__(self) -> str:
        return "invalid: " + ", ".join(f"{path}: {reason}" for path, reason in self.fields.items())


class Conflict(Refusal):
    """It clashes with what is there (label taken, set up already)."""
