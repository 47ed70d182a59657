"""Server text made fit to be shown, logged and stored as a fact.

Law: at most 300 characters, nothing unprintable, none of the secrets we sent.
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 300


def told(text: bytes | str, secrets: Iterable[str] = ()) -> str:
    """The text, cut and redacted. `secrets` in every spelling they went over the wire."""
    decoded = text[: 4 * LONGEST].decode("utf-8", "replace") if isinstance(text, bytes) else text[: 4 * LONGEST]
    for secret in secrets:
        if secret:
            decoded = decoded.replace(secret, "…")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in decoded)[:LONGEST]
