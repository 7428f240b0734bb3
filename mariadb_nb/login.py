"""How the library is told of the options, so that it does what they say and no more.

Owns what differs from one libmariadb to another, above all in TLS: releases differ in
what is on by default, in what makes it mandatory and in what is verified. It knows
nothing of where options come from, and does not connect.

What each mode of TLS needs (tests/test_tls_options.py tries all of it on the wire):

- 3.3 goes on without TLS if the server has none, unless the certificate's host is to be
  verified or there is a fingerprint. An empty fingerprint makes TLS mandatory and is
  compared with nothing.
- 3.4 goes on without TLS only if verifying is off, asks a function whether to trust a
  certificate, does not verify the host of 127.0.0.1 and ::1, and without the name of an
  authority lets a certificate that nobody signed pass as long as there is a password.
  So it always gets an authority; and without a fingerprint the function is ours
  (csrc/wire/login.c).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from . import _wire, plugins
from .errors import InterfaceError, NotSupportedError

if TYPE_CHECKING:
    from ._ffi import FFI, CData, Lib
    from .options import Options

#: The stack of a suspended operation, in bytes. What was measured needs 14 KiB; name
#: services and Kerberos can need more.
_STACK: Final = 256 * 1024

#: Where systems keep the certificates of authorities, if OpenSSL was built elsewhere.
_SYSTEM_AUTHORITIES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_SHA1_DIGITS: Final = 40


class _Setter:
    """Sets options on one handle."""

    def __init__(self, lib: Lib, ffi: FFI, mysql: CData) -> None:
        self.lib = lib
        self._ffi = ffi
        self._mysql = mysql

    def __call__(self, name: str, value: Any = None) -> None:
        self._check(
            name, self.lib.mysql_options(self._mysql, self._number(name), value)
        )

    def flag(self, name: str, value: bool) -> None:
        self(name, self._ffi.new("my_bool *", value))

    def number(self, name: str, value: int, kind: str = "unsigned int *") -> None:
        self(name, self._ffi.new(kind, value))

    def text(self, name: str, value: str | None) -> None:
        if value is not None:
            self(name, os.fsencode(value))

    def pair(self, name: str, key: str, value: str) -> None:
        number = self._number(name)
        mysql = self._mysql
        result = self.lib.mysql_options4(mysql, number, key.encode(), value.encode())
        self._check(name, result)

    def _number(self, name: str) -> int:
        number: int = getattr(self.lib, name)
        return number

    def _check(self, name: str, result: int) -> None:
        if result:
            # Not with the value: some are secret.
            errno = self.lib.mysql_errno(self._mysql)
            raise InterfaceError(f"libmariadb refuses {name}", errno, "HY000")


def apply(options: Options, lib: Lib, ffi: FFI, mysql: CData) -> None:
    """Set all options on a new ``MYSQL *``; see ``Options.apply``."""
    put = _Setter(lib, ffi, mysql)
    put.number("MYSQL_OPT_NONBLOCK", _STACK, "size_t *")
    put("MYSQL_SET_CHARSET_NAME", b"utf8mb4")
    # Or load() would be refused. Who asks for a file gets what load() was given, or
    # nothing: csrc/wire/infile.c.
    put.number("MYSQL_OPT_LOCAL_INFILE", 1)
    put.flag("MYSQL_SECURE_AUTH", True)
    if options.connect_timeout is not None:
        # Ours comes first. This one ends a thread that waits inside the library.
        put.number(
            "MYSQL_OPT_CONNECT_TIMEOUT", min(ceil(options.connect_timeout), 2**30) + 1
        )
    protocol = "MYSQL_PROTOCOL_TCP" if options.host else "MYSQL_PROTOCOL_SOCKET"
    put.number("MYSQL_OPT_PROTOCOL", getattr(lib, protocol))
    if options.compress:
        put("MYSQL_OPT_COMPRESS", ffi.NULL)
    attributes = dict(options.connect_attributes)
    if options.program_name is not None:
        attributes["program_name"] = options.program_name
    for key, value in attributes.items():
        put.pair("MYSQL_OPT_CONNECT_ATTR_ADD", key, value)
    allowed = options.allowed_plugins
    plugins.load(allowed, lib, ffi)
    put.text("MYSQL_PLUGIN_DIR", plugins.NOWHERE)
    put.text("MARIADB_OPT_RESTRICTED_AUTH", ",".join(_restrict(allowed)))
    # Or it begins with the one that the server names first, and that may be any.
    put.text("MYSQL_DEFAULT_AUTH", next(iter(allowed), None))
    check = _apply_tls(options, put)
    _wire.prepare_login(int(ffi.cast("intptr_t", mysql)), check)


def _restrict(allowed: Sequence[str]) -> list[str]:
    """Return the allowed plug-ins, but `dialog` only if it is kept from asking people.

    The library looks for a plug-in's name anywhere in the list: whole names, then.
    """
    return [name for name in allowed if name != "dialog" or plugins.is_known(name)]


def _apply_tls(options: Options, put: _Setter) -> int:
    """Set the mode and what belongs to it; return who is to check the certificate."""
    is_on = options.tls != "disable"
    put.flag("MYSQL_OPT_SSL_ENFORCE", is_on)
    if not is_on:
        put.flag("MYSQL_OPT_SSL_VERIFY_SERVER_CERT", False)
        return _wire.CHECK_BY_LIBRARY
    put.text("MARIADB_OPT_TLS_VERSION", _versions(options.tls_min_version))
    put.text("MYSQL_OPT_SSL_CIPHER", options.tls_ciphers)
    put.text("MYSQL_OPT_SSL_CERT", options.tls_cert)
    put.text("MYSQL_OPT_SSL_KEY", options.tls_key)
    # Without one OpenSSL would ask the terminal for it.
    put.text("MARIADB_OPT_TLS_PASSPHRASE", options.tls_key_password or "")
    if options.tls.startswith("verify"):
        _apply_authorities(options, put)
    if put.lib.mysql_get_client_version() >= 30400:
        return _apply_mode_3_4(options, put)
    return _apply_mode_3_3(options, put)


def _apply_mode_3_3(options: Options, put: _Setter) -> int:
    fingerprint = options.tls_fingerprint
    if fingerprint is not None and len(fingerprint) != _SHA1_DIGITS:
        raise NotSupportedError(
            "this libmariadb is older than 3.4 and compares only SHA-1 digests: give "
            "that one in tls_fingerprint= (40 digits), or use tls_ca="
        )
    put.flag("MYSQL_OPT_SSL_VERIFY_SERVER_CERT", options.tls == "verify-full")
    if options.tls in ("require", "verify-ca"):
        put.text("MARIADB_OPT_TLS_PEER_FP", fingerprint or "")
    return _wire.CHECK_BY_LIBRARY


def _apply_mode_3_4(options: Options, put: _Setter) -> int:
    put.text("MARIADB_OPT_TLS_PEER_FP", options.tls_fingerprint)
    put.flag("MYSQL_OPT_SSL_VERIFY_SERVER_CERT", options.tls != "prefer")
    if not options.tls.startswith("verify"):
        # Or it would read all that the system trusts, to ask nobody.
        put.text("MYSQL_OPT_SSL_CAPATH", os.devnull)
    if options.tls == "verify-ca":
        return _wire.CHECK_CHAIN_ONLY
    if options.tls_fingerprint is not None:
        return _wire.CHECK_BY_LIBRARY
    if options.tls == "verify-full":
        return _wire.CHECK_ANY_HOST
    return _wire.CHECK_NOTHING


def _apply_authorities(options: Options, put: _Setter) -> None:
    """Say whose signature counts: what the user says, or whom the system trusts."""
    file, folder = options.tls_ca, options.tls_ca_path
    if file is None and folder is None:
        file, folder = _system_authorities()
        if file is None and folder is None:
            raise InterfaceError(
                f"tls={options.tls!r} found no certificates of authorities, neither on "
                "this system nor where SSL_CERT_FILE and SSL_CERT_DIR say: give "
                "tls_ca=, the file of the one that signed the server's"
            )
    put.text("MYSQL_OPT_SSL_CA", file)
    put.text("MYSQL_OPT_SSL_CAPATH", folder)
    put.text("MYSQL_OPT_SSL_CRL", options.tls_crl)


def _system_authorities() -> tuple[str | None, str | None]:
    """Return the file and the folder of those whom the system trusts.

    As OpenSSL has it, SSL_CERT_FILE takes the place of the file and SSL_CERT_DIR that
    of the folder, or folders. Where one is set, nothing else is looked for.
    """
    # Imported late: most connections do without.
    import ssl

    system = ssl.get_default_verify_paths()
    file: str | None = system.cafile
    folder: str | None = system.capath
    named = os.environ.get("SSL_CERT_DIR")
    if named and any(map(os.path.isdir, named.split(os.pathsep))):
        return file, named
    is_found = file is not None or (folder is not None and _is_indexed(folder))
    if not is_found and not named and not os.environ.get("SSL_CERT_FILE"):
        # The linked OpenSSL, and Python's, may have been built for another system.
        file = next(filter(os.path.isfile, _SYSTEM_AUTHORITIES), None)
    return file, folder


def _is_indexed(folder: str) -> bool:
    """Return whether OpenSSL finds certificates in a folder: it asks for a hash."""
    with os.scandir(folder) as entries:
        return any(re.fullmatch(r"[0-9a-f]{8}\.\d+", entry.name) for entry in entries)


def _versions(lowest: str) -> str:
    return "TLSv1.3" if lowest == "1.3" else "TLSv1.2,TLSv1.3"
