"""Every function of layer 1 with a handle that it must not be called with.

Run in a process of its own by test_misuse.py, like misuse_cases.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import every_function
from capi_support import connect, new_handle, query
from case_table import Cases
from every_function import HANDLES
from misuse_cases import INVALID, OUT_OF_SYNC, at_once, errno_of
from server_place import place

from mariadb_nb.capi import ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

CASES = Cases()

#: Legal with NULL or harmless: they do nothing, as in C.
NULL_IS_FINE = (
    "mysql_init",
    "mysql_close",
    "mysql_close_start",
    "mysql_free_result",
    "mysql_free_result_start",
)

#: Errors of an object that was never made are told by these.
TELL_ERRORS = ("errno", "error", "sqlstate")


def call_all(kind: str, handle: CData, codes: tuple[int, ...]) -> None:
    """Call all functions of a kind; each must fail with one of the codes."""
    keep: list[CData] = []
    for name in every_function.with_handle(kind):
        print(name, flush=True)
        if name in NULL_IS_FINE and handle == ffi.NULL:
            with at_once():
                every_function.call(name, handle, keep)
            continue
        if name == "mysql_init":
            continue
        with at_once():
            result, ret = every_function.call(name, handle, keep)
        if name.endswith(TELL_ERRORS) or name in (
            "mariadb_get_info",
            "mariadb_get_infov",
        ):
            continue
        assert every_function.failure(name, result, ret), f"{name} returned {result}"
        number = errno_of(handle)
        assert number in codes, f"{name}: errno {number}"


@CASES
def null(transport: str) -> None:
    for kind in HANDLES:
        call_all(kind, ffi.cast(kind, 0), (INVALID, OUT_OF_SYNC))


@CASES
def closed(transport: str) -> None:
    mysql = connect(place(), transport)
    stmt = lib.mysql_stmt_init(mysql)
    assert query(mysql, "SELECT 1") == 0
    result = lib.mysql_store_result(mysql)
    lib.mysql_free_result(result)
    assert lib.mysql_stmt_close(stmt) == 0
    lib.mysql_close(mysql)
    for kind, handle in zip(HANDLES, (mysql, result, stmt), strict=True):
        call_all(kind, handle, (INVALID,))


@CASES
def never_made(transport: str) -> None:
    memory = ffi.new("char[]", 1 << 16)
    for kind in HANDLES:
        call_all(kind, ffi.cast(kind, memory), (INVALID,))


@CASES
def never_connected(transport: str) -> None:
    """Nothing here may crash; what each returns is the library's business."""
    keep: list[CData] = []
    for name in every_function.with_handle("MYSQL *"):
        if name in (
            "mysql_real_connect",
            "mysql_real_connect_start",
            "mariadb_connect",
        ):
            continue
        for nonblock in (False, True):
            print(name, nonblock, flush=True)
            mysql = new_handle(nonblock=nonblock)
            with at_once():
                every_function.call(name, mysql, keep)
            lib.mysql_close(mysql)
    mysql = new_handle()
    for name in every_function.with_handle("MYSQL_STMT *"):
        print(name, flush=True)
        stmt = lib.mysql_stmt_init(mysql)
        with at_once():
            every_function.call(name, stmt, keep)
        lib.mysql_stmt_close(stmt)
    lib.mysql_close(mysql)


@CASES
def statement_of_a_closed_connection(transport: str) -> None:
    detached_by = (lib.mysql_close, lib.mysql_reset_connection)
    keep: list[CData] = []
    for name in every_function.with_handle("MYSQL_STMT *"):
        for detach in detached_by:
            print(name, flush=True)
            mysql = connect(place(), transport)
            stmt = lib.mysql_stmt_init(mysql)
            sql = b"SELECT 1, 2"
            assert lib.mysql_stmt_prepare(stmt, sql, len(sql)) == 0
            assert lib.mysql_stmt_execute(stmt) == 0
            assert lib.mysql_stmt_store_result(stmt) == 0
            detach(mysql)
            with at_once():
                every_function.call(name, stmt, keep)
            lib.mysql_stmt_close(stmt)
            lib.mysql_close(mysql)


@CASES
def options_without_an_argument(transport: str) -> None:
    keep: list[CData] = []
    for name in sorted(vars_of("MYSQL_OPT_", "MYSQL_", "MARIADB_OPT_")):
        option = getattr(lib, name)
        print(name, flush=True)
        mysql = new_handle()
        lib.mysql_options(mysql, option, ffi.NULL)
        lib.mysql_options4(mysql, option, ffi.NULL, ffi.NULL)
        lib.mysql_get_option(mysql, option, ffi.NULL)
        box = ffi.new("char[]", 4096)
        keep.append(box)
        lib.mysql_get_option(mysql, option, box)
        lib.mysql_close(mysql)
        mysql = new_handle(nonblock=False)
        lib.mysql_get_option(mysql, option, box)
        lib.mysql_close(mysql)


@CASES
def information_of_every_kind(transport: str) -> None:
    box = ffi.new("char[]", 4096)
    for mysql in (
        ffi.NULL,
        new_handle(),
        new_handle(nonblock=False),
        connect(place(), transport),
    ):
        for value in range(64):
            print(value, flush=True)
            lib.mariadb_get_info(mysql, value, box)
            lib.mariadb_get_info(mysql, value, ffi.NULL)
            named = value == lib.MARIADB_CHARSET_NAME
            more = ffi.new("char[]", b"utf8mb4") if named else ffi.cast("int", 1)
            lib.mariadb_get_infov(mysql, value, box, more)
        lib.mysql_close(mysql)


def vars_of(*prefixes: str) -> list[str]:
    """The enumerators of ``enum mysql_option`` that begin so."""
    members = ffi.typeof("enum mysql_option").relements
    return [name for name in members if name.startswith(prefixes)]


if __name__ == "__main__":
    CASES.main()
