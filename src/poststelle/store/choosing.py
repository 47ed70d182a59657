"""Which placements somebody means who chooses threads, or everything a list holds: also what no page has shown.

Law: what was chosen lies in the place it was chosen in and within the reach, and is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from poststelle.errors import NotFound
from poststelle.mail.listing import Filter, Where
from poststelle.store.access import Reach
from poststelle.store.rows import all_rows, chunks, marks
from poststelle.store.scopes import members, narrowed, scope_of, visible


def everything(reach: Reach, where: Where, chosen: Filter, limit: int) -> list[str]:
    """The ids of all placements in a list, newest first, at most `limit`. Raises NotFound."""
    return members(reach, where, chosen, limit)


def with_threads(reach: Reach, where: Where, chosen: Filter, placements: Sequence[str]) -> list[str]:
    """These placements and what else of their threads the list holds. Raises NotFound for what is no id or no place."""
    condition, bound = narrowed(reach, scope_of(reach, where), chosen).where()
    may, parameters = visible(reach)
    found = dict.fromkeys(placements)
    for some in chunks(placements):
        for (number,) in all_rows(
            f"SELECT p.id FROM store_placement p WHERE {condition} AND p.thread IN (SELECT o.thread FROM store_placement o"  # noqa: S608
            f" WHERE o.id IN ({marks(some)}) AND o.thread > 0)"
            f" AND EXISTS (SELECT 1 FROM store_folder f WHERE f.id = p.folder_id AND {may})",
            [*bound, *(_hex(one) for one in some), *parameters],
        ):
            found[str(UUID(str(number)))] = None
    return list(found)


def _hex(text: str) -> str:
    try:
        return UUID(text).hex
    except ValueError as error:
        raise NotFound("message-unknown", message=text) from error
