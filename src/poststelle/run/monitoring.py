"""What machines ask an installation: is it alive, is it ready, and its figures in the Prometheus text format.

Law: ``/healthz`` and ``/readyz`` tell nothing but yes or no. ``/metrics`` is for this machine itself (a request nobody has passed
on) and for administrators' API tokens; its labels name no mailbox unless the setting ``metrics_per_account`` says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from django.conf import settings as django_settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from poststelle.errors import NotFound, TooOften
from poststelle.mail.records import HealthRecord
from poststelle.office import feed, health, people, tokens
from poststelle.office.actor import SYSTEM
from poststelle.office.health import Totals
from poststelle.office.tokens import Scope
from poststelle.run.locks import ENGINE, is_held

_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded")
_EVERY = 100_000
FORMAT = "text/plain; version=0.0.4; charset=utf-8"


@require_safe
def alive(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """200 as long as this process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """200 when the database answers and an engine runs, else 503."""
    try:
        feed.latest()
        well = is_held(django_settings.POSTSTELLE.home, ENGINE)
    except (DatabaseError, OSError):
        well = False
    return HttpResponse("ok\n" if well else "no\n", content_type="text/plain", status=200 if well else 503)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures; 403 for everybody else."""
    if not (_is_this_machine(request) or _is_administrator(request)):
        return HttpResponse("no\n", content_type="text/plain", status=403)
    lines = [] if people.office_name() is None else [*_lines(*health.board(SYSTEM, _EVERY))]
    up = is_held(django_settings.POSTSTELLE.home, ENGINE)
    lines += _gauge("poststelle_engine_up", "Whether the engine runs.", [("", int(up))])
    return HttpResponse("\n".join(lines) + "\n", content_type=FORMAT)


for view in (alive, ready, metrics):
    view.login_required = False  # type: ignore[attr-defined]
    view.ignores_cookies = True  # type: ignore[attr-defined]


def _is_this_machine(request: HttpRequest) -> bool:
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _is_administrator(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return False
    try:
        caller = tokens.caller(token.strip())
    except (NotFound, TooOften):
        return False
    return caller.actor.is_administrator and Scope.READ in caller.scopes


def _lines(page: object, totals: Totals) -> Iterator[str]:
    yield from _gauge(
        "poststelle_accounts", "Mailboxes by state.",
        [(f'{{state="{state}"}}', count) for state, count in totals.by_state.items()],
    )  # fmt: skip
    for name, text, value in (
        ("poststelle_messages_held", "Messages held here.", totals.held),
        ("poststelle_messages_behind", "Messages the servers have and we have not yet.", totals.behind),
        ("poststelle_messages_missing", "Messages of the servers the last comparison missed here.", totals.missing),
        ("poststelle_messages_set_aside", "Messages that could not be taken.", totals.set_aside),
        ("poststelle_messages_to_index", "Messages the search does not know yet.", totals.to_index),
        (
            "poststelle_attachments_to_read",
            "Messages whose attachments the search does not know yet.",
            totals.attachments_to_read,
        ),
        ("poststelle_arrivals_per_minute", "Messages that came per minute, over five minutes.", round(totals.rate, 3)),
        ("poststelle_disk_free_bytes", "Bytes left where the data lies.", totals.free),
        ("poststelle_errands_open", "Changes the servers have still to be told.", totals.errands),
    ):
        yield from _gauge(name, text, [("", value)])
    yield from _gauge(
        "poststelle_outgoing", "Mail on its way out by state.",
        [(f'{{state="{state}"}}', getattr(totals, state)) for state in ("queued", "deferred", "uncertain")],
    )  # fmt: skip
    yield "# HELP poststelle_journal_entries_total Journal entries ever written."
    yield "# TYPE poststelle_journal_entries_total counter"
    yield f"poststelle_journal_entries_total {feed.latest()}"
    if django_settings.POSTSTELLE.metrics_per_account:
        yield from _per_account(list(getattr(page, "items", ())))


def _per_account(accounts: list[HealthRecord]) -> Iterator[str]:
    def of(value: str) -> list[tuple[str, float]]:
        return [(f'{{account="{_label(one.label)}"}}', getattr(one, value)) for one in accounts]

    yield from _gauge("poststelle_account_messages_behind", "Messages still to come, by mailbox.", of("behind"))
    yield from _gauge("poststelle_account_messages_missing", "Messages missed here, by mailbox.", of("missing"))
    yield from _gauge(
        "poststelle_account_synced_timestamp_seconds", "When it was last in step.",
        [
            (f'{{account="{_label(one.label)}"}}', int(one.synced_at.timestamp()))
            for one in accounts
            if one.synced_at is not None
        ],
    )  # fmt: skip


def _gauge(name: str, text: str, values: list[tuple[str, float]]) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} gauge", *(f"{name}{labels} {value}" for labels, value in values)]


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
