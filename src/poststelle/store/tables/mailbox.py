"""Mailboxes: their settings and state, log-ins, and who may do what with them."""

from __future__ import annotations

from django.db import models

from poststelle.mail.settings import Authentication, Kind, Mechanism, Scope
from poststelle.store.ids import uuid7
from poststelle.store.tables.people import Pool, User


class Login(models.Model):
    """How to authenticate; one login may serve many accounts. `secret` is sealed for this row (store.secrets).

    `label` names a login that was made as an object of its own; without one it belongs to its account alone and ends with it.
    `hosts` holds the servers (host, port, encryption) the secret was confirmed for.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    label = models.CharField(max_length=120, blank=True)
    username = models.CharField(max_length=255)
    domain = models.CharField(max_length=255, blank=True)
    mechanism = models.CharField(max_length=20, default=Mechanism.AUTO.value)
    secret = models.BinaryField(null=True)
    client_certificate = models.BinaryField(null=True)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="logins")
    hosts = models.JSONField(default=list)
    changed_at = models.DateTimeField(null=True)


class OutgoingServer(models.Model):
    """An SMTP server that accounts refer to: an office's, or one person's. `is_default`: of its owner, or of the office."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    label = models.CharField(max_length=120)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="outgoing_servers")
    is_default = models.BooleanField(default=False)
    protocol = models.CharField(max_length=10)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    encryption = models.CharField(max_length=10)
    tls = models.JSONField(default=dict)
    login = models.ForeignKey(Login, on_delete=models.PROTECT, null=True, related_name="outgoing_servers")
    test_recipient = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "label"], name="outgoing_server_label_is_unique")]


class Template(models.Model):
    """The office's own settings to fill a new account with: part of an account document, without secrets."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    label = models.CharField(max_length=120)
    document = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "label"], name="template_label_is_unique")]


class Account(models.Model):
    """One configured mailbox, its settings and its state. `incoming_files`, `outgoing_files`: who may have files (store.guards)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    label = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, default=Kind.SYNCHRONISED.value)
    scope = models.CharField(max_length=20, default=Scope.SHARED.value)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="owned_accounts")
    address = models.CharField(max_length=254)
    display_name = models.CharField(max_length=255, blank=True)
    organisation = models.CharField(max_length=255, blank=True)
    reply_to = models.CharField(max_length=254, blank=True)
    signature = models.JSONField(default=dict)
    active = models.BooleanField(default=True)
    is_office_account = models.BooleanField(default=False)
    receiving = models.JSONField(default=dict)
    sending = models.JSONField(default=dict)

    incoming_protocol = models.CharField(max_length=10, blank=True)
    incoming_host = models.CharField(max_length=253, blank=True)
    incoming_port = models.PositiveIntegerField(null=True)
    incoming_encryption = models.CharField(max_length=10, blank=True)
    incoming_tls = models.JSONField(default=dict)
    outgoing_protocol = models.CharField(max_length=10, blank=True)
    outgoing_host = models.CharField(max_length=253, blank=True)
    outgoing_port = models.PositiveIntegerField(null=True)
    outgoing_encryption = models.CharField(max_length=10, blank=True)
    outgoing_tls = models.JSONField(default=dict)
    outgoing_server = models.ForeignKey(OutgoingServer, on_delete=models.PROTECT, null=True, related_name="accounts")
    authentication = models.CharField(max_length=10, default=Authentication.SAME.value)
    login = models.ForeignKey(Login, on_delete=models.PROTECT, null=True, related_name="accounts_in")
    outgoing_login = models.ForeignKey(Login, on_delete=models.PROTECT, null=True, related_name="accounts_out")
    incoming_files = models.ForeignKey(
        "store.Group", on_delete=models.PROTECT, null=True, related_name="guards_incoming"
    )
    outgoing_files = models.ForeignKey(
        "store.Group", on_delete=models.PROTECT, null=True, related_name="guards_outgoing"
    )

    created_at = models.DateTimeField(auto_now_add=True)
    settings_version = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=20, default="active")
    trouble = models.JSONField(null=True)
    trouble_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    standing = models.CharField(max_length=20, blank=True)
    traffic = models.JSONField(default=dict)
    retry_at = models.DateTimeField(null=True)
    synced_at = models.DateTimeField(null=True)
    syncing = models.BooleanField(default=False)
    sync_wanted_at = models.DateTimeField(null=True)
    last_round = models.JSONField(null=True)
    last_round_at = models.DateTimeField(null=True)
    probe = models.JSONField(null=True)
    received_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    watching = models.CharField(max_length=20, blank=True)
    quota = models.JSONField(null=True)
    certificates = models.JSONField(default=dict)
    server = models.JSONField(default=dict)
    transcript_until = models.DateTimeField(null=True)
    alarm = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "label"], name="account_label_is_unique_in_its_pool")]


class Identity(models.Model):
    """An alternative sender of an account."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="identities")
    position = models.PositiveIntegerField(default=0)
    address = models.CharField(max_length=254)
    display_name = models.CharField(max_length=255, blank=True)
    organisation = models.CharField(max_length=255, blank=True)
    reply_to = models.CharField(max_length=254, blank=True)
    signature = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "address"], name="identity_is_unique_in_its_account")]


class Event(models.Model):
    """One line of an account's event log: a stable code with its facts, no secrets. Old ones are removed (store.events)."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    level = models.CharField(max_length=10)
    code = models.CharField(max_length=60)
    facts = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["account", "-id"], name="event_newest_first")]


class Group(models.Model):
    """People who get rights together. `needs_second_factor`: its members must set one up before they go on."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    name = models.CharField(max_length=120)
    needs_second_factor = models.BooleanField(default=False)
    members = models.ManyToManyField(User, related_name="member_of")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "name"], name="group_name_is_unique_in_its_pool")]


class Grant(models.Model):
    """Who (a user or a group) may do what with an account, or one folder of it, optionally between two moments."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="grants")
    folder = models.ForeignKey("store.Folder", on_delete=models.CASCADE, null=True, related_name="grants")
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="grants")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, null=True, related_name="grants")
    see = models.BooleanField(default=False)
    process = models.BooleanField(default=False)
    send_as = models.BooleanField(default=False)
    send_on_behalf = models.BooleanField(default=False)
    administer = models.BooleanField(default=False)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user=None, group__isnull=False) | models.Q(user__isnull=False, group=None),
                name="grant_is_for_a_user_or_a_group",
            ),
        ]
        indexes = [models.Index(fields=["user", "account"], name="grant_by_user")]


class HandOver(models.Model):
    """A one-time link by which its owner enters an account's password (RELIABILITY Q32). Kept only as a digest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="hand_overs")
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
