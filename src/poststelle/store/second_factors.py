"""What people have beside their password: authenticator app, passkeys, recovery codes, and who must have one.

The rows are django-allauth's own (its ``Authenticator`` and ``SocialAccount``), which only the log-in pages write; here they are read,
and taken away when an administrator resets somebody. Their secrets are sealed by `seal_text` (RELIABILITY Q30).
"""

from __future__ import annotations

from base64 import b85decode, b85encode

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import transaction

from poststelle.mail.records import FactorsRecord, PasskeyRecord
from poststelle.mail.secret import Secret
from poststelle.store import journal
from poststelle.store.access import Reach
from poststelle.store.login_rows import keys
from poststelle.store.models import Group, Office, User
from poststelle.store.rows import one_row
from poststelle.store.secrets import Place, seal, unseal

_FOR_EVERYBODY = "second_factor"
_PLACE = Place("mfa_authenticator", "-", "data", 0)
_LACKING = (
    "SELECT NOT EXISTS (SELECT 1 FROM mfa_authenticator a WHERE a.user_id = %s AND a.type <> 'recovery_codes')"
    " AND (EXISTS (SELECT 1 FROM store_office o WHERE json_extract(o.preferences, '$.second_factor'))"
    " OR EXISTS (SELECT 1 FROM store_group_members m JOIN store_group g ON g.id = m.group_id"
    " WHERE m.user_id = %s AND g.needs_second_factor))"
)


def of(user_id: str) -> FactorsRecord:
    """What the person has."""
    rows = list(Authenticator.objects.filter(user=user_id).order_by("pk"))
    passkeys = [
        PasskeyRecord(row.pk, row.wrap().name, row.created_at, row.last_used_at)
        for row in rows
        if row.type == Authenticator.Type.WEBAUTHN
    ]
    codes = next((row for row in rows if row.type == Authenticator.Type.RECOVERY_CODES), None)
    return FactorsRecord(
        any(row.type == Authenticator.Type.TOTP for row in rows), tuple(passkeys),
        len(codes.wrap().get_unused_codes()) if codes else 0,
        User.objects.get(pk=user_id).has_usable_password(), SocialAccount.objects.filter(user=user_id).exists(),
    )  # fmt: skip


def is_lacking(user_id: str) -> bool:
    """The person must have a second factor and has none. Asked at every page: one plain statement."""
    bare = user_id.replace("-", "")
    row = one_row(_LACKING, [bare, bare])
    return bool(row and row[0])


def reset(user_id: str, *, actor: str) -> int:
    """Take everything away, the link to the identity provider too; how much there was."""
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        gone: int = Authenticator.objects.filter(user=user).delete()[0]
        gone += SocialAccount.objects.filter(user=user).delete()[0]
        journal.write(user.pool_id, actor, "second-factor-reset", f"user:{user.pk}", facts={"email": user.email})
    return gone


def required(reach: Reach) -> tuple[bool, frozenset[str]]:
    """Whether everybody must have one, and the ids of the groups whose members must."""
    office = Office.objects.values_list("preferences", flat=True).first() or {}
    groups = Group.objects.filter(pool=reach.pool, needs_second_factor=True).values_list("pk", flat=True)
    return bool(office.get(_FOR_EVERYBODY)), frozenset(map(str, groups))


def require(reach: Reach, *, everybody: bool, groups: frozenset[str], actor: str) -> None:
    """Who must have one from now on. `groups` are ids of this pool's."""
    if (everybody, groups) == required(reach):
        return
    with transaction.atomic():
        office = Office.objects.get()
        office.preferences = office.preferences | {_FOR_EVERYBODY: everybody}
        office.save(update_fields=["preferences"])
        rows = Group.objects.filter(pool=reach.pool)
        rows.filter(pk__in=groups).update(needs_second_factor=True)
        rows.exclude(pk__in=groups).update(needs_second_factor=False)
        names = sorted(rows.filter(pk__in=groups).values_list("name", flat=True))
        facts = {"everybody": everybody, "groups": names}
        journal.write(reach.pool, actor, "second-factor-required", "office:1", facts=facts)


def linked_user(provider: str, uid: str) -> str | None:
    """Whom the identity provider's name for somebody belongs to (user id)."""
    found = SocialAccount.objects.filter(provider=provider, uid=uid).values_list("user_id", flat=True).first()
    return str(found) if found else None


def is_linked(user_id: str, provider: str) -> bool:
    """Whether the identity provider's name for this person is known already."""
    return bool(SocialAccount.objects.filter(user=user_id, provider=provider).exists())


def linked() -> int:
    """How many people the identity provider's names are known of."""
    return int(SocialAccount.objects.values("user").distinct().count())


def link(user_id: str, provider: str, uid: str, *, actor: str) -> None:
    """From now on the identity provider's name for this person is this one."""
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        SocialAccount.objects.create(user=user, provider=provider, uid=uid, extra_data={})
        facts = {"provider": provider, "email": user.email}
        journal.write(user.pool_id, actor, "sign-on-linked", f"user:{user.pk}", facts=facts)


def seal_text(text: str) -> str:
    """A secret of the log-in library, to be kept in a text column."""
    return b85encode(seal(keys(), Secret(text), _PLACE)).decode("ascii")


def unseal_text(text: str) -> str:
    """The secret again. Raises Conflict("secret-unreadable")."""
    try:
        sealed = b85decode(text)
    except ValueError:
        sealed = b""
    return unseal(keys(), sealed, _PLACE).reveal()
