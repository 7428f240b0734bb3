"""The server's part of each way to log in: who does not know the password gets a no.

Each method is a function of a talk with a client, the account and what the server has
said so far. It says and hears what a server would, checks the client's answer with the
password, and returns whether the client is in. Sockets, packets and TLS are
``login_server``'s.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Talk(Protocol):
    """One client, packet by packet."""

    @property
    def is_private(self) -> bool:
        """Whether nobody reads along: TLS, or a unix socket."""

    def say(self, payload: bytes) -> None:
        """Send a packet."""

    def hear(self) -> bytes:
        """Receive a packet."""


class Account(NamedTuple):
    """Who may log in.

    Attributes:
        user: the name.
        password: as the bytes that clients make of it.
        method: the plug-in's name on the client's side.
        is_cached: whether the server remembers a good login (caching_sha2_password).
    """

    user: str
    password: bytes
    method: str
    is_cached: bool = False


#: What has to come before what a server's plug-in says, but for the first time.
_ESCAPE: Final = b"\x01"
_FAST_IS_GOOD, _FULL_PLEASE, _KEY_PLEASE = b"\x03", b"\x04", b"\x02"
_PARSEC_ROUNDS: Final = 3  # 1024 << 3, the most that clients do

_rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_KEY: Final = _rsa_key.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def new_challenge(method: str) -> bytes:
    """What a method's server says first."""
    if method == "parsec":
        return os.urandom(32)
    if method in ("mysql_clear_password", "dialog"):
        return b"" if method == "mysql_clear_password" else b"\x05Password: "
    # No zero in it: it ends the text. Nor may it look like the start of a packet.
    return bytes(byte % 127 + 1 for byte in os.urandom(20)) + b"\0"


def _native(talk: Talk, account: Account, challenge: bytes) -> bool:
    answer = talk.hear()
    if not account.password or not answer:
        return not account.password and not answer
    once = hashlib.sha1(account.password).digest()
    twice = hashlib.sha1(once).digest()
    return answer == _xor(once, hashlib.sha1(challenge[:20] + twice).digest())


def _xor(one: bytes, other: bytes) -> bytes:
    """Combine two texts; the second is repeated as often as needed."""
    times = len(one) // len(other) + 1
    return bytes(a ^ b for a, b in zip(one, other * times, strict=False))


def _caching_sha2(talk: Talk, account: Account, challenge: bytes) -> bool:
    answer = talk.hear()
    if not account.password or not answer:
        return not account.password and not answer
    once = hashlib.sha256(account.password).digest()
    known = hashlib.sha256(once).digest()
    proof = hashlib.sha256(known + challenge[:20]).digest()
    if account.is_cached and hashlib.sha256(_xor(answer, proof)).digest() == known:
        talk.say(_ESCAPE + _FAST_IS_GOOD)
        return True
    talk.say(_ESCAPE + _FULL_PLEASE)
    answer = talk.hear()
    if not talk.is_private:
        if answer != _KEY_PLEASE:
            return False
        talk.say(_ESCAPE + PUBLIC_KEY)
        answer = _decrypted(talk.hear(), challenge)
    return answer == account.password + b"\0"


def _sha256(talk: Talk, account: Account, challenge: bytes) -> bool:
    answer = talk.hear()
    if answer == _ESCAPE and account.password:
        talk.say(_ESCAPE + PUBLIC_KEY)
        answer = _decrypted(talk.hear(), challenge)
    return answer.rstrip(b"\0") == account.password


def _decrypted(answer: bytes, challenge: bytes) -> bytes:
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    return _xor(_rsa_key.decrypt(answer, oaep), challenge[:20])


def _clear(talk: Talk, account: Account, challenge: bytes) -> bool:
    return talk.hear() == account.password + b"\0"


def _parsec(talk: Talk, account: Account, challenge: bytes) -> bool:
    if talk.hear():
        return False
    salt = os.urandom(18)
    talk.say(b"P" + bytes([_PARSEC_ROUNDS]) + salt)
    answer = talk.hear()
    seed = hashlib.pbkdf2_hmac(
        "sha512", account.password, salt, 1024 << _PARSEC_ROUNDS, 32
    )
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    try:
        key.verify(answer[32:], challenge + answer[:32])
    except InvalidSignature:
        return False
    return True


METHODS: Final[dict[str, Callable[[Talk, Account, bytes], bool]]] = {
    "mysql_native_password": _native,
    "caching_sha2_password": _caching_sha2,
    "sha256_password": _sha256,
    "mysql_clear_password": _clear,
    "dialog": _clear,
    "parsec": _parsec,
}
