"""The health board over HTTP: how every account is doing, the worst first."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from django.utils import translation
from ninja import Query, Router
from pydantic import Field

from poststelle.api.problems import language_of
from poststelle.api.shapes import Cursor, HindranceShape, Limit, Listed, Moment, Shape, Trouble, listed
from poststelle.api.tokens import actor_of
from poststelle.mail.records import HealthRecord
from poststelle.office import health as office
from poststelle.office.happenings import health_sentence

router = Router(tags=["health"], by_alias=True)


class Quota(Shape):
    """How full the mailbox on the server is."""

    used: int = Field(description="Bytes.")
    limit: int = Field(description="Bytes.")


class Health(Shape):
    """How an account is doing."""

    account: str = Field(description="Id of the account.")
    label: str = Field(description="What people call it.")
    state: str = Field(
        description="`suspended`, `stalled`, `losing`, `troubled`, `behind`, `connecting`, `idle`, `well` or `switched-off`."
    )
    text: str = Field(description="The same as a sentence, in the language of the request.")
    trouble: Trouble | None = Field(description="What does not work just now.")
    retry_at: Moment | None = Field(description="When it is tried again.")
    synced_at: Moment | None = Field(description="When the last round ended well.")
    received_at: Moment | None = Field(description="When mail came last.")
    sent_at: Moment | None = Field(description="When mail was sent last.")
    watching: str = Field(description="How news arrives: `idle`, `notify`, `poll`; empty: not connected.")
    held: int = Field(description="Messages held here.")
    behind: int = Field(description="Messages the server has and we have not yet.")
    rate: float = Field(description="Messages that came per minute lately.")
    set_aside: int = Field(description="Messages that could not be taken.")
    missing: int = Field(description="Messages the last comparison missed here.")
    errands: int = Field(description="Changes the server has still to be told.")
    queued: int = Field(description="Mail waiting to be sent.")
    deferred: int = Field(description="Mail a server has postponed.")
    uncertain: int = Field(description="Mail that waits for a person's word, because nobody knows whether it was sent.")
    certificate_days: int | None = Field(description="Days until the first certificate of its servers ends.")
    quota: Quota | None = Field(description="How full the mailbox is, where the server says so.")

    @classmethod
    def of(cls, record: HealthRecord) -> Health:
        """The health of a record, in the language now active."""
        return cls(
            account=record.account_id, label=record.label, state=record.state, text=health_sentence(record),
            trouble=Trouble.of(record.trouble), retry_at=record.retry_at, synced_at=record.synced_at,
            received_at=record.received_at, sent_at=record.sent_at, watching=record.watching, held=record.held,
            behind=record.behind, rate=round(record.rate, 2), set_aside=record.set_aside, missing=record.missing,
            errands=record.errands, queued=record.queued, deferred=record.deferred, uncertain=record.uncertain,
            certificate_days=record.certificate_days,
            quota=Quota(used=record.quota[0], limit=record.quota[1]) if record.quota else None,
        )  # fmt: skip


@router.get("/office", response=list[HindranceShape])
def list_office_hindrances(request: HttpRequest) -> list[HindranceShape]:
    """What concerns more than one account: what the machine lacks; for administrators why links to log in are not mailed."""
    with translation.override(language_of(request)):
        return [HindranceShape.of(one) for one in office.of_the_office(actor_of(request))]


@router.get("", response=Listed[Health])
def list_health(
    request: HttpRequest,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[str, Query(description="Only accounts in this state.")] = "",
) -> Listed[Health]:
    """The accounts you administer, for administrators all, the worst first."""
    page, _ = office.board(actor_of(request), limit, cursor, state=state)
    with translation.override(language_of(request)):
        return listed(page, Health.of)
