"""Invitations and forgotten passwords: a link by mail, through the office account, by which somebody sets a password of their own.

Law: nobody but its recipient gets to read the link. No copy of the letter is kept, and where a provider keeps one anyway it is not
mailed: whoever sees the office account could take over everybody's log-in.
The token proves itself (Django's password reset tokens): it ends after three days, and with the first password set by it. Asking
for one says nothing about who exists.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.conf import settings as django_settings
from django.utils import translation
from django.utils.translation import gettext

from poststelle.adapters import presets
from poststelle.errors import Invalid, NotFound, NotPermitted, PoststelleError, TooOften
from poststelle.mail.records import AccountRecord, Hindrance, UserRecord
from poststelle.mail.secret import Secret
from poststelle.office import limits, outbox, outgoing_servers
from poststelle.office import people as office
from poststelle.office.actor import SYSTEM, Actor, require_administrator
from poststelle.store import accounts, invitations, people

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invited:
    """`token` goes into the link (to be handed over in person where `mailed` is false)."""

    user: UserRecord
    token: str
    mailed: bool


def invite(actor: Actor, *, email: str, name: str, administrator: bool = False, place: str = "") -> Invited:
    """A new person, who sets a password of their own by the link. Administrators only. Raises Invalid (fields email, name).

    `place`: under which address this installation is being used, where the setting `base_url` does not say.
    """
    require_administrator(actor)
    wrong = office.wrong_person(email, name)
    if wrong:
        raise Invalid(wrong)
    user = people.add_user(email.strip(), name.strip(), None, actor=actor.name, administrator=administrator)
    token = invitations.token_of(user.id)
    people.tell(user.id, "user-invited", actor=actor.name)
    with translation.override(user.language):
        subject = gettext("Your access to Poststelle at %(office)s") % {"office": people.office_name() or ""}
        text = gettext(
            "Hello %(name)s,\n\n%(who)s has set up your access to the office's mail. Choose your password here:\n\n%(link)s\n\n"
            "The link is valid for three days."
        ) % {
            "name": user.name,
            "who": actor.user.name if actor.user else people.office_name(),
            "link": link(token, place),
        }
    return Invited(user, token, _mail(user, subject, text, place))


def ask_for_a_new_password(email: str, place: str = "") -> None:
    """Mail a link to whoever has this address here. The same answer for everybody else. Open to everybody. `place` as for `invite`."""
    user = people.named(email) if "@" in email else None
    if user is None or user.is_service:
        return
    try:
        limits.new_password_by_person.spend(user.id)
    except TooOften:
        return
    with translation.override(user.language):
        subject = gettext("A new password for Poststelle")
        text = gettext(
            "Hello %(name)s,\n\nhere you can choose a new password:\n\n%(link)s\n\n"
            "The link is valid for three days. If you did not ask for it, you need not do anything."
        ) % {"name": user.name, "link": link(invitations.token_of(user.id), place)}
    _mail(user, subject, text, place)


def renew(actor: Actor, user: str) -> Invited:
    """A link for somebody who has lost the password and gets no mail. Only the system may: it opens their mail. Raises NotFound."""
    if actor.user is not None:
        raise NotPermitted("system-only")
    person = people.find_user(user)
    if person.is_service:
        raise NotFound("user-unknown", user=user)
    people.tell(person.id, "user-invited", actor=actor.name)
    return Invited(person, invitations.token_of(person.id), mailed=False)


def look(token: str) -> UserRecord:
    """Whose link it is. Raises NotFound("invitation-unknown")."""
    return invitations.user_of(token)


def accept(token: str, password: Secret) -> UserRecord:
    """Set the password; the link is used up. Raises Invalid({"password": …}), NotFound("invitation-unknown")."""
    user = look(token)
    wrong = office.wrong_password(password)
    if wrong:
        raise Invalid({"password": wrong})
    invitations.set_password(token, password)
    return user


def link(token: str, place: str = "") -> str:
    """The address that opens the page, absolute where the setting `base_url` or `place` says how."""
    return f"{(django_settings.POSTSTELLE.base_url or place).rstrip('/')}/welcome/{token}/"


def hindrance(actor: Actor) -> Hindrance | None:
    """Why links are not mailed just now; None where they are. Administrators only.

    ``links-unsent``: no office account sends; ``links-filed`` (`account`, `provider`): its provider files what is sent.
    """
    require_administrator(actor)
    return _hindrance(accounts.office_account(SYSTEM.reach))


def filed_by(actor: Actor, account: str) -> str:
    """The provider that puts everything this account (id) sends into its folder for sent mail; empty where none does.

    Administrators only. Raises NotFound.
    """
    require_administrator(actor)
    return _filed_by(account)


def _hindrance(sender: AccountRecord | None) -> Hindrance | None:
    if sender is None or not (sender.way_out and sender.active):
        return Hindrance("links-unsent", {})
    # Everybody who sees that mailbox could read the link among its sent mail.
    provider = _filed_by(sender.id)
    return Hindrance("links-filed", {"account": sender.label, "provider": provider}) if provider else None


def _filed_by(account: str) -> str:
    host = outgoing_servers.which(SYSTEM, account).facts.get("host")
    provider = presets.of_host(str(host)) if host else None
    return provider.name if provider is not None and provider.saves_sent else ""


def _mail(user: UserRecord, subject: str, text: str, place: str) -> bool:
    if not (django_settings.POSTSTELLE.base_url or place):
        return False  # a link without a place leads nowhere
    sender: AccountRecord | None = accounts.office_account(SYSTEM.reach)
    if hindered := _hindrance(sender):
        log.warning("a link was not mailed: %s", hindered.code)
    if sender is None or hindered:
        return False
    try:
        outbox.submit(SYSTEM, outbox.Draft(sender.id, to=(user.email,), subject=subject, text=text))
    except PoststelleError as error:
        log.warning("a link could not be mailed: %s", error.code)
        return False
    return True
