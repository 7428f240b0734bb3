"""Logins at which the library would ask a person: run by test_no_prompts.py.

Each is made twice: with options, and with the bare library, which does ask. What the
terminal shows is for the test to see, and so is what is printed here.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capi_support import drive
from certificates import Authority, encrypted_key
from option_support import SECRET, ScriptedServer, logged_in
from server_packets import OK, switch

from mariadb_nb.capi import closing, ffi, lib
from mariadb_nb.errors import Error
from mariadb_nb.options import Options

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

#: A question for a password, one for something else, and each as the last one.
PASSWORD, OTHER, LAST = 4, 2, 1
QUESTION = b"What is it? "


def question(kind: int) -> bytes:
    return bytes([kind]) + QUESTION


#: What each server asks, one after the other, and the password that the user gave.
DIALOGS: dict[str, tuple[list[int], str]] = {
    "password": ([PASSWORD | LAST], SECRET),
    "two-questions": ([PASSWORD, OTHER | LAST], SECRET),
    "two-passwords": ([PASSWORD, PASSWORD | LAST], SECRET),
    "other-question": ([OTHER | LAST], SECRET),
    "no-password": ([PASSWORD | LAST], ""),
}
LOCKED_KEY = "locked-key"


def with_options(**keywords: Any) -> str:
    """Log in with options; return how it went."""
    try:
        with logged_in(Options.of(user="me", **keywords)):
            return "logged in"
    except Error as error:
        return f"error {error.errno}"


def bare(
    login: tuple[Any, ...], set_options: Callable[[CData], None] = lambda mysql: None
) -> str:
    """Log in with the library alone; return how it went."""
    off = ffi.new("my_bool *", 0)
    with closing(lib.mysql_init(ffi.NULL)) as mysql:
        lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL)
        lib.mysql_options(mysql, lib.MYSQL_OPT_SSL_VERIFY_SERVER_CERT, off)
        set_options(mysql)
        start, cont = lib.mysql_real_connect_start, lib.mysql_real_connect_cont
        if drive("MYSQL **", start, cont, mysql, *login, 0):
            return "logged in"
        return f"error {lib.mysql_errno(mysql)}"


def dialog(name: str, is_bare: bool, folder: Path) -> None:
    """Log in at a server that asks."""
    kinds, password = DIALOGS[name]
    path = str(folder / "socket")
    first, *others = map(question, kinds)
    answers = [switch(b"dialog", first), *others, OK]
    with ScriptedServer(path, answers) as server:
        if is_bare:
            nothing = ffi.NULL
            texts = (nothing, b"me", password.encode(), nothing, 0, path.encode())
            print(bare(texts))
        else:
            print(with_options(unix_socket=path, password=password))
    print("sent", *server.packets[1:])


def locked_key(is_bare: bool, folder: Path) -> None:
    """Log in with a key that needs a password, without one."""
    authority = Authority(folder)
    pem = authority.issue("good")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(pem)
    key.write_bytes(encrypted_key(pem, SECRET))
    with ScriptedServer(None, [], offers_tls=True) as server:
        if is_bare:

            def use_key(mysql: CData) -> None:
                names = (str(key).encode(), str(certificate).encode())
                lib.mysql_ssl_set(mysql, *names, ffi.NULL, ffi.NULL, ffi.NULL)

            nothing = ffi.NULL
            login = (b"127.0.0.1", b"me", b"x", nothing, server.port, nothing)
            print(bare(login, use_key))
        else:
            place = {"host": "127.0.0.1", "port": server.port}
            print(with_options(**place, tls_cert=certificate, tls_key=key))


def main() -> None:
    name, how = sys.argv[1:]
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        if name == LOCKED_KEY:
            locked_key(how == "bare", Path(folder))
        else:
            dialog(name, how == "bare", Path(folder))


if __name__ == "__main__":
    main()
