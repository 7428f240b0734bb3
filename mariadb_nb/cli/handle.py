"""A handle of the library for a target: its options, and how to connect it.

It owns what is said to the library before and while connecting, nothing after that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from mariadb_nb import plugins
from mariadb_nb.capi import ffi, lib
from mariadb_nb.cli.target import Target

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

_STACK_SIZE: Final = 256 * 1024
# No password can be read from what these send. Of the others "dialog" would ask its
# questions on the terminal.
_LOGINS: Final = ("mysql_native_password", "client_ed25519", "parsec")
# These send it as it is where TLS was asked for, whether it is there or not.
_SHA2_LOGINS: Final = ("caching_sha2_password", "sha256_password")


def new_handle(target: Target) -> CData:
    """Return a handle with all options set, or raise MemoryError."""
    mysql = lib.mysql_init(ffi.NULL)
    if not mysql:
        raise MemoryError("mysql_init() returned NULL")
    verify = target.tls == "verify-full"
    logins = _LOGINS + (_SHA2_LOGINS if verify or target.host is None else ())
    plugins.load(logins, lib, ffi)
    protocol = (
        lib.MYSQL_PROTOCOL_SOCKET if target.host is None else lib.MYSQL_PROTOCOL_TCP
    )
    options: list[tuple[int, CData | bytes]] = [
        (lib.MYSQL_OPT_NONBLOCK, ffi.new("size_t *", _STACK_SIZE)),
        (lib.MYSQL_OPT_PROTOCOL, ffi.new("unsigned int *", protocol)),
        (lib.MYSQL_OPT_CONNECT_TIMEOUT, ffi.new("int *", target.connect_timeout)),
        (lib.MYSQL_OPT_LOCAL_INFILE, ffi.new("unsigned int *", 0)),
        (lib.MYSQL_SET_CHARSET_NAME, b"utf8mb4"),
        (lib.MYSQL_PLUGIN_DIR, plugins.NOWHERE.encode()),
        (lib.MARIADB_OPT_RESTRICTED_AUTH, ",".join(logins).encode()),
        (lib.MYSQL_DEFAULT_AUTH, logins[0].encode()),
        # Always said, since 3.4 uses TLS when nobody says anything.
        (lib.MYSQL_OPT_SSL_ENFORCE, ffi.new("my_bool *", target.tls != "disable")),
        (lib.MYSQL_OPT_SSL_VERIFY_SERVER_CERT, ffi.new("my_bool *", verify)),
    ]
    if target.ca is not None:
        options.append((lib.MYSQL_OPT_SSL_CA, os.fsencode(target.ca)))
    for option, value in options:
        if lib.mysql_options(mysql, option, value):
            lib.mysql_close(mysql)
            raise RuntimeError(f"the library refused its option number {option}")
    return mysql


def connect_arguments(target: Target) -> tuple[CData, tuple[Any, ...]]:
    """Return where mysql_real_connect delivers to, and what follows the handle."""
    arguments = (
        ffi.NULL if target.host is None else target.host.encode(),
        target.user.encode(),
        target.password.encode(),
        target.database.encode() or ffi.NULL,
        0 if target.host is None else target.port,
        ffi.NULL if target.socket is None else os.fsencode(target.socket),
        lib.CLIENT_MULTI_RESULTS,
    )
    return ffi.new("MYSQL **"), arguments
