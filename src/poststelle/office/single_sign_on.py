"""Single sign-on at the counter: whom the office's identity provider means.

Law: a person is found by the provider's own name for them, and the first time by their verified e-mail address; never by one that is
not verified, and never a second name for somebody who has one (addresses change hands). Nobody new comes in this way unless the setting
``oidc_sign_up`` says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings as django_settings

from poststelle.errors import NotPermitted
from poststelle.mail.address import is_addr_spec
from poststelle.mail.records import UserRecord
from poststelle.office.actor import Actor
from poststelle.store import journal, people, second_factors

CLOCKS_DIFFER = 60
"""Seconds the provider's clock may lag behind ours."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the identity provider says. `subject` is its own name for the person, `verified` whether it vouches for the address."""

    provider: str
    subject: str
    email: str
    verified: bool
    name: str


def admit(claim: Claim) -> UserRecord:
    """Whom the provider means; linked and journaled the first time. Raises NotPermitted("sign-on-…")."""
    if not claim.subject:
        raise NotPermitted("sign-on-nobody")
    known = second_factors.linked_user(claim.provider, claim.subject)
    if known is not None:
        user = people.named(known)
        if user is None or user.is_service:
            raise NotPermitted("sign-on-nobody")
        return user
    if not claim.verified or not is_addr_spec(claim.email):
        raise NotPermitted("sign-on-unverified")
    user = people.named(claim.email)
    if user is None:
        if not django_settings.POSTSTELLE.oidc_sign_up or people.is_known(claim.email):
            raise NotPermitted("sign-on-nobody")
        name = claim.name.strip()[:200] or claim.email
        user = people.add_user(claim.email, name, None, actor=journal.SYSTEM)
    if user.is_service or second_factors.is_linked(user.id, claim.provider):
        raise NotPermitted("sign-on-other")
    second_factors.link(user.id, claim.provider, claim.subject, actor=user.email)
    return user


def confirm(actor: Actor, claim: Claim, *, proved_at: object, asked_at: float) -> None:
    """The provider was asked (at `asked_at`, seconds since 1970) to have the acting person prove again who they are.

    `proved_at` is its ``auth_time`` (OpenID Connect Core 1.0, section 2), without which nobody could tell. Raises
    NotPermitted("sign-on-not-you", "sign-on-not-asked").
    """
    if actor.user is None or second_factors.linked_user(claim.provider, claim.subject) != actor.user.id:
        raise NotPermitted("sign-on-not-you")
    if not isinstance(proved_at, int) or not asked_at or proved_at < asked_at - CLOCKS_DIFFER:
        raise NotPermitted("sign-on-not-asked")
