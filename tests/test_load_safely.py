"""A server gets what load() was given, and nothing else, whatever it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from option_support import ScriptedServer
from server_packets import OK
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb.server import TemporaryServer

#: What no server may see.
SECRET: Final = "what is in the file"
SQL: Final = "LOAD DATA LOCAL INFILE 'any' INTO TABLE t"
#: Ends what is sent of a file.
END: Final = b""
#: OK that tells of the character set: who is not told asks for it.
CHARSET: Final = b"\x14character_set_client\x07utf8mb4"
TELLING: Final = bytes.fromhex("00000002400000001f001d") + CHARSET
#: The answers to the login and to what sets the session up.
LOGIN: Final = [OK, TELLING]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_text(f"{SECRET}\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def unwilling() -> Iterator[TemporaryServer]:
    """A server that does not load from clients."""
    with TemporaryServer(options={"local_infile": "OFF"}) as server:
        yield server


def wish(path: Path) -> bytes:
    return b"\xfb" + bytes(path)


def over_scripted(server: ScriptedServer) -> dict[str, Any]:
    place = {"unix_socket": None, "host": "127.0.0.1", "port": server.port}
    return {**place, "tls": "disable", "autocommit": None}


def query(sql: str) -> bytes:
    return b"\x03" + sql.encode()


#: What is asked after an error: whether a transaction is open.
ASKS: Final = query("DO 0")
INFO: Final = b"Records: 1  Deleted: 0  Skipped: 0  Warnings: 0"
LOADED: Final = OK + bytes([len(INFO)]) + INFO


# ---- statements that were given nothing ----------------------------------------------


@pytest.mark.parametrize(
    "how", ["{}", "  \n{}", "/* a */ {}", "SET STATEMENT lock_wait_timeout=5 FOR {}"]
)
@pytest.mark.parametrize("stream", [False, True])
@in_every_world
async def test_statement_without_a_source_loads_nothing(
    world: World, file: Path, stream: bool, how: str
) -> None:
    table = await world.table("x TEXT")
    conn = await world.connect()
    sql = how.format(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table}")
    cur = conn.cursor(stream=stream)
    with pytest.raises(mariadb_nb.NotSupportedError, match=r"give .* to load\(\)"):
        await cur.execute(sql)
    cur = await conn.execute(f"SELECT 'a secret', COUNT(*) FROM {table}")
    assert await cur.fetchall() == [("a secret", 0)]


@in_every_world
async def test_one_of_several_statements(world: World, file: Path) -> None:
    """What follows it is read, and its replies are nobody else's."""
    table = await world.table("x TEXT")
    conn = await world.connect(multi_statements=True)
    local = f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table}"
    for sql in (f"{local}; SELECT 1", f"SELECT 1; {local}; {local}; SELECT 2"):
        with pytest.raises(mariadb_nb.NotSupportedError, match="loaded nothing"):
            await conn.execute(sql)
        cur = await conn.execute(f"SELECT 'a secret', COUNT(*) FROM {table}")
        assert await cur.fetchall() == [("a secret", 0)]


@in_every_world
async def test_only_one_of_several_statements_is_given_the_source(
    world: World, file: Path
) -> None:
    table = await world.table("x TEXT")
    conn = await world.connect(multi_statements=True, autocommit=True)
    local = f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table}"
    with pytest.raises(mariadb_nb.NotSupportedError, match="loaded nothing"):
        await conn.load(f"{local}; {local}", b"given\n")
    cur = await conn.execute(f"SELECT 'a secret', COUNT(*) FROM {table}")
    assert await cur.fetchall() == [("a secret", 0)]


@in_every_world
async def test_many_statements(world: World, file: Path) -> None:
    """Nor does executemany() or a procedure's call read files."""
    table = await world.table("x TEXT")
    conn = await world.connect()
    sql = f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table} SET x = ?"
    with pytest.raises(mariadb_nb.NotSupportedError):
        await conn.executemany(sql, [("x",)])
    assert not conn.closed


@pytest.mark.parametrize("prepare", [True, False, None])
@in_every_world
async def test_statement_that_could_be_prepared(
    world: World, file: Path, prepare: bool | None
) -> None:
    table = await world.table("x TEXT")
    conn = await world.connect(prepare_threshold=1)
    sql = f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table} SET x = ?"
    cur = conn.cursor(prepare=prepare)
    for _ in range(3):
        with pytest.raises(mariadb_nb.NotSupportedError, match="loaded nothing"):
            await cur.execute(sql, ("x",))
    cur = await conn.execute(f"SELECT 'a secret', COUNT(*) FROM {table}")
    assert await cur.fetchall() == [("a secret", 0)]


@in_every_world
async def test_statement_of_a_pipeline(world: World, file: Path) -> None:
    """What was sent behind it would be taken for the file: that is the end."""
    table = await world.table("x TEXT")
    conn = await world.connect(autocommit=True)
    local = f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table}"

    async def send() -> None:
        async with conn.pipeline() as pipe:
            for sql in ("SELECT 1", local, f"INSERT INTO {table} VALUES ('x')"):
                pipe.execute(sql)

    with pytest.raises(mariadb_nb.Error):
        await send()
    assert conn.broken
    cur = await (await world.connect()).execute(f"SELECT COUNT(*) FROM {table}")
    assert await cur.fetchall() == [(0,)]


# ---- servers that ask for files ------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("sql", ["SELECT 1", "SELECT 'LOAD DATA LOCAL' /* LOAD */"])
@in_every_world
async def test_server_asks_in_reply_to_something_else(
    world: World, file: Path, sql: str, stream: bool
) -> None:
    with ScriptedServer(None, [*LOGIN, wish(file), OK, OK]) as server:
        conn = await world.connect(**over_scripted(server))
        cur = conn.cursor(stream=stream)
        with pytest.raises(mariadb_nb.OperationalError, match="asked for a file"):
            await cur.execute(sql)
        assert conn.broken
        with pytest.raises(mariadb_nb.InterfaceError, match="broken"):
            await conn.execute("SELECT 2")
        await conn.close()
    assert server.packets[2:4] == [query(sql), END]


@in_every_world
async def test_server_asks_at_once(world: World, file: Path) -> None:
    """Its wish answers a statement of the connection's own, which sets it up."""
    with (
        ScriptedServer(None, [OK, wish(file), OK, OK]) as server,
        pytest.raises(mariadb_nb.OperationalError, match="asked for a file"),
    ):
        await world.connect(**over_scripted(server))
    assert server.packets[2] == END


@in_every_world
async def test_server_asks_while_one_logs_in(world: World, file: Path) -> None:
    with (
        ScriptedServer(None, [wish(file), OK, OK]) as server,
        pytest.raises(mariadb_nb.OperationalError),
    ):
        await world.connect(**over_scripted(server))
    assert not any(SECRET.encode() in packet for packet in server.packets)


@in_every_world
async def test_server_asks_for_another_file(world: World, file: Path) -> None:
    """It gets what was given, under any name."""
    answers = [*LOGIN, OK, wish(file), b"", LOADED, OK]
    with ScriptedServer(None, answers) as server:
        conn = await world.connect(**over_scripted(server))
        assert await conn.load(SQL, b"given\n") == 1
        await conn.close()
    assert server.packets[3:7] == [query(SQL), b"given\n", END, query("COMMIT")]


@in_every_world
async def test_server_asks_again(world: World, file: Path) -> None:
    answers = [*LOGIN, OK, wish(file), b"", wish(file), LOADED, OK, OK]
    with ScriptedServer(None, answers) as server:
        conn = await world.connect(**over_scripted(server))
        with pytest.raises(mariadb_nb.NotSupportedError, match="loaded nothing"):
            await conn.load(SQL, b"given\n")
        await conn.close()
    assert server.packets[4:9] == [b"given\n", END, END, ASKS, query("ROLLBACK")]


@in_every_world
async def test_server_asks_after_the_load(world: World, file: Path) -> None:
    """What was given once is not there for the next statement."""
    answers = [*LOGIN, OK, wish(file), b"", LOADED, wish(file), OK]
    with ScriptedServer(None, answers) as server:
        conn = await world.connect(**over_scripted(server))
        with pytest.raises(mariadb_nb.OperationalError, match="asked for a file"):
            await conn.load(SQL, b"given\n")
        assert conn.broken
        await conn.close()
    assert server.packets[4:8] == [b"given\n", END, query("COMMIT"), END]


@in_every_world
async def test_server_does_not_ask(world: World) -> None:
    with ScriptedServer(None, [*LOGIN, OK, OK, OK, OK]) as server:
        conn = await world.connect(**over_scripted(server))
        with pytest.raises(mariadb_nb.ProgrammingError, match="did not ask"):
            await conn.load(SQL, b"given\n")
        await conn.close()
    assert server.packets[3:6] == [query(SQL), ASKS, query("ROLLBACK")]


@in_every_world
async def test_server_says_nothing_of_the_load(world: World, file: Path) -> None:
    with ScriptedServer(None, [*LOGIN, OK, wish(file), b"", OK, OK, OK]) as server:
        conn = await world.connect(**over_scripted(server))
        with pytest.raises(mariadb_nb.DataError, match="does not say what it loaded"):
            await conn.load(SQL, b"given\n")
        await conn.close()
    assert server.packets[6] == query("ROLLBACK")


@in_every_world
async def test_server_that_does_not_load_from_clients(
    world: World, unwilling: TemporaryServer
) -> None:
    user = unwilling.users["native"]
    place = {"unix_socket": unwilling.socket, "password": user.password}
    conn = await world.connect(**place, autocommit=True)
    await conn.execute("CREATE OR REPLACE TABLE t (x INT)")
    for arguments in (("t", [(1,)]), (SQL, b"1\n")):
        with pytest.raises(mariadb_nb.NotSupportedError, match="local_infile is OFF"):
            await conn.load(*arguments)
        assert not conn.in_transaction
    cur = await conn.execute("SELECT 'a secret', COUNT(*) FROM t")
    assert await cur.fetchall() == [("a secret", 0)]
