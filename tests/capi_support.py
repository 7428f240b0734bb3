"""What the tests of layer 1 share: connecting, and driving a pair to its end.

Only the C API and ``wait_for_mysql``: a test that fails here fails in C style.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from mariadb_nb.capi import ffi, lib, wait_for_mysql
from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData


class Connect(Protocol):
    """The fixture ``connector``."""

    def __call__(self, transport: str = "unix", **options: object) -> CData: ...


def new_handle(*, nonblock: bool = True) -> CData:
    """A fresh ``MYSQL *`` of ``mysql_init``."""
    mysql = lib.mysql_init(ffi.NULL)
    assert mysql != ffi.NULL
    if nonblock:
        assert lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL) == 0
    return mysql


def use_tls(mysql: CData, server: TemporaryServer, transport: str) -> None:
    """Ask for TLS with the server's CA, or for none at all (3.4 has it on)."""
    on = ffi.new("my_bool *", 1)
    off = ffi.new("my_bool *", 0)
    if transport == "tls":
        ca = str(server.ca_file).encode()
        lib.mysql_ssl_set(mysql, ffi.NULL, ffi.NULL, ca, ffi.NULL, ffi.NULL)
        lib.mysql_options(mysql, lib.MYSQL_OPT_SSL_ENFORCE, on)
        lib.mysql_options(mysql, lib.MYSQL_OPT_SSL_VERIFY_SERVER_CERT, on)
    else:
        lib.mysql_options(mysql, lib.MYSQL_OPT_SSL_VERIFY_SERVER_CERT, off)


def connect_arguments(
    server: TemporaryServer,
    transport: str,
    login: str = "native",
    database: str = "test",
    flags: int = 0,
) -> tuple[Any, ...]:
    """The arguments of ``mysql_real_connect`` after the handle."""
    user = server.users[login]
    unix = transport == "unix"
    return (
        ffi.NULL if unix else server.host.encode(),
        user.name.encode(),
        user.password.encode(),
        database.encode(),
        0 if unix else server.port,
        str(server.socket).encode() if unix else ffi.NULL,
        flags,
    )


def connect(
    server: TemporaryServer,
    transport: str = "unix",
    *,
    nonblock: bool = True,
    login: str = "native",
    flags: int = 0,
) -> CData:
    """Connect over ``unix``, ``tcp`` or ``tls``; the caller closes."""
    mysql = new_handle(nonblock=nonblock)
    use_tls(mysql, server, transport)
    arguments = connect_arguments(server, transport, login, flags=flags)
    if nonblock:
        connected = drive(
            "MYSQL **",
            lib.mysql_real_connect_start,
            lib.mysql_real_connect_cont,
            mysql,
            *arguments,
        )
    else:
        connected = lib.mysql_real_connect(mysql, *arguments)
    assert connected == mysql, error(mysql)
    assert (lib.mysql_get_ssl_cipher(mysql) != ffi.NULL) == (transport == "tls")
    return mysql


def drive(
    result: str,
    start: Callable[..., int],
    cont: Callable[..., int],
    handle: CData,
    *arguments: Any,
    mysql: CData | None = None,
) -> Any:
    """Run a pair to its end and return what it delivers.

    Args:
        result: the C type of the first argument, as in ``"int *"``.
        start: the function of ``lib`` that starts the operation.
        cont: the one that goes on with it.
        handle: what both are called with.
        arguments: the rest of what ``start`` is called with.
        mysql: the connection, when ``handle`` is a result or statement.
    """
    box = ffi.new(result)
    status = start(box, handle, *arguments)
    while status:
        status = wait_for_mysql(handle if mysql is None else mysql, status)
        status = cont(box, handle, status)
    return box[0]


def query(mysql: CData, sql: str | bytes) -> int:
    """``mysql_real_query`` through its pair; returns 0 or an error."""
    text = sql.encode() if isinstance(sql, str) else sql
    result: int = drive(
        "int *",
        lib.mysql_real_query_start,
        lib.mysql_real_query_cont,
        mysql,
        text,
        len(text),
    )
    return result


def fetch(mysql: CData, result: CData) -> tuple[bytes | None, ...] | None:
    """The next row through its pair, or None at the end."""
    row = drive(
        "MYSQL_ROW *",
        lib.mysql_fetch_row_start,
        lib.mysql_fetch_row_cont,
        result,
        mysql=mysql,
    )
    return None if row == ffi.NULL else unpack(result, row)


def unpack(result: CData, row: CData) -> tuple[bytes | None, ...]:
    """The columns of a row as bytes."""
    lengths = lib.mysql_fetch_lengths(result)
    return tuple(
        None if row[i] == ffi.NULL else bytes(ffi.buffer(row[i], lengths[i]))
        for i in range(lib.mysql_num_fields(result))
    )


def rows(mysql: CData, sql: str) -> list[tuple[bytes | None, ...]]:
    """Run a query and return all its rows, streamed."""
    assert query(mysql, sql) == 0, error(mysql)
    result = lib.mysql_use_result(mysql)
    assert result != ffi.NULL, error(mysql)
    found = []
    while (row := fetch(mysql, result)) is not None:
        found.append(row)
    assert lib.mysql_errno(mysql) == 0, error(mysql)
    lib.mysql_free_result(result)
    return found


def error(mysql: CData) -> str:
    """The number and text of a connection's last error."""
    text = ffi.string(lib.mysql_error(mysql)).decode()
    return f"{lib.mysql_errno(mysql)} {text}"


def stmt_error(stmt: CData) -> str:
    """The number and text of a statement's last error."""
    text = ffi.string(lib.mysql_stmt_error(stmt)).decode()
    return f"{lib.mysql_stmt_errno(stmt)} {text}"


def values(names: Sequence[str]) -> dict[str, int]:
    """Constants of the library by name."""
    return {name: getattr(lib, name) for name in names}
