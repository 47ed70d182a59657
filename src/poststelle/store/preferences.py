"""What people have chosen for themselves: preferences, and which entries of their trees are folded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache

from poststelle.mail import preferences
from poststelle.mail.preferences import Preferences
from poststelle.store.people import preference, set_preference

MOST_TOGGLED = 2_000
_VIEW, _TOGGLED = "view", "toggled"


def of(user: str) -> Preferences:
    """A person's preferences."""
    kept = preference(user, _VIEW)
    return _read(json.dumps(kept)) if isinstance(kept, Mapping) else preferences.DEFAULT


@lru_cache(1_000)
def _read(kept: str) -> Preferences:
    return preferences.stored(json.loads(kept))


def put(user: str, chosen: Preferences) -> None:
    """Keep them."""
    set_preference(user, _VIEW, chosen.document())


def toggled(user: str) -> list[str]:
    """Keys of tree entries the person has folded or unfolded, whichever it was not by itself; the latest last."""
    kept = preference(user, _TOGGLED)
    return [*map(str, kept)] if isinstance(kept, list) else []


def toggle(user: str, keys: Iterable[str]) -> None:
    """These keys are the toggled ones now, the latest last; of too many the latest."""
    set_preference(user, _TOGGLED, [*dict.fromkeys(keys)][-MOST_TOGGLED:])
