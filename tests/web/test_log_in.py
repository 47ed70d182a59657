"""Second factors, who must have one, being asked again before sensitive acts, sessions, forgotten passwords, and limits."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from poststelle.office import departures, feed, groups, hand_over, limits, outbox, people, second_factors, sessions
from poststelle.office.actor import SYSTEM, Actor
from poststelle.store import invitations, models
from poststelle.web import confirming, live
from poststelle.web.login import CONFIRMED
from poststelle.web.pages import log_in
from tests.builders import PASSWORD, an_account
from tests.web.visitor import Visitor, text_of

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(autouse=True)
def _fresh_counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody has tried anything yet, before and after; and nobody waits."""
    monkeypatch.setattr(log_in, "ANSWER_SECONDS", 0.0)
    counted = (limits.links, limits.hand_over, limits.new_password_by_person, limits.new_password_by_place)
    for limit in counted:
        limit.forget()
    cache.clear()
    yield
    for limit in counted:
        limit.forget()
    cache.clear()


def codes_of(secret: str) -> list[str]:
    """What an authenticator app with this key shows just before, now and next."""
    return [format_hotp_value(hotp_value(secret, counter)) for counter in yield_hotp_counters_from_time()]


def set_up_app(visitor: Visitor) -> tuple[str, list[str]]:
    """Scan the picture, type the code; the key and the recovery codes."""
    page = visitor.page("/me/security/authenticator/")
    assert 'src="data:image/svg+xml;base64,' in page
    found = re.search(r'<code class="token">([A-Z2-7]+)</code>', page)
    assert found
    response = visitor.post("/me/security/authenticator/", code=codes_of(found[1])[0])
    assert response["Location"] == "/me/security/codes/"
    return found[1], re.findall(r"<li><code>(\d+)</code>", visitor.page("/me/security/codes/"))


def first_step(address: str, password: str = PASSWORD) -> tuple[Client, Any]:
    """A new browser, and what it gets for name and password."""
    client = Client(headers={"User-Agent": FIREFOX})
    return client, client.post("/login", {"login": address, "password": password})


def is_in(client: Client) -> bool:
    return client.get("/me/").status_code == 200


def kinds(actor: Actor) -> list[str]:
    return [entry.kind for entry in feed.changes(actor, 0, 200).items]


def test_with_an_authenticator_app_the_password_alone_no_longer_opens(ada: Visitor) -> None:
    secret, _ = set_up_app(ada)
    client, response = first_step(ada.user.email)
    assert response["Location"] == "/login/second-step"
    assert not is_in(client)
    wrong = client.post("/login/second-step", {"code": "000000"})
    assert 'role="alert"' in wrong.content.decode()
    client.post("/login/second-step", {"code": codes_of(secret)[1]})
    assert is_in(client)


def test_a_code_opens_once(ada: Visitor) -> None:
    secret, _ = set_up_app(ada)
    used = codes_of(secret)[1]
    for opens in (True, False):
        client, _ = first_step(ada.user.email)
        client.post("/login/second-step", {"code": used})
        assert is_in(client) is opens


def test_recovery_codes_are_shown_once_open_once_and_can_be_made_anew(ada: Visitor) -> None:
    _, codes = set_up_app(ada)
    assert len(set(codes)) == 10
    again = ada.page("/me/security/codes/")
    assert not [code for code in codes if code in again]
    for opens in (True, False):
        client, _ = first_step(ada.user.email)
        client.post("/login/second-step", {"code": codes[0]})
        assert is_in(client) is opens
    assert "9 left" in ada.page("/me/security/")
    ada.post("/me/security/codes/new/")
    client, _ = first_step(ada.user.email)
    client.post("/login/second-step", {"code": codes[1]})
    assert not is_in(client)


def test_the_journal_tells_of_second_factors_without_their_secrets(
    ada: Visitor, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        secret, codes = set_up_app(ada)
        ada.post("/me/security/codes/new/")
        ada.post("/me/security/authenticator/remove/")
    entries = [entry for entry in feed.changes(ada.actor, 0, 200).items if entry.subject == f"user:{ada.user.id}"]
    told = [entry.kind for entry in entries if entry.kind != "user-added"]
    assert sorted(told) == [
        "recovery-codes-made",
        "recovery-codes-made",
        "second-factor-added",
        "second-factor-removed",
    ]
    assert not [entry for entry in entries if any(word in str(entry.facts) for word in (secret, *codes))]


def test_secrets_of_second_factors_are_sealed_at_rest(ada: Visitor) -> None:
    secret, _ = set_up_app(ada)
    kept = [row.data.get("secret") or row.data.get("seed") for row in Authenticator.objects.all()]
    assert len(kept) == 2
    assert secret not in kept
    assert second_factors.unseal(kept[0] if Authenticator.objects.first().type == "totp" else kept[1]) == secret


def test_an_app_can_be_removed_and_its_codes_go_with_it(ada: Visitor) -> None:
    set_up_app(ada)
    ada.post("/me/security/authenticator/remove/")
    assert not Authenticator.objects.exists()
    client, _ = first_step(ada.user.email)
    assert is_in(client)


@pytest.mark.parametrize("page", ["/login/passkey", "/login/second-step", "/me/security/passkey/"])
def test_whatever_a_browser_sends_for_a_passkey_is_a_wrong_passkey(ada: Visitor, page: str) -> None:
    client = ada.client
    if page == "/login/second-step":
        set_up_app(ada)
        client, _ = first_step(ada.user.email)
    elif page == "/login/passkey":
        client = Client()
    for said in (
        "", "null", "5", "[]", '"x"', "{", '{"id": 1}', '{"response": 1}', '{"response": {"userHandle": 5}}',
        '{"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": "AA", "authenticatorData": "AA",'
        ' "signature": "AA", "userHandle": "//8"}}',
    ):  # fmt: skip
        cache.clear()
        client.get(page, headers={"Accept": "application/json"})
        assert client.post(page, {"credential": said, "name": "x"}).status_code in {200, 302}, said
    assert not Authenticator.objects.filter(type="webauthn").exists()
    assert page.startswith("/me") or not is_in(client)


def test_whoever_must_have_a_second_factor_sets_one_up_first(ada: Visitor, bob: Visitor) -> None:
    group = groups.add(ada.actor, "Kanzlei", [bob.user.email])
    ada.post("/people/second-factor/", groups=[group.id])
    for path in ("/", "/mail/", "/me/", "/me/security/", "/mail/tree/", "/live/"):
        assert bob.get(path)["Location"] == "/me/security/needed/", path
    assert bob.part("/mail/tree/", "tree")["HX-Redirect"] == "/"
    assert "Authenticator app" in bob.page("/me/security/needed/")
    set_up_app(bob)
    assert bob.get("/mail/").status_code == 200
    assert ada.get("/mail/").status_code == 200
    ada.post("/people/second-factor/", everybody="1", groups=[group.id])
    assert ada.get("/mail/")["Location"] == "/me/security/needed/"
    assert kinds(SYSTEM).count("second-factor-required") == 2


def test_an_administrator_resets_a_colleague_who_has_lost_everything(ada: Visitor, bob: Visitor) -> None:
    set_up_app(bob)
    assert "Reset the second factor" in ada.page(f"/people/{bob.user.id}/")
    ada.post(f"/people/{bob.user.id}/", deed="reset-factors")
    assert bob.get("/me/").status_code == 302
    client, _ = first_step(bob.user.email)
    assert is_in(client)
    assert "second-factor-reset" in kinds(ada.actor)
    assert bob.post(f"/people/{ada.user.id}/", deed="reset-factors").status_code in {302, 403}


def grown_old(visitor: Visitor) -> None:
    """The visitor's log-in is an hour ago."""
    session = visitor.client.session
    session[CONFIRMED] = time.time() - 3600
    session.save()


def test_a_sensitive_form_sent_late_asks_who_one_is_and_then_goes_on_with_what_was_typed(ada: Visitor) -> None:
    grown_old(ada)
    response = ada.post("/people/", name="Bo", email="bo@amt.test", password=PASSWORD)
    page = response.content.decode()
    assert (response.status_code, "Is it still you?" in page, PASSWORD in page) == (403, True, False)
    assert PASSWORD not in str(dict(ada.client.session))
    assert ada.client.post("/people/", {"confirm-password": "wrong"}).status_code == 403
    assert "bo@amt.test" not in {user.email for user in people.users(SYSTEM)}
    assert ada.client.post("/people/", {"confirm-password": PASSWORD})["Location"] == "/people/"
    assert "bo@amt.test" in {user.email for user in people.users(SYSTEM)}
    assert ada.post("/people/", name="Cy", email="cy@amt.test", password=PASSWORD).status_code == 302


def test_what_waited_goes_on_only_where_it_was_typed(ada: Visitor) -> None:
    grown_old(ada)
    ada.post("/people/", name="Bo", email="bo@amt.test", password=PASSWORD)
    other = ada.client.post("/mailboxes/groups/", {"confirm-password": PASSWORD})
    assert (other.status_code, other["Location"]) == (302, "/mailboxes/groups/")
    assert "bo@amt.test" not in {user.email for user in people.users(SYSTEM)}


def test_a_mistake_in_a_form_that_had_to_wait_is_told_in_the_form(ada: Visitor) -> None:
    grown_old(ada)
    ada.post("/people/", name="Bo", email="ada@amt.test", password=PASSWORD)
    response = ada.client.post("/people/", {"confirm-password": PASSWORD})
    assert response.status_code == 422
    assert 'value="Bo"' in response.content.decode()


def test_mailbox_passwords_wait_sealed_and_arrive(ada: Visitor) -> None:
    grown_old(ada)
    form = {
        "label": "Zentrale", "kind": "synchronised", "scope": "shared", "address": "z@amt.test", "incoming.protocol": "imap",
        "incoming.host": "mail.amt.test", "incoming.port": "993", "incoming.encryption": "tls", "login.username": "z",
        "login.password": "hochgeheim", "outgoing.protocol": "none",
    }  # fmt: skip
    assert ada.client.post("/mailboxes/new/", form).status_code == 403
    assert "hochgeheim" not in str(dict(ada.client.session))
    answer = ada.client.post("/mailboxes/new/", {"confirm-password": PASSWORD})
    assert answer.status_code in {200, 302, 422}
    assert "z@amt.test" in answer.content.decode() or models.Account.objects.filter(label="Zentrale").exists()


def test_with_a_second_factor_its_code_is_as_good_as_the_password(ada: Visitor) -> None:
    secret, _ = set_up_app(ada)
    grown_old(ada)
    assert ada.get("/mailboxes/import/").status_code == 403
    answer = ada.client.post("/mailboxes/import/", {"confirm-code": codes_of(secret)[1]})
    assert answer["Location"] == "/mailboxes/import/"
    assert ada.get("/mailboxes/import/").status_code == 200


def test_a_file_has_to_be_chosen_again_and_the_page_says_so(ada: Visitor) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    grown_old(ada)
    response = ada.client.post("/mailboxes/import/", {"table": SimpleUploadedFile("a.csv", b"label\n")})
    assert "chosen once more" in response.content.decode()


def test_every_name_that_asks_again_is_a_route() -> None:
    from poststelle.run.urls import urlpatterns

    assert {getattr(route, "name", None) for route in urlpatterns} >= confirming.SENDING | confirming.LOOKING


def test_guessing_is_slowed_down_per_person_and_place_and_says_for_how_long(ada: Visitor) -> None:
    for _ in range(5):
        _, response = first_step(ada.user.email, "wrong")
        assert response.status_code == 200
    _, response = first_step(ada.user.email)
    assert (response.status_code, response["Retry-After"]) == (429, "300")
    elsewhere = Client(REMOTE_ADDR="192.0.2.9")
    elsewhere.post("/login", {"login": ada.user.email, "password": PASSWORD})
    assert is_in(elsewhere)


def test_forwarding_headers_are_believed_only_as_far_as_our_own_proxies_wrote_them(ada: Visitor, settings: Any) -> None:
    from django.test import RequestFactory

    from poststelle.web.login import address_of

    request = RequestFactory().get("/", headers={"X-Forwarded-For": "1.1.1.1, 2.2.2.2"})
    seen = []
    for trusted in (0, 1, 2, 3):
        settings.POSTSTELLE = settings.POSTSTELLE.model_copy(update={"trusted_proxies": trusted})
        seen.append(address_of(request))
    assert seen == ["127.0.0.1", "2.2.2.2", "1.1.1.1", "127.0.0.1"]


def test_one_sees_where_one_is_logged_in_and_ends_one_or_all_others(ada: Visitor) -> None:
    (first, _), (second, _) = first_step(ada.user.email), first_step(ada.user.email)
    page = text_of(ada.page("/me/security/"))
    assert page.count("Firefox on Linux") == 2
    name = sessions.name_of(first.session.session_key or "")
    assert first.session.session_key not in ada.page("/me/security/")
    ada.post("/me/security/sessions/", session=name)
    assert (is_in(first), is_in(second), ada.get("/me/").status_code) == (False, True, 200)
    ada.post("/me/security/sessions/")
    assert (is_in(second), ada.get("/me/").status_code) == (False, 200)
    assert ada.post("/me/security/sessions/", session=name).status_code == 404


def test_nobody_ends_somebody_elses_session(ada: Visitor, bob: Visitor) -> None:
    name = sessions.name_of(ada.client.session.session_key or "")
    assert bob.post("/me/security/sessions/", session=name).status_code == 404
    assert ada.get("/me/").status_code == 200


def test_a_blocked_persons_sessions_end_at_once_and_do_not_come_back(ada: Visitor, bob: Visitor) -> None:
    departures.block(ada.actor, bob.user.id)
    assert bob.get("/me/").status_code == 302
    departures.unblock(ada.actor, bob.user.id)
    assert bob.get("/me/").status_code == 302


def test_an_administrator_logs_a_colleague_out_everywhere(ada: Visitor, bob: Visitor) -> None:
    ada.post(f"/people/{bob.user.id}/", deed="end-sessions")
    assert bob.get("/me/").status_code == 302
    assert "sessions-ended" in kinds(ada.actor)


def test_a_session_ends_when_it_is_not_used_and_after_a_week_in_any_case(ada: Visitor, bob: Visitor) -> None:
    models.Session.objects.filter(user=ada.user.id).update(seen_at=timezone.now() - timedelta(hours=13))
    assert ada.get("/me/").status_code == 302
    session = bob.client.session
    session["began"] = time.time() - 8 * 86400
    session.save()
    assert bob.get("/me/").status_code == 302
    assert not models.Session.objects.filter(user__isnull=False).exists()


def test_what_an_open_page_asks_for_by_itself_keeps_no_log_in_alive(ada: Visitor) -> None:
    long_ago = timezone.now() - timedelta(hours=11)
    rows = models.Session.objects.filter(user=ada.user.id)
    rows.update(seen_at=long_ago)
    ada.part("/mail/tree/", "tree")
    assert rows.get().seen_at == long_ago
    ada.get("/mail/")
    assert rows.get().seen_at > long_ago


def test_a_forgotten_password_comes_back_by_mail_in_the_persons_language(ada: Visitor, bob: Visitor) -> None:
    an_account(ada.actor, office_account=True)
    people.set_language(bob.actor, "de")
    said = [
        text_of(Client().post("/login/forgotten", {"email": address}).content.decode())
        for address in (bob.user.email, "nobody@amt.test", "", "x" * 500)
    ]
    assert len(set(said)) == 1
    (sent,) = outbox.page(ada.actor).items
    assert sent.recipients[0].address == bob.user.email
    assert sent.subject == "Ein neues Passwort für Poststelle"
    for _ in range(5):
        Client().post("/login/forgotten", {"email": bob.user.email})
    assert len(outbox.page(ada.actor).items) == 3
    refused = [Client().post("/login/forgotten", {"email": "x@y.test"}) for _ in range(3)][-1]
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 3000


def test_a_new_password_ends_every_log_in(ada: Visitor, bob: Visitor) -> None:
    token = invitations.token_of(bob.user.id)
    fresh = "ein ganz anderes Passwort"
    assert Client().post(f"/welcome/{token}/", {"password": fresh, "again": fresh})["Location"] == "/login"
    assert bob.get("/me/").status_code == 302
    client, _ = first_step(bob.user.email, fresh)
    assert is_in(client)


def test_one_changes_ones_own_password_and_stays_in_alone(ada: Visitor) -> None:
    other, _ = first_step(ada.user.email)
    fresh = "ein ganz anderes Passwort"
    for password, again, told in (
        (fresh, "x", "not the same"),
        ("kurz", "kurz", "field-password-error"),
        (fresh, fresh, ""),
    ):
        response = ada.post("/me/security/password/", password=password, again=again)
        assert response.status_code == (422 if told else 302)
        assert told in response.content.decode()
    assert (is_in(ada.client), is_in(other)) == (True, False)
    client, _ = first_step(ada.user.email, fresh)
    assert is_in(client)
    grown_old(ada)
    assert ada.post("/me/security/password/", password=PASSWORD, again=PASSWORD).status_code == 403


def test_guessing_links_is_limited(ada: Visitor) -> None:
    answers = [Client().get("/welcome/guess/").status_code for _ in range(31)]
    assert answers == [404] * 30 + [429]
    assert Client().get("/hand-over/guess/").status_code == 429
    assert Client().get(f"/welcome/{invitations.token_of(ada.user.id)}/").status_code == 200


def test_passwords_tried_through_one_hand_over_link_are_limited(
    busy_ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = an_account(busy_ada.actor)
    token, _ = hand_over.create(busy_ada.actor, account.id)
    monkeypatch.setattr(limits, "hand_over", limits.Limit("too-many-tries", 1, 60))
    assert Client().post(f"/hand-over/{token}/", {"password": ""}).status_code == 422
    assert Client().post(f"/hand-over/{token}/", {"password": ""}).status_code == 429


def test_more_open_windows_than_anybody_needs_are_told_to_wait(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(live._streams, ada.user.id, live.MOST_STREAMS)
    response = ada.get("/live/")
    assert (response.status_code, response["Retry-After"]) == (429, "15")


def test_a_program_never_logs_in(ada: Visitor) -> None:
    ada.post("/people/", service="1", name="Scanner", email="scanner@amt.test")
    row = models.User.objects.get(email="scanner@amt.test")
    row.set_password(PASSWORD)
    row.save()
    client, response = first_step("scanner@amt.test")
    assert response["Location"] == "/blocked"
    assert not is_in(client)
    page = ada.post(f"/people/{row.pk}/", deed="new-token", name="Halle", scopes=["send"], days="30").content.decode()
    found = re.search(r'<code class="token">(ps_[^<]+)</code>', page)
    assert found
    assert Client().get("/api/v1/me", headers={"authorization": f"Bearer {found[1]}"}).status_code == 403
    (token,) = models.Token.objects.filter(user=row)
    ada.post(f"/people/{row.pk}/", deed="revoke-token", token=str(token.pk))
    assert not models.Token.objects.filter(user=row).exists()


def test_nobody_makes_a_token_for_a_colleague(ada: Visitor, bob: Visitor) -> None:
    assert ada.post(f"/people/{bob.user.id}/", deed="new-token", name="x", scopes=["read"]).status_code == 403
    assert not models.Token.objects.filter(user=bob.user.id).exists()
