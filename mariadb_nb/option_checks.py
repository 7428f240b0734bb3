"""One check for each kind of option: it returns the value to keep, or says why not.

Owns what single values may be. It knows no option by name, and not what options mean
together. No check that may see a secret quotes the value.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from inspect import iscoroutinefunction
from typing import Any, Final, TypeAlias

from .errors import InterfaceError

#: Takes an option's name and value; returns what to keep, raises InterfaceError.
Check: TypeAlias = Callable[[str, Any], Any]

_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_ADDRESS_ZONE: Final = re.compile(r"[A-Za-z0-9_.-]+")
_FINGERPRINT_DIGITS: Final = (40, 56, 64, 96, 128)
#: sun_path has 108 bytes, the last of which is zero.
_MAX_SOCKET_PATH: Final = 107
_ATTRIBUTE_BYTES: Final = 60_000


def wrong(name: str, value: object, expected: str) -> InterfaceError:
    """Make the error for a value that may be shown."""
    return InterfaceError(f"{name}={value!r} is wrong: expected {expected}")


def _wrong_type(name: str, value: object, expected: str) -> InterfaceError:
    kind = type(value).__name__
    return InterfaceError(f"{name}= is wrong: expected {expected}, not {kind}")


def text(max_length: int = 1000, *, empty: bool = False, secret: bool = False) -> Check:
    """Check for a str that fits into a C string."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise _wrong_type(name, value, "str")
        problem = ""
        if "\0" in value:
            problem = "a text without NUL characters"
        elif not value and not empty:
            problem = "a text that is not empty"
        elif len(value) > max_length:
            problem = f"no more than {max_length} characters"
        if not problem:
            try:
                value.encode()
            except UnicodeEncodeError:
                problem = "a text that UTF-8 can hold (no surrogates)"
        if problem:
            shown = "..." if secret else value[:80]
            raise wrong(name, shown, problem)
        return value

    return check


def password(name: str, value: Any) -> Any:
    """Check a password, or a function that returns one when it is needed."""
    if callable(value):
        if iscoroutinefunction(value):
            raise InterfaceError(
                f"{name}= is a coroutine function: expected a plain one, "
                "which returns the password at once"
            )
        return value
    if isinstance(value, bytes):
        if b"\0" in value:
            raise InterfaceError(f"{name}= holds a NUL byte: no password can have one")
        return value
    if not isinstance(value, str):
        expected = "str, bytes, a function that returns one of them, or None"
        raise _wrong_type(name, value, expected)
    return text(65_535, secret=True, empty=True)(name, value)


def matching(pattern: str, expected: str) -> Check:
    """Check for a str of which all characters may stand between quotes in SQL."""
    compiled = re.compile(pattern)

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise _wrong_type(name, value, "str")
        if compiled.fullmatch(value) is None:
            raise wrong(name, value, expected)
        return value

    return check


def integer(low: int, high: int) -> Check:
    """Check for an int in a range."""

    def check(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong_type(name, value, f"an int from {low} to {high}")
        if not low <= value <= high:
            raise wrong(name, value, f"an int from {low} to {high}")
        return value

    return check


def seconds(*, unlimited: bool, most: float = 1e9) -> Check:
    """Check for a time span."""
    expected = f"a number of seconds above 0 and up to {most:.0e}".replace("e+0", "e")
    if unlimited:
        expected += ", or None for no limit"

    def check(name: str, value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise _wrong_type(name, value, expected)
        if not math.isfinite(value) or not 0 < value <= most:
            raise wrong(name, value, expected)
        return float(value)

    return check


def boolean(name: str, value: Any) -> bool:
    """Check for True or False."""
    # Not by equality: 0 and 1 and "false" come from mistakes.
    if value is not True and value is not False:
        raise wrong(name, value, "True or False")
    return bool(value)


def choice(*allowed: str) -> Check:
    """Check for one of some words."""

    def check(name: str, value: Any) -> str:
        if value not in allowed:
            raise wrong(name, value, "one of " + ", ".join(map(repr, allowed)))
        return str(value)

    return check


def host(name: str, value: Any) -> str:
    """Check for one host's name or address.

    The library takes a comma for a list of hosts, and a semicolon, an equals sign or
    "://" for a connection string.
    """
    if not isinstance(value, str):
        raise _wrong_type(name, value, "str")
    plain = value[1:-1] if value[:1] == "[" and value[-1:] == "]" else value
    if is_numeric(plain):
        zone = plain.partition("%")[2]
        if "%" not in plain or _ADDRESS_ZONE.fullmatch(zone):
            return plain
    try:
        ascii_name = plain if plain.isascii() else plain.encode("idna").decode()
    except UnicodeError:
        ascii_name = ""
    if len(ascii_name) > 255 or _HOST.fullmatch(ascii_name) is None:
        # A URL that was given for the host has a password in front of the @.
        raise wrong(
            name,
            "..." if "@" in value else value[:80],
            "one name or address; no port, list or URL (port= and unix_socket= are "
            "options of their own)",
        )
    return ascii_name


def is_numeric(address: str) -> bool:
    """Return whether a host is an address, so that nothing has to be looked up."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def path(name: str, value: Any) -> str:
    """Check for a path; it is not looked at."""
    try:
        plain: str | bytes = os.fspath(value)
    except TypeError:
        raise _wrong_type(name, value, "a path") from None
    if isinstance(plain, bytes):
        plain = os.fsdecode(plain)
    if not plain or "\0" in plain:
        raise wrong(name, plain, "a path that is not empty and has no NUL in it")
    return plain


def socket_path(name: str, value: Any) -> str:
    """Check for the path of a unix socket."""
    plain = path(name, value)
    if len(os.fsencode(plain)) > _MAX_SOCKET_PATH:
        raise wrong(name, plain, f"a path of no more than {_MAX_SOCKET_PATH} bytes")
    return plain


def readable(kind: str) -> Check:
    """Check for a file or a folder that can be read."""

    def check(name: str, value: Any) -> str:
        plain = path(name, value)
        found = os.path.isdir(plain) if kind == "folder" else os.path.isfile(plain)
        if not found or not os.access(plain, os.R_OK):
            raise wrong(name, plain, f"a {kind} that is there and can be read")
        return plain

    return check


def fingerprint(name: str, value: Any) -> str:
    """Check for the digest of a certificate, with or without colons."""
    if not isinstance(value, str):
        raise _wrong_type(name, value, "str")
    digits = value.replace(":", "").lower()
    if len(digits) not in _FINGERPRINT_DIGITS or re.search("[^0-9a-f]", digits):
        expected = "the SHA-1 or SHA-2 digest of a certificate in hexadecimal digits"
        raise wrong(name, value, expected)
    return digits


def tls_version(name: str, value: Any) -> str:
    """Check for a version of TLS; the older ones are broken."""
    plain = value.removeprefix("TLSv") if isinstance(value, str) else value
    if plain not in ("1.2", "1.3"):
        raise wrong(name, value, "'1.2' or '1.3'")
    return str(plain)


def ciphers(name: str, value: Any) -> str:
    """Check for a list of ciphers, of which the library takes one kind at a time."""
    expected = "names in OpenSSL's spelling with colons between them"
    plain: str = matching(r"[A-Za-z0-9_@=!+:.-]+", expected)(name, value)
    kinds = {part.startswith("TLS_") for part in plain.split(":")}
    if len(kinds) == 2:
        raise wrong(
            name,
            value,
            "either ciphers of TLS 1.3, which begin with TLS_ (and then "
            "tls_min_version='1.3'), or those of TLS 1.2: the library ignores the rest",
        )
    return plain


def words(name: str, value: Any) -> tuple[str, ...]:
    """Check for names of plug-ins, in a sequence."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise _wrong_type(name, value, "a sequence of names")
    check = matching("[a-z0-9_]+", "the full names of plug-ins, such as client_ed25519")
    return tuple(check(name, word) for word in value)


def statements(name: str, value: Any) -> tuple[str, ...]:
    """Check for a statement or several."""
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, Iterable):
        raise _wrong_type(name, value, "a statement or a sequence of statements")
    check = text(1 << 24, secret=True)
    return tuple(check(name, statement) for statement in value)


def attributes(name: str, value: Any) -> dict[str, str]:
    """Check for connection attributes; the library has those that begin with _."""
    if not isinstance(value, Mapping):
        raise _wrong_type(name, value, "a mapping of str to str")
    check = text()
    plain = {check(name, key): check(name, entry) for key, entry in value.items()}
    if reserved := [key for key in plain if key[0] == "_" or key == "program_name"]:
        expected = "no name that begins with _, and program_name as an option"
        raise wrong(name, reserved[0], expected)
    if sum(len(f"{key}{entry}".encode()) for key, entry in plain.items()) > (
        _ATTRIBUTE_BYTES
    ):
        raise InterfaceError(f"{name}= is too long: {_ATTRIBUTE_BYTES} bytes in all")
    return plain


def functions(name: str, value: Any) -> dict[Any, Any]:
    """Check for a mapping to functions."""
    if not isinstance(value, Mapping):
        raise _wrong_type(name, value, "a mapping to functions")
    for key, function in value.items():
        if not callable(function):
            raise wrong(name, {key: function}, "functions as values")
    return dict(value)


def function(name: str, value: Any) -> Any:
    """Check for something to call."""
    if not callable(value):
        raise wrong(name, value, "a function")
    return value


def isolation_level(name: str, value: Any) -> str:
    """Check for an isolation level, however its words are put together."""
    allowed = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
    plain = re.sub("[-_]", " ", value).upper() if isinstance(value, str) else value
    return str(choice(*allowed)(name, plain))
