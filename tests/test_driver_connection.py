"""Connecting, closing, and what a connection says of itself, in every world."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from worlds import World, in_every_world

import mariadb_nb

SECRET = "hunter2 is not to be shown"


@in_every_world
async def test_connect_and_close(world: World) -> None:
    conn, witness = await world.connect(), await world.connect()
    cur = await conn.execute("SELECT CONNECTION_ID(), VERSION(), DATABASE()")
    row = await cur.fetchone()
    assert row is not None
    thread_id, version, database = row
    assert conn.thread_id == thread_id
    assert version.startswith(".".join(map(str, conn.server_version)))
    assert conn.database == database == "test"
    assert not conn.closed
    await conn.close()
    assert conn.closed
    await world.wait_until_gone(witness, thread_id)


@pytest.mark.parametrize("transport", ["unix", "tcp", "tls"])
@in_every_world
async def test_each_way_to_the_server(world: World, transport: str) -> None:
    server = world.server
    tcp = {"unix_socket": None, "host": server.host, "port": server.port}
    tls = {"tls": "verify-full", "tls_ca": server.ca_file}
    ways: dict[str, dict[str, Any]] = {
        "unix": {"unix_socket": server.socket},
        "tcp": {**tcp, "tls": "disable"},
        "tls": {**tcp, **tls},
    }
    conn = await world.connect(**ways[transport])
    cur = await conn.execute("SHOW STATUS LIKE 'Ssl_cipher'")
    row = await cur.fetchone()
    assert row is not None
    assert bool(row[1]) == (transport == "tls")


@in_every_world
async def test_connection_is_closed_when_its_block_is_left(world: World) -> None:
    async with await world.connect() as conn:
        await conn.execute("DO 1")
    assert conn.closed

    async def fail() -> None:
        async with await world.connect() as conn:
            failed.append(conn)
            await conn.execute("SELECT * FROM no_such_table")

    failed = [conn]
    with pytest.raises(mariadb_nb.ProgrammingError, match="no_such_table"):
        await fail()
    assert failed[-1].closed


@in_every_world
async def test_cursor_is_closed_when_its_block_is_left(world: World) -> None:
    conn = await world.connect()
    async with conn.cursor() as cur:
        await cur.execute("SELECT 1")
    with pytest.raises(mariadb_nb.InterfaceError, match="closed"):
        await cur.fetchone()
    with pytest.raises(mariadb_nb.InterfaceError, match="closed"):
        await cur.execute("SELECT 1")
    await cur.close()
    await conn.ping()


@in_every_world
async def test_nothing_works_after_close(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    await conn.close()
    for call in (
        lambda: conn.execute("SELECT 1"),
        conn.commit,
        conn.rollback,
        conn.ping,
        conn.reset,
        lambda: cur.execute("SELECT 1"),
        lambda: cur.executemany("DO ?", [(1,)]),
        lambda: cur.callproc("p"),
        conn.show_warnings,
        lambda: conn.set_autocommit(True),
        lambda: conn.change_user("native", "", "test"),
        conn.tpc_recover,
    ):
        with pytest.raises(mariadb_nb.InterfaceError, match="closed"):
            await call()
    with pytest.raises(mariadb_nb.InterfaceError, match="closed"):
        conn.cursor()
    await conn.close()
    await cur.close()


@in_every_world
async def test_wrong_password(world: World) -> None:
    with pytest.raises(mariadb_nb.OperationalError) as raised:
        await world.connect(password=SECRET)
    assert (raised.value.errno, raised.value.sqlstate) == (1045, "28000")
    assert SECRET not in str(raised.value) + repr(raised.value)


@in_every_world
async def test_unknown_database(world: World) -> None:
    with pytest.raises(mariadb_nb.OperationalError, match="no_such_database") as raised:
        await world.connect(database="no_such_database", login="root")
    assert raised.value.errno == 1049


@in_every_world
async def test_nobody_listens(world: World, tmp_path: Path) -> None:
    path = str(tmp_path / "nobody.sock")
    with pytest.raises(mariadb_nb.OperationalError, match="No such file") as raised:
        await world.connect(unix_socket=path)
    assert raised.value.errno == 2002
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen; nobody else can
        port = deaf.getsockname()[1]
        with pytest.raises(mariadb_nb.OperationalError, match="refused") as raised:
            await world.connect(unix_socket=None, host="127.0.0.1", port=port)
    assert raised.value.errno == 2002


@in_every_world
async def test_password_may_be_called_for(world: World) -> None:
    password = world.server.users["native"].password
    conn = await world.connect(password=lambda: password)
    assert password not in repr(conn)


@in_every_world
async def test_init_command(world: World) -> None:
    conn = await world.connect(init_command="SET @told = 'by init_command'")
    cur = await conn.execute("SELECT @told")
    assert await cur.fetchone() == ("by init_command",)


@in_every_world
async def test_url(world: World) -> None:
    server, user = world.server, world.server.users["native"]
    url = (
        f"mariadb://{user.name}:{user.password}@{server.host}:{server.port}/test"
        "?tls=disable"
    )
    conn = await world.connect_to(url)
    assert conn.database == "test"
    assert user.password not in repr(conn)


@in_every_world
async def test_no_repr_shows_the_password(world: World) -> None:
    password = world.server.users["native"].password
    conn = await world.connect()
    cur = await conn.execute("SELECT 1 AS one")
    shown = [repr(conn), repr(cur), repr(cur.description), str(conn)]
    with pytest.raises(mariadb_nb.Error) as raised:
        await conn.execute("SELEC")
    errors = [raised.value]
    with pytest.raises(mariadb_nb.Error) as raised:
        await world.connect(password=password + "x")
    errors.append(raised.value)
    for error in errors:
        shown += [str(error), repr(error), repr(error.args), repr(vars(error))]
    assert [text for text in shown if password in text] == []


@in_every_world
async def test_repr_tells_the_state(world: World) -> None:
    conn = await world.connect()
    assert "READY" in repr(conn)
    assert str(conn.thread_id) in repr(conn)
    await conn.close()
    assert "CLOSED" in repr(conn)


@in_every_world
async def test_ping(world: World) -> None:
    conn = await world.connect()
    await conn.ping()
    assert not conn.closed


@in_every_world
async def test_reset_starts_the_session_anew(world: World) -> None:
    conn = await world.connect(init_command="SET @mine = 'again'")
    await conn.set_autocommit(True)
    await conn.execute("SET NAMES latin1")
    await conn.execute("SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
    await conn.execute("SET @mine = 1")
    await conn.execute("CREATE TEMPORARY TABLE gone (x INT)")
    await conn.reset()
    assert conn.autocommit is False
    cur = await conn.execute("SELECT @@autocommit, @@character_set_client, @mine")
    assert await cur.fetchone() == (0, "utf8mb4", "again")
    with pytest.raises(mariadb_nb.ProgrammingError, match="gone"):
        await conn.execute("SELECT * FROM gone")
    text = "a \\' backslash and a snowman \N{SNOWMAN}"
    cur = await conn.execute('SELECT ?, "a string"', (text,))
    assert await cur.fetchone() == (text, "a string")


@in_every_world
async def test_reset_rolls_back(world: World) -> None:
    table = await world.table("x INT")
    conn = await world.connect()
    await conn.execute(f"INSERT INTO {table} VALUES (1)")
    assert conn.in_transaction
    await conn.reset()
    assert not conn.in_transaction
    cur = await conn.execute(f"SELECT COUNT(*) FROM {table}")
    assert await cur.fetchone() == (0,)


@in_every_world
async def test_change_user(world: World) -> None:
    conn = await world.connect("root", database="mysql")
    await conn.set_autocommit(True)
    native = world.server.users["native"]
    await conn.change_user(native.name, native.password, "test")
    assert conn.database == "test"
    assert conn.autocommit is False
    cur = await conn.execute(
        "SELECT USER(), DATABASE(), @@autocommit, ?", ("\N{BEER MUG}",)
    )
    row = await cur.fetchone()
    assert row is not None
    assert row[0].startswith("native@")
    assert row[1:] == ("test", 0, "\N{BEER MUG}")


@in_every_world
async def test_refused_change_of_user(world: World) -> None:
    conn = await world.connect()
    with pytest.raises(mariadb_nb.OperationalError) as raised:
        await conn.change_user("native", "wrong", "test")
    assert raised.value.errno == 1045
    # The server keeps the user, but has made the session anew before it refused.
    cur = await conn.execute("SELECT USER(), @@autocommit, ?", ("\N{SNOWMAN}",))
    row = await cur.fetchone()
    assert row is not None
    assert row[0].startswith("native@")
    assert row[1:] == (0, "\N{SNOWMAN}")
    assert conn.autocommit is False
