"""What a test and a discovery advise: fixes, hints about providers and where settings were found, as sentences and words.

Law: every code of `adapters.diagnosis`, `adapters.providers` and `adapters.discover` has its words here, in German and English
(a test looks each up). This module does not know what was tested or found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from poststelle.mail.records import Fix
from poststelle.office.wording import Text

FIXES: Mapping[str, Text] = {
    "use-starttls": _("Use STARTTLS on port %(port)s"),
    "use-tls": _("Use TLS on port %(port)s"),
    "use-usual-port": _("Use port %(port)s"),
    "receive-by-pop3": _("Receive by POP3"),
    "use-name-of-certificate": _("Use the server name “%(host)s”"),
    "accept-other-name": _("Accept the certificate for “%(name)s”"),
    "pin-certificate": _("Accept exactly this certificate"),
    "use-username": _("Use the user name “%(username)s”"),
    "choose-mechanism-automatically": _("Choose the log-in method automatically"),
    "send-without-login": _("Send without a log-in"),
    "send-with-login": _("Log in for sending as for receiving"),
    "allow-old-tls": _("Allow outdated TLS for this server"),
    "inbox-is-root": _("Take the inbox as root"),
    "push-off": _("Look at intervals"),
    "keep-sent-here": _("Keep sent mail here only"),
    "take-for-sent": _("Take “%(sent)s” for sent mail"),
}
"""What the button of a fix says."""

HINTS: Mapping[str, Text] = {
    "enable-access": _("Switch on access for mail programs (IMAP, POP3, SMTP) on the provider's web page first."),
    "app-password-with-2fa": _("With two-factor log-in the provider wants an app password."),
    "app-password-with-2fa-only": _("The provider takes an app password, and only where two-factor log-in is on."),
    "app-password-only": _("The provider takes app passwords only."),
    "google-oauth": _("Google's own log-in (OAuth) comes with a later version."),
    "oauth-only": _(
        "The provider takes no passwords, only its own log-in page (OAuth), which comes with a later version."
    ),
    "own-password": _("The provider wants a password of its own for mail programs; it is set on its web page."),
    "account-protection": _("If “additional account protection” is on, mail programs must be allowed there."),
    "username-unsure": _(
        "It is not known how the user name is written: try the whole address, then the part before the @."
    ),
    "icloud-own-domain": _("Addresses of an own domain log in with the iCloud address."),
    "paid-plan-only": _("The provider allows mail programs in paid plans only."),
    "no-open-protocol": _("The provider allows no mail programs: this mailbox can only be used on its own pages."),
    "bridge-only": _("The provider allows mail programs only through its own bridge on the same machine."),
    "exchange": _(
        "An Exchange server answers here. Ask its administrator for IMAP and SMTP; Exchange itself comes with a later version."
    ),
}
"""What to know of a provider."""

SOURCES: Mapping[str, Text] = {
    "preset": _("known provider"),
    "mx": _("provider the domain's mail goes to"),
    "autoconfig": _("published by the mail domain"),
    "database": _("public database of mail programs"),
    "srv": _("name service of the domain"),
    "autodiscover": _("Exchange Autodiscover"),
    "guess": _("guessed, a server answers there"),
}
"""Where settings were found."""


def fix_sentence(fix: Fix) -> str:
    """What the button of a fix says, in the language now active."""
    told: defaultdict[str, object] = defaultdict(lambda: "…", _values(fix.change))
    return str(FIXES.get(fix.code, fix.code)) % told


def certificate_lines(detail: Mapping[str, object]) -> list[tuple[str, str]]:
    """The certificate a server has shown, to be compared before it is accepted: what each thing is called, and what it is.

    Empty where the step or the trouble knows of none.
    """
    listed = detail.get("names")
    told = {
        _("Issued to"): detail.get("subject"),
        _("Names"): ", ".join(map(str, listed)) if isinstance(listed, list) else "",
        _("Issued by"): detail.get("issuer"),
        _("Valid"): " – ".join(_day(detail.get(name)) for name in ("not_before", "not_after") if detail.get(name)),
        _("Fingerprint (SHA-256)"): _digits(detail.get("fingerprint")),
        _("Fingerprint of its key (SHA-256)"): _digits(detail.get("key")),
        _("Accepted until now"): _digits(detail.get("old_fingerprint")),
    }
    return [(str(name), str(value)) for name, value in told.items() if value] if detail.get("fingerprint") else []


def _day(text: object) -> str:
    return date_format(datetime.fromisoformat(str(text)), pgettext("date format: date", "j M Y"))


def _digits(digest: object) -> str:
    """In pairs, as other programs show it."""
    text = str(digest or "").upper()
    return ":".join(text[place : place + 2] for place in range(0, len(text), 2))


def hint_sentence(hint: str) -> str:
    """A hint about a provider."""
    return str(HINTS.get(hint, hint))


def source_words(source: str) -> str:
    """Where settings were found."""
    return str(SOURCES.get(source, source))


def _values(change: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Every value in it with the last part of its path."""
    for name, value in change.items():
        if isinstance(value, Mapping):
            yield from _values(value)
        elif isinstance(value, list):
            yield name, " / ".join(map(str, value))
        else:
            yield name, value
