"""What an answer means for us: a refusal as the `Trouble` it is, an opened folder as what is known of it.

Law: pure. Response codes decide (RFC 5530, RFC 9051 section 7.1), never the wording, but for two that servers word alike.
This module does not know connections.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from poststelle.adapters.imap import wire
from poststelle.errors import (
    FolderMissing,
    LoginRejected,
    MessageTrouble,
    NeedsAttention,
    ProtocolViolation,
    Trouble,
    TryAgain,
)

_BUSY = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN"})
_LIMITED = frozenset({b"UID STORE", b"CREATE"})
"""What runs against a limit of the server's make for good (RFC 5530: "At most 32 flags in one mailbox"), unless it is one of speed."""

_FILLING = frozenset({b"APPEND", b"UID COPY", b"UID MOVE", b"CREATE", b"RENAME"})


@dataclass(slots=True)
class Selection:
    """The folder in hand. `uid_next` and `highest_modseq` are 0 where the server did not say; `exists` follows its reports.

    A HIGHESTMODSEQ told without CONDSTORE being offered is not believed: nothing could be asked with it. `permanent`: the flags
    that are kept beyond the session, in lower case (RFC 9051 section 7.1, PERMANENTFLAGS); None where any is, or nothing was said.
    """

    name: bytes
    writable: bool
    uid_validity: int = 0
    uid_next: int = 0
    exists: int = 0
    highest_modseq: int = 0
    permanent: frozenset[str] | None = None

    @property
    def state(self) -> tuple[int, int, int, int]:
        """What differs when the folder has changed."""
        return self.uid_validity, self.uid_next, self.exists, self.highest_modseq


def selection_of(
    name: bytes, condition: wire.Condition, untagged: Iterable[wire.Response], *, writable: bool, modseqs: bool
) -> Selection:
    """What SELECT (`writable`) or EXAMINE told. `modseqs`: CONDSTORE was asked for."""
    made = Selection(name, writable and condition.code != "READ-ONLY")
    for response in untagged:
        if isinstance(response, wire.Exists):
            made.exists = response.count
        elif isinstance(response, wire.Condition) and response.code == "PERMANENTFLAGS" and made.writable:
            told = frozenset(response.argument.decode("latin-1").strip("() ").lower().split())
            made.permanent = None if "\\*" in told else told
        elif isinstance(response, wire.Condition) and response.argument.isdigit() and len(response.argument) < 21:
            number = int(response.argument)
            if response.code == "UIDVALIDITY":
                made.uid_validity = number
            elif response.code == "UIDNEXT":
                made.uid_next = number
            elif response.code == "HIGHESTMODSEQ" and modseqs:
                made.highest_modseq = number
    return made


def refusal_of(condition: wire.Condition, answer: str, verb: bytes = b"") -> Trouble:
    """What a NO or BAD means for us. `answer`: its text, fit to be shown."""
    code = condition.code
    if code == "LIMIT" and verb in _LIMITED and "rate" not in answer.lower():
        return MessageTrouble("refused-by-server", command=verb.decode("latin-1"), answer=answer)
    if code in _BUSY or "too many connections" in answer.lower():
        return TryAgain("server-busy", answer=answer)
    if code == "OVERQUOTA":
        # Of anything that puts nothing there it is about how much was fetched (Gmail says so of log-ins, too).
        return (
            MessageTrouble("mailbox-full", answer=answer)
            if verb in _FILLING
            else TryAgain("server-busy", answer=answer)
        )
    if code in {"TRYCREATE", "NONEXISTENT"}:
        return FolderMissing("folder-missing", answer=answer)
    if code == "ALREADYEXISTS":
        return MessageTrouble("folder-exists", answer=answer)
    if code in {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED"}:
        return LoginRejected("login-rejected", answer=answer)
    if code == "PRIVACYREQUIRED":
        return NeedsAttention("login-needs-tls", answer=answer)
    if condition.status == "BAD":
        return ProtocolViolation("command-rejected", command=verb.decode("latin-1"), answer=answer)
    return MessageTrouble("refused-by-server", command=verb.decode("latin-1"), answer=answer)
