"""The journal over HTTP, for administrators: who did what when, the newest first. What concerns oneself comes by `v1.changes`."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router

from poststelle.api.shapes import Cursor, Limit, Listed, listed
from poststelle.api.tokens import actor_of
from poststelle.api.v1.changes import Change
from poststelle.office import proof

router = Router(tags=["changes"], by_alias=True)


@router.get("", response=Listed[Change])
def list_journal(
    request: HttpRequest,
    limit: Limit = 50,
    cursor: Cursor = None,
    kind: Annotated[str, Query(description="Only entries of this kind, such as `grants-changed`.")] = "",
    person: Annotated[str, Query(description="Only what this person did: an e-mail address.")] = "",
    account: Annotated[str, Query(description="Only what concerns this account: id or label.")] = "",
) -> Listed[Change]:
    """Every entry of the office's journal, the newest first. Administrators only."""
    found = proof.entries(actor_of(request), limit, cursor, kind=kind, person=person, account=account)
    return listed(found, Change.of)
