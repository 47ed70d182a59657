"""Short lists narrowed by what somebody types: people, servers. Lists of messages are asked for by `mail.query`."""

from __future__ import annotations


def passes(words: str, *texts: str) -> bool:
    """Whether each of the words occurs in one of the texts, in capitals or not."""
    folded = [text.casefold() for text in texts]
    return all(any(word in text for text in folded) for word in words.casefold().split())
