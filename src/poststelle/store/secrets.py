"""Sealing secrets at rest: envelope encryption bound to the row they belong to (RELIABILITY Q30).

A sealed value is ``version · key id · wrapped data key · nonce · ciphertext``. The data key is random per value and wrapped by
the key-encryption key named in it; both layers authenticate the place (table, row, field, pool), so a value copied into
another row does not open. Nothing here is ever logged.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from poststelle.errors import Conflict
from poststelle.mail.secret import Secret
from poststelle.store.keys import KeyFile

_VERSION = 1
_NONCE = 12
_WRAPPED = 32 + 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs. It opens nowhere else."""

    table: str
    row: str
    field: str
    pool: int

    def __bytes__(self) -> bytes:
        return "\0".join((self.table, self.row, self.field, str(self.pool))).encode()


def seal(keys: KeyFile, secret: Secret, place: Place) -> bytes:
    """The secret, encrypted for this place under the current key."""
    name = keys.current.encode("ascii")
    data_key, wrap_nonce, nonce = os.urandom(32), os.urandom(_NONCE), os.urandom(_NONCE)
    wrapped = AESGCM(keys.keys[keys.current]).encrypt(wrap_nonce, data_key, bytes(place))
    body = AESGCM(data_key).encrypt(nonce, secret.reveal().encode(), bytes(place))
    return bytes((_VERSION, len(name))) + name + wrap_nonce + wrapped + nonce + body


def unseal(keys: KeyFile, sealed: bytes, place: Place) -> Secret:
    """The secret again. Raises Conflict("secret-unreadable") when the key is missing or the value belongs elsewhere."""
    try:
        if sealed[0] != _VERSION:
            raise ValueError(sealed[0])
        rest = sealed[2:]
        name, rest = rest[: sealed[1]].decode("ascii"), rest[sealed[1] :]
        wrap_nonce, wrapped, rest = rest[:_NONCE], rest[_NONCE : _NONCE + _WRAPPED], rest[_NONCE + _WRAPPED :]
        data_key = AESGCM(keys.keys[name]).decrypt(wrap_nonce, wrapped, bytes(place))
        return Secret(AESGCM(data_key).decrypt(rest[:_NONCE], rest[_NONCE:], bytes(place)).decode())
    except (InvalidTag, KeyError, ValueError, IndexError) as error:
        raise Conflict("secret-unreadable", table=place.table, row=place.row) from error
