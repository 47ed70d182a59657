"""Writing: the form, replies and forwards, and the outbox."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.http import require_POST, require_safe

from poststelle.errors import Conflict, Invalid, NotFound, NotPermitted, TooOften
from poststelle.mail import answer, calendar_answer
from poststelle.mail.address import Address, format_address, parse_addresses, typed_address
from poststelle.mail.calendar import Event
from poststelle.office import accounts, letters, limits, outbox, reading, wording
from poststelle.web.entrance import Visit, base_of
from poststelle.web.names import OUTGOING_STATES
from poststelle.web.returning import back

_TYPED = ("account", "to", "cc", "bcc", "subject", "text", "answers", "forwards", "key", "draft", "back", "invitation")
_INVITATION_ANSWERS = {
    "accept": gettext_lazy("Accepted: %(summary)s"),
    "decline": gettext_lazy("Declined: %(summary)s"),
}
_FINAL = {"sent", "partly-sent", "rejected", "uncertain", "held", "discarded"}


def write(request: Visit) -> HttpResponse:
    """An empty form, or one begun by ``reply``, ``reply_all`` or ``forward`` (a message's id); posted, the message is queued."""
    senders = letters.senders(request.actor)
    if request.method != "POST":
        return _form(request, senders, _begun(request, senders), {})
    typed = {name: request.POST.get(name, "") for name in _TYPED} | {"back": back(request, "")}
    try:
        limits.letters.spend(request.actor.name)
        sent = outbox.submit(
            request.actor,
            _draft(typed, request.FILES.getlist("files"), _calendar_answer(request, typed)),
            idempotency_key=typed["key"] or None,
        )
    except Invalid as error:
        return _form(request, senders, typed, _wrong(error))
    except (NotFound, NotPermitted, TooOften) as error:
        return _form(request, senders, typed, {"": str(wording.sentence(error))})
    messages.success(request, sent.id, extra_tags=f"outgoing {typed['draft']}")
    return redirect(back(request, reverse("mail")))


@require_safe
def sent_items(request: Visit) -> HttpResponse:
    """The outbox: what is on its way and what became of it."""
    page = outbox.page(request.actor, 50, request.GET.get("after") or None)
    open_ones = outbox.open_to_decision(request.actor, page.items)
    context = {
        "base": base_of(request),
        "outgoing": [(one, OUTGOING_STATES.get(one.state, one.state), one.id in open_ones) for one in page.items],
        "held": outbox.held(request.actor),
        "next": page.next,
    }
    return render(request, "outbox.html", context)


@require_POST
def decide(request: Visit, number: str = "") -> HttpResponse:
    """Send (``do=send``) or discard (``do=discard``) one message, or without a number all that is held."""
    decide = {"send": outbox.send_again, "discard": outbox.discard}.get(request.POST.get("do", ""))
    if decide is not None:
        # Somebody else may have decided meanwhile: the list says how.
        with contextlib.suppress(Conflict):
            decide(request.actor, number or None)
    return redirect("outbox")


@require_safe
def note(request: Visit, number: str) -> HttpResponse:
    """One line about one message on its way: what the note after sending shows, until it has left."""
    one = outbox.show(request.actor, number)
    return render(
        request, "parts/note.html", {"one": one, "state": OUTGOING_STATES.get(one.state), "final": one.state in _FINAL}
    )


def _draft(
    typed: Mapping[str, str], files: Sequence[UploadedFile[bytes]], made: Sequence[outbox.Attachment]
) -> outbox.Draft:
    # Django's limit for a request leaves files out; these go through memory.
    if sum(file.size or 0 for file in files) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise Invalid({"attachments": "too-long"})
    account, sender = _named(typed["account"])
    return outbox.Draft(
        account=account,
        sender=sender,
        to=_addresses(typed["to"]),
        cc=_addresses(typed["cc"]),
        bcc=_addresses(typed["bcc"]),
        subject=typed["subject"].strip(),
        text=typed["text"].replace("\r\n", "\n"),
        answers=typed["answers"] or None,
        forwards=typed["forwards"] or None,
        attachments=[
            *made,
            *(
                outbox.Attachment(file.name or "file", file.content_type or "application/octet-stream", file.read())
                for file in files
            ),
        ],
    )


def _named(typed: str) -> tuple[str, str]:
    """The mailbox and, where it is not the mailbox's own, the address that was chosen as sender (`letters.Sender.key`)."""
    account, _space, address = typed.partition(" ")
    return account, address


def _addresses(typed: str) -> list[str]:
    """The addresses of a field, separated by commas, semicolons or lines; what is none stays as it is, to be refused by name."""
    lines = typed.replace(";", ",").replace("\r", "").replace("\n", ",")
    return [format_address(one.name, one.address) for one in parse_addresses(lines)]


def _wrong(error: Invalid) -> dict[str, str]:
    """The sentences by field of the form; a list's fields are gathered under the list's name."""
    known = {"sender": "account", "from": "account"}
    wrong: dict[str, str] = {}
    for path, sentence in wording.field_sentences(error).items():
        name = path.partition(".")[0]
        wrong.setdefault(known.get(name, name), sentence)
    return wrong


def _form(
    request: Visit, senders: Sequence[letters.Sender], typed: Mapping[str, str], wrong: Mapping[str, str]
) -> HttpResponse:
    forwarded = reading.open_message(request.actor, typed["forwards"]).attachments if typed.get("forwards") else ()
    context: dict[str, Any] = {
        "base": base_of(request),
        "senders": [
            (one, one.answering if typed.get("answers") or typed.get("forwards") else one.fresh) for one in senders
        ],
        "typed": typed,
        "wrong": wrong,
        "forwarded": forwarded,
    }
    return render(request, "write.html", context, status=422 if wrong else 200)


def _begun(request: Visit, senders: Sequence[letters.Sender]) -> dict[str, str]:
    typed = dict.fromkeys(_TYPED, "") | {"key": str(uuid.uuid4()), "back": back(request, ""), "draft": "new"}
    typed["to"] = request.GET.get("to", "")
    for name in ("reply", "reply_all", "forward"):
        if number := request.GET.get(name):
            return typed | _answering(request, senders, name, number)
    sender = _chosen(senders, request.GET.get("account", ""))
    if sender is not None:
        typed |= {"account": sender.key, "text": _put(sender, sender.fresh)}
    return typed


def _chosen(senders: Sequence[letters.Sender], account: str, addressed: Collection[str] = ()) -> letters.Sender | None:
    """The sender of this mailbox to whom the message was addressed, else its own; the first of all where the mailbox has none."""
    of_account = [one for one in senders if one.account.id == account]
    meant = [one for one in of_account if one.address.lower() in addressed]
    return next(iter([*meant, *of_account, *senders]), None)


def _put(sender: letters.Sender, block: str) -> str:
    """A template as the letter begins, a signature with room above for what is typed."""
    return f"{block}\n" if block and sender.frames else f"\n\n{block}\n" if block else ""


def _answering(request: Visit, senders: Sequence[letters.Sender], name: str, number: str) -> dict[str, str]:
    opened = reading.open_message(request.actor, number)
    parsed = opened.parsed
    addressed = frozenset(one.address.lower() for one in (*parsed.to, *parsed.cc))
    chosen = _chosen(senders, opened.placement.account_id, addressed)
    own = frozenset(one.address for one in senders if chosen is not None and one.account.id == chosen.account.id)
    sender = Address("", chosen.address if chosen is not None else "")
    started = {"account": chosen.key if chosen is not None else "", "draft": f"{name}-{number}"}
    block = _put(chosen, chosen.answering) if chosen is not None else ""
    if (event := _invited(opened)) and (said_by := request.GET.get("invitation")) in _INVITATION_ANSWERS:
        said = _INVITATION_ANSWERS[said_by] % {"summary": event.summary}
        organizer = format_address("", event.organizer[1]) or _written(parsed.from_)
        answered = {
            "to": organizer,
            "subject": said,
            "text": f"{said}\n{block}",
            "answers": number,
            "invitation": said_by,
        }
        return started | answered | {"draft": f"{said_by}-{number}"}
    if name == "forward":
        begun = answer.forward(parsed, sender=sender, heading=_heading(opened))
        return started | {"subject": begun.subject, "text": block + begun.text, "forwards": number}
    begun = answer.reply(parsed, sender=sender, own=own, everyone=name == "reply_all", attribution=_attribution(opened))
    return started | {
        "to": _written(begun.to), "cc": _written(begun.cc), "subject": begun.subject, "text": block + begun.text,
        "answers": number,
    }  # fmt: skip


def _invited(opened: reading.OpenMessage) -> Event | None:
    """The appointment the message invites to."""
    return next((event for event in opened.said.invitations if event.method == "REQUEST"), None)


def _calendar_answer(request: Visit, typed: Mapping[str, str]) -> list[outbox.Attachment]:
    """What the organiser's calendar reads, where the letter answers an invitation."""
    if typed["invitation"] not in _INVITATION_ANSWERS or not typed["answers"]:
        return []
    event = _invited(reading.open_message(request.actor, typed["answers"]))
    account, address = _named(typed["account"])
    sender = address or accounts.show(request.actor, account).address
    if event is None or not sender:
        return []
    text = calendar_answer.answer(event, sender, accepted=typed["invitation"] == "accept", now=timezone.now())
    return [outbox.Attachment("reply.ics", "text/calendar", text.encode())]


def _written(addresses: Sequence[Address]) -> str:
    return ", ".join(typed_address(one.name, one.address) for one in addresses)


def _attribution(opened: reading.OpenMessage) -> str:
    sender = opened.placement.sender
    moment = localtime(opened.placement.sent_at or opened.placement.received_at)
    return _("On %(date)s at %(time)s %(sender)s wrote:") % {
        "date": date_format(moment, pgettext("date format: date", "j M Y")),
        "time": date_format(moment, "H:i"),
        "sender": sender.name or sender.address,
    }


def _heading(opened: reading.OpenMessage) -> str:
    parsed = opened.parsed
    moment = localtime(opened.placement.sent_at or opened.placement.received_at)
    lines = [
        (pgettext("header", "From"), ", ".join(format_address(one.name, one.address) for one in parsed.from_)),
        (pgettext("header", "Date"), date_format(moment, pgettext("date format: full", "D, j F Y, H:i"))),
        (pgettext("header", "Subject"), parsed.subject),
        (pgettext("header", "To"), ", ".join(format_address(one.name, one.address) for one in parsed.to)),
    ]
    return "\n".join([_("---------- Forwarded message ----------"), *(f"{name}: {value}" for name, value in lines)])
