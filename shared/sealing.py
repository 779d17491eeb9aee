"""Encryption of what must not be read in a table: identity, contacts and free text.

Each value is sealed with AES-256-GCM, bound to its table, field and row by the associated data: a
ciphertext moved to another row or column cannot be opened. A blind index (keyed HMAC) finds rows
by a value without storing it.
"""

import base64
import hmac
import os
import unicodedata
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

#: Bytes of a GCM nonce, as NIST SP 800-38D recommends.
_NONCE_BYTES = 12


class KeyMissing(RuntimeError):
    """Raised when something is sealed or opened before the process was given its key."""


class _Vault:
    def __init__(self) -> None:
        self._cipher: AESGCM | None = None
        self._index_key = b""
        self._fingerprint_key = b""

    def use_key(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("the encryption key must have 32 bytes")
        self._cipher = AESGCM(_derived_key(key, b"seal"))
        self._index_key = _derived_key(key, b"blind index")
        self._fingerprint_key = _derived_key(key, b"fingerprint")

    def seal(self, plain: bytes, *, bound_to: str) -> bytes:
        if self._cipher is None:
            raise KeyMissing("no encryption key is set")
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, bound_to.encode())

    def open(self, sealed_bytes: bytes, *, bound_to: str) -> bytes:
        if self._cipher is None:
            raise KeyMissing("no encryption key is set")
        nonce, ciphertext = sealed_bytes[:_NONCE_BYTES], sealed_bytes[_NONCE_BYTES:]
        return self._cipher.decrypt(nonce, ciphertext, bound_to.encode())

    def blind_index(self, text: str, *, tenant_id: str) -> bytes:
        if not self._index_key:
            raise KeyMissing("no encryption key is set")
        normalised = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        # The tenant is part of it, so that one person looks different in two tenants.
        return hmac.digest(self._index_key, f"{tenant_id}\0{normalised}".encode(), "sha256")

    def fingerprint(self, content: bytes, *, bound_to: str) -> bytes:
        if not self._fingerprint_key:
            raise KeyMissing("no encryption key is set")
        return hmac.digest(self._fingerprint_key, bound_to.encode() + b"\0" + content, "sha256")


_vault = _Vault()


def use_key(base64_key: str) -> None:
    """Give this process the tenant data key, 32 bytes in base64.

    :raises ValueError: when it is not 32 bytes.
    """
    _vault.use_key(base64.b64decode(base64_key))


def seal(plain: bytes, *, bound_to: str) -> bytes:
    """Return *plain* sealed and bound to the place named by *bound_to*."""
    return _vault.seal(plain, bound_to=bound_to)


def unseal(sealed_bytes: bytes, *, bound_to: str) -> bytes:
    """Return what was sealed for the place named by *bound_to*."""
    return _vault.open(sealed_bytes, bound_to=bound_to)


def blind_index(text: str, *, tenant_id: str) -> bytes:
    """Return the keyed digest under which a tenant can look *text* up, case and spacing apart."""
    return _vault.blind_index(text, tenant_id=tenant_id)


def fingerprint(content: bytes, *, bound_to: str) -> bytes:
    """Return the keyed digest, 32 bytes, that tells *content* from other content at the place *bound_to*.

    Without the key nobody can try what the content may have been, or see equal content at two places.
    """
    return _vault.fingerprint(content, bound_to=bound_to)


class _SealedField:
    """An attribute of a mapped class: plain text in the program, sealed bytes in the table."""

    def __init__(self, *, table: str, key: str, field: str) -> None:
        self._table = table
        self._key = key
        self._column = f"{field}_sealed"
        self._field = field

    def _place(self, row: Any) -> str:
        row_id = getattr(row, self._key)
        if row_id is None:
            raise RuntimeError(f"set {self._key} before {self._field}: the seal is bound to it")
        return f"{self._table}.{self._field}:{row_id}"

    def __get__(self, row: Any, owner: type) -> Any:
        if row is None:
            return self
        sealed_bytes = getattr(row, self._column)
        if sealed_bytes is None:
            return None
        return unseal(sealed_bytes, bound_to=self._place(row)).decode()

    def __set__(self, row: Any, text: str | None) -> None:
        sealed_bytes = None if text is None else seal(text.encode(), bound_to=self._place(row))
        setattr(row, self._column, sealed_bytes)


def sealed(mapped_class: type, *, key: str, fields: tuple[str, ...]) -> None:
    """Keep *fields* of a mapped class sealed, each bound to the row whose id is in *key*.

    The class's table has a ``sealed_column(field)`` for each of them.
    """
    table = mapped_class.__table__.name  # type: ignore[attr-defined]  # set by the mapper
    for field in fields:
        setattr(mapped_class, field, _SealedField(table=table, key=key, field=field))


def _derived_key(key: bytes, purpose: bytes) -> bytes:
    return HKDFExpand(algorithm=hashes.SHA256(), length=32, info=purpose).derive(key)
