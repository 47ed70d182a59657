"""Pools, the office, people, their tokens and where they are logged in."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone

from poststelle.store.ids import uuid7


class Pool(models.Model):
    """A separate body of data under one roof."""

    name = models.CharField(max_length=120, unique=True)


class Office(models.Model):
    """The one row that says this installation has been set up, and for whom."""

    name = models.CharField(max_length=200)
    language = models.CharField(max_length=8)
    preferences = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)


class UserManager(BaseUserManager["User"]):
    """Finds people by their e-mail address, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """A person with a log-in; the e-mail address is the name they log in with.

    `is_service`: a program that has tokens and never logs in.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=200)
    language = models.CharField(max_length=8, default="de")
    is_administrator = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    is_service = models.BooleanField(default=False)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    preferences = models.JSONField(default=dict)
    new_since = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    def get_full_name(self) -> str:
        """What other people read."""
        return self.name


class Token(models.Model):
    """An API token, kept only as a digest. It carries its user's rights, within its scopes (``read write send admin``), until it expires."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=120)
    scopes = models.CharField(max_length=40, default="read write send admin")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class Session(AbstractBaseSession):
    """Somebody's log-in at one browser (store.sessions). Without a user it is what a log-in page has to remember."""

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="sessions")
    seen_at = models.DateTimeField(default=timezone.now)
