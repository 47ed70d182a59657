"""Which messages belong together: reference chains and base subjects (RFC 5256, RFC 5322 section 3.6.4).

Law: pure functions of header values, linear, the same answer on every machine.
This module does not know the store, which finds the threads (`store.threads`).
"""

from __future__ import annotations

import re

MAX_CHAIN = 60

# "Re", "Fw", "Fwd" as RFC 5256 names them; "AW" (Antwort) and "WG" (weitergeleitet) as German programs write them.
_LEADER = re.compile(r"\s*+(?:\[[^\[\]]*+\]\s*+)*+(?:re|fwd?|aw|wg|antwort)\s*+(?:\[[^\[\]]*+\]|\^\d++)?+\s*+:", re.I)
_BLOB = re.compile(r"\s*+\[[^\[\]]*+\]\s*+(?=\S)")
_TRAILER = re.compile(r"\s*\(fwd\)\Z", re.I)
_WRAPPER = re.compile(r"\[fwd:(.*)\]\Z", re.I | re.S)
_LONGEST_SUBJECT = 998


def base_subject(subject: str) -> str:
    """The subject without reply and forward marks and list tags, blanks collapsed (RFC 5256 section 2.1, plus AW: and WG:)."""
    text = " ".join(subject[:_LONGEST_SUBJECT].split())
    while True:
        before = text
        text = _TRAILER.sub("", text)
        while match := _LEADER.match(text) or _BLOB.match(text):
            text = text[match.end() :].lstrip()
        if match := _WRAPPER.fullmatch(text):
            text = match[1].strip()
        if text == before:
            return text


def is_reply(subject: str) -> bool:
    """Whether the subject carries a reply or forward mark, so that a missing reference may be made up for by its base subject."""
    return bool(_LEADER.match(subject[:_LONGEST_SUBJECT]))


def references_chain(message_id: str, in_reply_to: tuple[str, ...], references: tuple[str, ...]) -> tuple[str, ...]:
    """What a reply to this message puts into References: its ancestors and itself, the middle left out beyond `MAX_CHAIN`."""
    before = references or (in_reply_to if len(in_reply_to) == 1 else ())
    chain = tuple(dict.fromkeys((*(name for name in before if name != message_id), *filter(None, (message_id,)))))
    return chain if len(chain) <= MAX_CHAIN else (chain[0], *chain[-MAX_CHAIN + 1 :])
