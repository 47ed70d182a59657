"""Folders, messages, where they lie, and what their server has still to be told.

A `Message` is immutable and unique per data pool and SHA-256; where it lies is a `Placement`; bytes live in segments and are named
by (segment, offset, length). Parsed columns of a message can always be recomputed from its bytes.
"""

from __future__ import annotations

from django.db import models

from poststelle.mail.ports import Role
from poststelle.store.ids import uuid7
from poststelle.store.tables.mailbox import Account
from poststelle.store.tables.people import Pool


class Folder(models.Model):
    """A folder of an account, with its cursor and counts. `vanished_at`: the server no longer lists it.

    `place`: ``remote`` (the server's), ``local`` (kept here only: archives, folders made by hand, those of fetch-only accounts)
    or ``limbo`` (what is being deleted, until its server confirms: never shown). `identity`: RemoteFolder.identity.
    `choices` holds what people set: ``show``, ``fetch``, ``process``, ``role``. `ledger`: the latest comparison with the server.
    `fetch_wanted_at`: somebody wants it fetched once although it is not fetched otherwise, until it has been reported whole.
    `cursors_lost`: when within the last day (seconds since 1970). `keywords`: those ever seen in it, `unkept`: those its server does
    not keep, so that they stay here only (store.keywords).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="folders")
    remote_id = models.TextField()
    path = models.JSONField()
    role = models.CharField(max_length=10, default=Role.NONE.value)
    selectable = models.BooleanField(default=True)
    place = models.CharField(max_length=10, default="remote")
    identity = models.CharField(max_length=255, blank=True)
    subscribed = models.BooleanField(default=True)
    rights = models.CharField(max_length=40, null=True)  # noqa: DJ001 - no word of the server's and no rights differ
    owner = models.CharField(max_length=255, blank=True)
    choices = models.JSONField(default=dict)
    ledger = models.JSONField(null=True)
    ledger_at = models.DateTimeField(null=True)
    vanished_at = models.DateTimeField(null=True)
    cursor = models.TextField(null=True)  # noqa: DJ001 - no cursor and an empty one differ
    generation = models.PositiveIntegerField(default=1)
    swept = models.PositiveIntegerField(default=1)
    cursors_lost = models.JSONField(default=list)
    whole = models.BooleanField(default=False)
    fetch_wanted_at = models.DateTimeField(null=True)
    loss_accepted = models.BooleanField(default=False)
    total = models.PositiveIntegerField(default=0)
    unread = models.PositiveIntegerField(default=0)
    keywords = models.JSONField(default=list)
    unkept = models.JSONField(default=list)
    remaining = models.PositiveIntegerField(default=0)
    synced_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "remote_id"], name="folder_is_unique_in_its_account")]
        # The tree asks for what is still coming, and in nearly every folder nothing is.
        indexes = [
            models.Index(
                fields=["account", "remaining"], name="folder_still_coming", condition=models.Q(remaining__gt=0)
            )
        ]


class Segment(models.Model):
    """One immutable object holding the bytes of a batch of messages (store.blobs)."""

    name = models.CharField(max_length=80, unique=True)
    bytes = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)


class Message(models.Model):
    """The bytes of a message and what a list needs to know of them."""

    # Every index that matters begins with the pool anyway.
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, db_index=False)
    sha256 = models.BinaryField(max_length=32)
    size = models.BigIntegerField()
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT)
    offset = models.BigIntegerField()
    length = models.BigIntegerField()
    subject = models.TextField()
    from_name = models.TextField()
    from_address = models.TextField()
    recipients = models.TextField()
    sent_at = models.DateTimeField(null=True)
    message_id = models.TextField()
    references = models.TextField()
    preview = models.TextField()
    has_attachments = models.BooleanField()
    defects = models.TextField()
    thread = models.BigIntegerField(db_default=0, default=0, db_index=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "sha256"], name="message_is_kept_once_per_pool")]
        indexes = [
            models.Index(fields=["pool", "message_id"], name="message_by_message_id"),
            models.Index(fields=["pool", "-id"], condition=~models.Q(defects=""), name="message_with_defects"),
        ]


class ThreadLink(models.Model):
    """Which thread a Message-ID (BLAKE2b, 16 bytes) belongs to, whether its message is here or only referred to."""

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    name = models.BinaryField(max_length=16)
    thread = models.BigIntegerField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "name"], name="thread_link_once_per_pool")]


class ThreadTopic(models.Model):
    """What a dated message is about: its base subject (BLAKE2b, 16 bytes). `loose`: a reply that refers to nothing."""

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, db_index=False)
    message = models.OneToOneField(Message, on_delete=models.CASCADE)
    name = models.BinaryField(max_length=16)
    day = models.IntegerField()
    loose = models.BooleanField()

    class Meta:
        indexes = [
            models.Index(fields=["pool", "name", "day"], name="thread_topic_by_name"),
            models.Index(fields=["pool", "name"], condition=models.Q(loose=True), name="thread_topic_loose"),
        ]


class Placement(models.Model):
    """Where a message lies, with its flags there. `generation`: the last one that confirmed it.

    `remote_id` is the server's, or ``pending.<errand>`` until the server has said where it put the message, or ``local.<hex>``
    for what no server holds (any more). `cached_at`: when a look at the server last showed it, where it is not kept for good (live
    view); null for everything else. `thread`, `has_attachments`, `size`, `by_sender` and `by_subject` repeat what the message
    says (store.repeated), so that lists are read from the index alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="placements", db_index=False)
    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="placements")
    remote_id = models.TextField()
    flags = models.TextField()
    seen = models.BooleanField()
    received_at = models.DateTimeField()
    ordinal = models.BigIntegerField()
    generation = models.PositiveIntegerField()
    cached_at = models.DateTimeField(null=True)
    thread = models.BigIntegerField(db_default=0, default=0)
    has_attachments = models.BooleanField(db_default=False, default=False)
    size = models.BigIntegerField(db_default=0, default=0)
    by_sender = models.CharField(max_length=24, db_default="", default="")
    by_subject = models.CharField(max_length=24, db_default="", default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["folder", "remote_id"], name="placement_is_unique_in_its_folder")
        ]
        # The first four columns are the order; the others make the index answer alone (bench/lists.py).
        indexes = [
            models.Index(
                fields=[
                    "folder", "-received_at", "-ordinal", "-id", "message", "thread", "flags", "has_attachments", "size",
                    "by_sender", "by_subject",
                ],
                name="placement_newest_first",
            ),
            models.Index(
                fields=[
                    "folder", "-received_at", "-ordinal", "-id", "message", "thread", "flags", "has_attachments", "size",
                    "by_sender", "by_subject", "seen",
                ],
                condition=models.Q(seen=False),
                name="placement_unread_newest_first",
            ),
            models.Index(
                fields=["thread", "-received_at", "-ordinal", "-id", "folder", "message", "seen"],
                name="placement_by_thread",
            ),
            models.Index(
                fields=["folder", "cached_at"], condition=models.Q(cached_at__isnull=False), name="placement_cached"
            ),
        ]  # fmt: skip


class LiveWish(models.Model):
    """Somebody wants to see what the server has in a folder that is not fetched: a window of it, or what the server finds.

    `before`: the placement the window begins behind. `found`: placements, newest first. `more`: the server may have more behind.
    """

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="wishes")
    before = models.UUIDField(null=True)
    words = models.JSONField(default=list)
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    trouble = models.JSONField(null=True)
    found = models.JSONField(default=list)
    more = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["folder", "id"], condition=models.Q(answered_at=None), name="live_wish_open")]


class SetAside(models.Model):
    """A message the server has and we could not take: counted, shown and tried again."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="set_aside")
    remote_id = models.TextField()
    code = models.CharField(max_length=60)
    attempts = models.PositiveIntegerField(default=1)
    flags = models.TextField()
    received_at = models.DateTimeField()
    ordinal = models.BigIntegerField()
    size = models.BigIntegerField()
    generation = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["folder", "remote_id"], name="set_aside_once_per_folder")]


class Errand(models.Model):
    """A change made here that the server has still to be told. Open while `closed_at` is null; carried out from `due_at` on.

    `folder` and `remote_id`: where the message is on the server until then; `target`: where it goes; `placement`: how it shows
    here. `after`: another errand that must have been done first (moving between mailboxes). `path`: of a folder to be made or
    renamed. `batch`: what was done with one gesture, and is undone with one. `outcome` of an open errand: how far it has got
    (store.errands).
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="errands")
    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, null=True, related_name="errands")
    target = models.ForeignKey(Folder, on_delete=models.CASCADE, null=True, related_name="errands_into")
    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, null=True)
    remote_id = models.TextField(blank=True)
    kind = models.CharField(max_length=20)
    add = models.TextField(blank=True)
    remove = models.TextField(blank=True)
    path = models.JSONField(null=True)
    message = models.ForeignKey(Message, on_delete=models.PROTECT, null=True)
    after = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="followers")
    actor = models.CharField(max_length=254, blank=True)
    batch = models.UUIDField(null=True, db_index=True)
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=60, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["account", "id"], condition=models.Q(closed_at=None), name="errand_open"),
            models.Index(fields=["placement"], condition=models.Q(closed_at=None), name="errand_open_by_placement"),
            models.Index(
                fields=["folder", "remote_id"], condition=models.Q(closed_at=None), name="errand_open_by_source"
            ),
            models.Index(fields=["target"], condition=models.Q(closed_at=None), name="errand_open_by_target"),
        ]
