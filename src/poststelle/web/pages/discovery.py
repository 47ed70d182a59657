"""From an address to a filled form: what can be found out about its servers, and the list of known providers.

Nothing found is used by itself: choosing a finding, whose servers are shown, opens the form filled with it. A password is never part
of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from poststelle.errors import Invalid
from poststelle.mail.provider import Finding
from poststelle.office import discovery, wording
from poststelle.office.actor import require_administrator
from poststelle.office.advice import hint_sentence, source_words
from poststelle.web.entrance import Visit, base_of
from poststelle.web.pages.mailbox_form import shown

_SECONDS = 25.0
_MOST = 6
_CARRIED = ("address", "label", "display_name", "scope", "owner")


@dataclass(frozen=True, slots=True)
class Offer:
    """A finding as it is shown; `fill` is the query of the form filled with it."""

    finding: Finding
    source: str
    hints: Sequence[str]
    servers: Sequence[tuple[str, str]]
    fill: str


async def discover(request: Visit) -> HttpResponse:
    """What can be found for the address, best first; a known provider ends the search."""
    address = (request.POST.get("address") or request.GET.get("address", "")).strip()
    offers: list[Offer] = []
    wrong = ""
    found: set[tuple[str, ...]] = set()
    if request.method == "POST":
        try:
            async with asyncio.timeout(_SECONDS):
                async for finding in discovery.discover(request.actor, address):
                    if (finding.document or finding.hints) and finding.hosts not in found:
                        found.add(finding.hosts)
                        offers.append(_offer(request, finding))
                    if finding.source == "preset" or len(offers) >= _MOST:
                        break
        except TimeoutError:
            pass
        except Invalid as error:
            wrong = next(iter(wording.field_sentences(error).values()))
    context = {
        "address": address, "offers": offers, "wrong": wrong, "tried": request.method == "POST" and not wrong,
        "by_hand": urlencode({name: request.POST.get(name, "") for name in _CARRIED if request.POST.get(name)}),
    }  # fmt: skip
    response: HttpResponse = await sync_to_async(_page)(request, context, 422 if wrong else 200)
    return response


def _page(request: Visit, context: dict[str, Any], status: int) -> HttpResponse:
    require_administrator(request.actor)
    return render(request, "discovery.html", {"base": base_of(request), "area": "mailboxes"} | context, status=status)


def _offer(request: Visit, finding: Finding) -> Offer:
    carried = {name: value for name in _CARRIED if (value := request.POST.get(name, "").strip())}
    document = finding.document
    servers = []
    for way in ("incoming", "outgoing"):
        server = document.get(way)
        if isinstance(server, dict):
            servers.append((way, f"{server.get('host')}:{server.get('port')} ({server.get('encryption')})"))
    return Offer(
        finding,
        source_words(finding.source),
        [hint_sentence(one) for one in finding.hints],
        servers,
        urlencode(carried | filled(document)),
    )


def filled(document: Any) -> dict[str, str]:
    """What a finding fills into the form: servers, user names and what goes with them."""
    values = shown(document)
    return {
        name: value
        for name, value in values.items()
        if name.startswith(("incoming.", "outgoing.", "login.")) or name == "kind"
    }


@require_safe
def providers(request: Visit) -> HttpResponse:
    """The known providers, to be browsed; one chosen fills the form."""
    require_administrator(request.actor)
    words = request.GET.get("q", "").strip().casefold()[:100]
    known = [
        one
        for one in discovery.providers()
        if words in one.name.casefold() or any(words in name for name in one.domains)
    ]
    context = {"base": base_of(request), "area": "mailboxes", "providers": known, "q": words}
    return render(request, "providers.html", context)
