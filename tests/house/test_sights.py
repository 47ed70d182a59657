"""The list of pages that are looked at (tests/journeys/sights.py) leaves none out."""

from __future__ import annotations

from django.urls import URLPattern, get_resolver

from tests.journeys.sights import ROUTES

PARTS = "choose complete correspondents found here look message-body note palette targets tree tree-menu arrivals live"
"""Of a page that is in the list."""
DEEDS = (
    "accept-loss account_logout distrust egress-allow egress-revoke folder-delete folder-empty folder-new folder-read folder-rename handle invite language "
    "ledger-compare list-look outbox-decide outgoing-decide login-remove mailbox-folder-new mailbox-line mailbox-retry mailbox-revoke mailbox-transcript mark "
    "password preferences send-receive server-remove sessions-end theme token token-revoke tree-arrange tree-fold tree-mount "
    "tree-move tree-remove tree-rename tree-reset trust undo unreadable-retry verify work"
)
"""Posted to; what they answer is another page or a note on it."""
FILES = "alive attachment attachments-zip export icon mail-frame mailbox-transcript-file metrics original picture probe-report ready"
"""Read by programs, saved, or shown inside a page."""
ON_THE_WAY = (
    "account_inactive home mfa_authenticate mfa_deactivate_totp mfa_generate_recovery_codes mfa_login_webauthn mfa_remove_webauthn "
    "mfa_view_recovery_codes openid_connect_callback probe probe-new mailbox-move-test server-test server-test-new second-factor-needed second-factor-rule set-up sign-on "
    "sign-on-prove confirmed"
)
"""Seen only in the middle of something: their own journeys lead there."""


def test_every_page_is_looked_at() -> None:
    named = {one.name for one in get_resolver().url_patterns if isinstance(one, URLPattern) and one.name}
    known = {*ROUTES, *f"{PARTS} {DEEDS} {FILES} {ON_THE_WAY}".split()}
    assert sorted(named - known) == []
