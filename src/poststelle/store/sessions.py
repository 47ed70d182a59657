"""Where people are logged in: Django's sessions in a table of our own that says whose they are.

Laws: a session ends seven days after its log-in, and twelve hours after it was last used (RELIABILITY Q72); nothing keeps it alive
beyond that. What ends it deletes the row, and the next request finds nobody. The key is the secret: people and pages name a session
by a digest of it. When it began and from where stands in its data, because log-in makes the row anew.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import transaction
from django.utils import timezone

from poststelle.errors import NotFound
from poststelle.mail.records import SessionRecord
from poststelle.store import journal
from poststelle.store.rows import moment, one_row, stored

LIFETIME, IDLE = timedelta(days=7), timedelta(hours=12)
_STRANGERS = timedelta(hours=1)
_NOTED_EVERY = timedelta(minutes=5)
_BEGAN, _AGENT, _ADDRESS = "began", "agent", "address"


class SessionStore(DatabaseStore):
    """Django's session engine (setting SESSION_ENGINE). `seen_at`: when it was last used, once it has been read."""

    seen_at: datetime | None = None

    @classmethod
    def get_model_class(cls) -> Any:
        """The table. Imported late: the engine is loaded before the tables are."""
        from poststelle.store.models import Session

        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """The row, with whose it is."""
        row: Any = super().create_model_instance(data)
        row.user_id = data.get(SESSION_KEY)
        if row.user_id is None:
            # Anybody can make one by asking for the log-in page.
            row.expire_date = timezone.now() + _STRANGERS
        # A save is no use of it: what a page asks for by itself may save, too.
        row.seen_at = self.seen_at or row.seen_at
        return row

    async def acreate_model_instance(self, data: dict[str, Any]) -> Any:
        """The same."""
        return await sync_to_async(self.create_model_instance)(data)

    def load(self) -> dict[str, Any]:
        """What is in it; empty once it has ended."""
        now = timezone.now()
        # By plain SQL: every request begins with this.
        row = one_row(
            "SELECT session_data, user_id, seen_at FROM store_session WHERE session_key = %s AND expire_date > %s",
            [self.session_key, stored(now)],
        )
        if row is None:
            self._session_key = None
            return {}
        data: dict[str, Any] = self.decode(row[0])
        seen_at = moment(row[2])
        if row[1] is not None and (now - seen_at > IDLE or now - began(data, seen_at) > LIFETIME):
            self.model.objects.filter(pk=self.session_key).delete()
            self._session_key = None
            return {}
        self.seen_at = seen_at
        return data

    async def aload(self) -> dict[str, Any]:
        """The same."""
        return await sync_to_async(self.load)()


def begin(store: Any, *, agent: str, address: str) -> None:
    """Note with a session that has just been logged in when, with what and from where."""
    store[_BEGAN] = timezone.now().timestamp()
    store[_AGENT], store[_ADDRESS] = agent[:200], address


def began(data: dict[str, Any], otherwise: datetime) -> datetime:
    """When a session with this data began."""
    at = data.get(_BEGAN)
    return datetime.fromtimestamp(at, UTC) if isinstance(at, float) else otherwise


def used(store: Any) -> None:
    """The session was used just now by its person; written down every five minutes, because a write makes others wait."""
    now, seen = timezone.now(), getattr(store, "seen_at", None)
    if seen is not None and now - seen > _NOTED_EVERY:
        store.model.objects.filter(pk=store.session_key).update(seen_at=now)


def name_of(key: str) -> str:
    """What a session is called where its key must not be seen."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]


def of(user_id: str) -> list[SessionRecord]:
    """Where the person is logged in, most recently used first."""
    found = []
    store, now = SessionStore(), timezone.now()
    model = SessionStore.get_model_class()
    for row in model.objects.filter(user=user_id, expire_date__gt=now, seen_at__gt=now - IDLE).order_by("-seen_at"):
        data = store.decode(row.session_data)
        since = began(data, row.seen_at)
        if now - since <= LIFETIME:
            record = SessionRecord(
                name_of(row.pk), str(data.get(_AGENT, "")), str(data.get(_ADDRESS, "")), since, row.seen_at
            )
            found.append(record)
    return found


def end(user_id: str, name: str, *, actor: str) -> None:
    """End the one with that name. Raises NotFound."""
    rows = SessionStore.get_model_class().objects.filter(user=user_id)
    key = next((key for key in rows.values_list("pk", flat=True) if name_of(key) == name), None)
    if key is None:
        raise NotFound("session-unknown")
    _end(rows.filter(pk=key), user_id, actor)


def end_all(user_id: str, *, actor: str, keep: str = "") -> int:
    """End all of a person's, but for the one named `keep`; how many there were."""
    rows = SessionStore.get_model_class().objects.filter(user=user_id)
    ending = [key for key in rows.values_list("pk", flat=True) if name_of(key) != keep]
    return _end(rows.filter(pk__in=ending), user_id, actor)


def clear() -> None:
    """Forget what has ended by itself."""
    model = SessionStore.get_model_class()
    model.objects.filter(expire_date__lt=timezone.now()).delete()
    model.objects.filter(user__isnull=False, seen_at__lt=timezone.now() - IDLE).delete()


def _end(rows: Any, user_id: str, actor: str) -> int:
    from poststelle.store.models import User

    with transaction.atomic():
        ended: int = rows.delete()[0]
        if ended:
            user = User.objects.get(pk=user_id)
            journal.write(user.pool_id, actor, "sessions-ended", f"user:{user.pk}", facts={"sessions": ended})
    return ended
