"""Authenticator apps and passkeys as django-allauth does them, in this house: names, sealed secrets, and forms that bear bad input.

A passkey here always proves its person (PIN, finger, face) and is kept by its device, so that it can also log in without a password.
"""

from __future__ import annotations

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from poststelle.office import people, second_factors


class SecondStepAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Secrets are sealed with the installation's key; the office's name is what apps and devices show."""

    def get_totp_issuer(self) -> str:
        """What an authenticator app writes above the code."""
        return self._get_site_name()

    def encrypt(self, text: str) -> str:
        """Sealed, for the database."""
        return second_factors.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """What was sealed."""
        return second_factors.unseal(encrypted_text)

    def generate_authenticator_name(self, user: object, type: object) -> str:  # noqa: A002, ARG002  (allauth's signature)
        """What a passkey without a name is called."""
        return _("Passkey")

    def _get_site_name(self) -> str:
        # A colon separates issuer and name in an otpauth address.
        return f"Poststelle {people.office_name() or ''}".replace(":", " ").strip()


class _Bearing:
    """Whatever a browser sends instead of a credential is a wrong credential, and no failure of ours."""

    def clean(self) -> Any:
        return _borne(super().clean)  # type: ignore[misc]  # a form's

    def clean_credential(self) -> Any:
        return _borne(super().clean_credential)  # type: ignore[misc]  # a form's


def _borne(step: Any) -> Any:
    try:
        return step()
    except ValidationError:
        raise
    # The parsers below raise whatever the malformed value happens to run into.
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise get_adapter().validation_error("incorrect_code") from error


class AddPasskey(AddWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """A new passkey."""

    def clean(self) -> Any:
        """Only one that proves its person."""

        def made() -> Any:
            self.cleaned_data["passwordless"] = True
            return super(AddPasskey, self).clean()

        return _borne(made)

    def clean_name(self) -> str:
        """At most 60 letters."""
        return str(super().clean_name())[:60]


class UsePasskey(_Bearing, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """As the second step of a log-in."""


class EnterByPasskey(_Bearing, LoginWebAuthnForm):  # type: ignore[misc]
    """Instead of a password."""


class ConfirmByPasskey(_Bearing, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """Before a sensitive act."""
