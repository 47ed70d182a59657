"""The tables. Private to the store: everyone else gets records from its verbs.

Laws: a `Message` is immutable and unique per data pool and SHA-256; where it lies is a `Placement`; bytes live in segments and
are named by (segment, offset, length). Parsed columns of a message can always be recomputed from its bytes. Secrets are stored
only as sealed values (store.secrets). Every table that belongs to a data pool carries it or hangs on one that does.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from poststelle.mail.ports import RecipientState, Role
from poststelle.mail.settings import Authentication, Kind, Mechanism, Scope
from poststelle.store.ids import uuid7


class Pool(models.Model):
    """A separate body of data under one roof."""

    name = models.CharField(max_length=120, unique=True)


class Office(models.Model):
    """The one row that says this installation has been set up, and for whom."""

    name = models.CharField(max_length=200)
    language = models.CharField(max_length=8)
    created_at = models.DateTimeField(auto_now_add=True)


class UserManager(BaseUserManager["User"]):
    """Finds people by their e-mail address, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """A person with a log-in; the e-mail address is the name they log in with."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=200)
    language = models.CharField(max_length=8, default="de")
    is_administrator = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    def get_full_name(self) -> str:
        """What other people read."""
        return self.name


class Token(models.Model):
    """An API token, kept only as a digest. It carries all rights of its user until it expires."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=120)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class Login(models.Model):
    """How to authenticate; one login may serve many accounts. `secret` is sealed for this row (store.secrets)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    username = models.CharField(max_length=255)
    mechanism = models.CharField(max_length=20, default=Mechanism.AUTO.value)
    secret = models.BinaryField(null=True)


class Account(models.Model):
    """One configured mailbox, its settings and its state."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    label = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, default=Kind.SYNCHRONISED.value)
    scope = models.CharField(max_length=20, default=Scope.SHARED.value)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="owned_accounts")
    address = models.CharField(max_length=254)
    display_name = models.CharField(max_length=255, blank=True)

    incoming_protocol = models.CharField(max_length=10, blank=True)
    incoming_host = models.CharField(max_length=253, blank=True)
    incoming_port = models.PositiveIntegerField(null=True)
    incoming_encryption = models.CharField(max_length=10, blank=True)
    outgoing_protocol = models.CharField(max_length=10, blank=True)
    outgoing_host = models.CharField(max_length=253, blank=True)
    outgoing_port = models.PositiveIntegerField(null=True)
    outgoing_encryption = models.CharField(max_length=10, blank=True)
    authentication = models.CharField(max_length=10, default=Authentication.SAME.value)
    login = models.ForeignKey(Login, on_delete=models.PROTECT, null=True, related_name="accounts_in")
    outgoing_login = models.ForeignKey(Login, on_delete=models.PROTECT, null=True, related_name="accounts_out")

    created_at = models.DateTimeField(auto_now_add=True)
    settings_version = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=20, default="active")
    trouble = models.JSONField(null=True)
    trouble_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    synced_at = models.DateTimeField(null=True)
    syncing = models.BooleanField(default=False)
    sync_wanted_at = models.DateTimeField(null=True)
    last_round = models.JSONField(null=True)
    last_round_at = models.DateTimeField(null=True)
    probe = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "label"], name="account_label_is_unique_in_its_pool")]


class Grant(models.Model):
    """Who may do what with an account, optionally between two dates."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="grants")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="grants")
    see = models.BooleanField(default=False)
    process = models.BooleanField(default=False)
    send_as = models.BooleanField(default=False)
    send_on_behalf = models.BooleanField(default=False)
    administer = models.BooleanField(default=False)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "user"], name="one_grant_per_account_and_user")]


class Folder(models.Model):
    """A folder of an account, with its cursor and counts. `vanished_at`: the server no longer lists it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="folders")
    remote_id = models.TextField()
    path = models.JSONField()
    role = models.CharField(max_length=10, default=Role.NONE.value)
    selectable = models.BooleanField(default=True)
    vanished_at = models.DateTimeField(null=True)
    cursor = models.TextField(null=True)  # noqa: DJ001 - no cursor and an empty one differ
    generation = models.PositiveIntegerField(default=1)
    swept = models.PositiveIntegerField(default=1)
    whole = models.BooleanField(default=False)
    loss_accepted = models.BooleanField(default=False)
    total = models.PositiveIntegerField(default=0)
    unread = models.PositiveIntegerField(default=0)
    remaining = models.PositiveIntegerField(default=0)
    synced_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "remote_id"], name="folder_is_unique_in_its_account")]


class Segment(models.Model):
    """One immutable object holding the bytes of a batch of messages (store.blobs)."""

    name = models.CharField(max_length=80, unique=True)
    bytes = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)


class Message(models.Model):
    """The bytes of a message and what a list needs to know of them. `digest_version` tells which parser read them."""

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
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
    digest_version = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "sha256"], name="message_is_kept_once_per_pool")]
        indexes = [models.Index(fields=["pool", "message_id"], name="message_by_message_id")]


class Placement(models.Model):
    """Where a server holds a message, with its flags there. `generation`: the last one that confirmed it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="placements")
    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="placements")
    remote_id = models.TextField()
    flags = models.TextField()
    seen = models.BooleanField()
    received_at = models.DateTimeField()
    ordinal = models.BigIntegerField()
    generation = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["folder", "remote_id"], name="placement_is_unique_in_its_folder")
        ]
        indexes = [models.Index(fields=["folder", "-received_at", "-ordinal", "-id"], name="placement_newest_first")]


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
    """A change made here that the server has still to be told. Open while `closed_at` is null."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="errands")
    folder = models.ForeignKey(Folder, on_delete=models.CASCADE)
    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, null=True)
    kind = models.CharField(max_length=20)
    add = models.TextField(blank=True)
    remove = models.TextField(blank=True)
    message = models.ForeignKey(Message, on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=60, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["account", "id"], condition=models.Q(closed_at=None), name="errand_open"),
            models.Index(fields=["placement"], condition=models.Q(closed_at=None), name="errand_open_by_placement"),
        ]


class Outgoing(models.Model):
    """A message on its way out. Its bytes and Message-ID are fixed when the row is made."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, related_name="outgoing")
    author = models.ForeignKey(User, on_delete=models.PROTECT, null=True)
    sender = models.CharField(max_length=254)
    message = models.ForeignKey(Message, on_delete=models.PROTECT)
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null never collides in the constraint
    request_digest = models.CharField(max_length=64, blank=True)
    answers = models.ForeignKey(Placement, on_delete=models.SET_NULL, null=True)
    state = models.CharField(max_length=20, default="queued")
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    data_started_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    trouble = models.JSONField(null=True)
    trouble_since = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["author", "idempotency_key"], name="outgoing_once_per_idempotency_key")
        ]
        indexes = [models.Index(fields=["state", "due_at"], name="outgoing_due")]


class Recipient(models.Model):
    """One recipient of an outgoing message, with a state of its own (RELIABILITY Q20)."""

    outgoing = models.ForeignKey(Outgoing, on_delete=models.CASCADE, related_name="recipients")
    address = models.CharField(max_length=254)
    kind = models.CharField(max_length=3)
    state = models.CharField(max_length=10, default="waiting", choices=[(s.value, s.value) for s in RecipientState])
    answer = models.TextField(blank=True)


class Journal(models.Model):
    """Every change: by whom, when, what. Written in the transaction of the change; never updated, never deleted."""

    id = models.BigAutoField(primary_key=True)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    at = models.DateTimeField()
    actor = models.CharField(max_length=254)
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=120)
    account_id = models.UUIDField(null=True)
    folder_id = models.UUIDField(null=True)
    facts = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["pool", "id"], name="journal_in_commit_order")]
