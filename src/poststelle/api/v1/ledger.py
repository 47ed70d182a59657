"""The nothing-lost ledger over HTTP: numbers and ids, never a subject."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.shapes import Listed, Moment, Shape
from poststelle.api.tokens import actor_of
from poststelle.api.v1.accounts import AccountId
from poststelle.mail.records import LedgerRecord
from poststelle.office import ledger as office

router = Router(tags=["ledger"], by_alias=True)


class Ledger(Shape):
    """What the server has in a folder against what is here: `server` = `held` + `set_aside` + `to_come` + `under_way` + `missing`."""

    folder: str = Field(description="Id of the folder.")
    account: str = Field(description="Id of its account.")
    path: str = Field(description="Its names from the outermost on, joined with `/`; for people.")
    server: int | None = Field(description="Messages the server has; null before the first comparison.")
    held: int = Field(description="Those of them held here.")
    set_aside: int = Field(description="Those that could not be taken, see `reasons`.")
    to_come: int = Field(description="Those that have just arrived, or are still being fetched for the first time.")
    under_way: int = Field(description="Those moved or deleted here, which the server has still to be told.")
    missing: int = Field(description="Those nobody here knows: they are being fetched, and somebody should look.")
    extra: int = Field(description="Messages held here that the server does not have (any more).")
    recovered: int = Field(description="Messages the comparison missed and fetched.")
    local: int = Field(description="Messages kept here only.")
    balanced: bool = Field(description="Compared, and nothing is missing or too much.")
    reasons: dict[str, int] = Field(description="How many are set aside, by the code of the reason.")
    missing_ids: list[str] = Field(description="The server's ids of what is missing, at most 100.")
    extra_ids: list[str] = Field(description="The ids of what is too much, at most 100.")
    compared_at: Moment | None = Field(description="When the numbers were taken.")

    @classmethod
    def of(cls, record: LedgerRecord) -> Ledger:
        """The ledger of a record."""
        return cls(
            folder=record.folder_id, account=record.account_id, path="/".join(record.path), server=record.server,
            held=record.held, set_aside=record.set_aside, to_come=record.to_come, under_way=record.under_way,
            missing=record.missing, extra=record.extra, recovered=record.recovered, local=record.local,
            balanced=record.balanced, reasons=dict(record.reasons), missing_ids=list(record.missing_ids),
            extra_ids=list(record.extra_ids), compared_at=record.compared_at,
        )  # fmt: skip


class ComparisonAsked(Shape):
    """A comparison was asked for."""

    account: str = Field(description="Id or label of the account, as given.")
    asked_at: Moment = Field(description="Done once every folder's `compared_at` is later than this.")


@router.get("/accounts/{account}/ledger", response=Listed[Ledger])
def show_ledger(request: HttpRequest, account: AccountId) -> Listed[Ledger]:
    """Every folder of the account. For those who administer it, and administrators."""
    return Listed(items=[Ledger.of(one) for one in office.show(actor_of(request), account)], next=None)


@router.post("/accounts/{account}/ledger/compare", response={202: ComparisonAsked})
def compare_ledger(request: HttpRequest, account: AccountId) -> Status[ComparisonAsked]:
    """Compare with the server now: the engine does it as soon as it can."""
    return Status(202, ComparisonAsked(account=account, asked_at=office.ask(actor_of(request), account)))
