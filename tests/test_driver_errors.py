"""What goes wrong has the right class, and the connection is right after it."""

from __future__ import annotations

import pickle

import pytest
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio

#: Runs for minutes unless it is ended.
LONG = "SELECT COUNT(*) FROM seq_1_to_1000000 AS a, seq_1_to_1000000 AS b"


async def still_right(conn: aio.Connection) -> None:
    """Nothing that came before is taken for an answer."""
    cur = await conn.execute("SELECT ?", ("a secret",))
    assert await cur.fetchall() == [("a secret",)]


# ---- errors of statements --------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "kind", "errno", "sqlstate"),
    [
        ("SELEC 1", mariadb_nb.ProgrammingError, 1064, "42000"),
        ("SELECT * FROM missing", mariadb_nb.ProgrammingError, 1146, "42S02"),
        ("SELECT missing", mariadb_nb.ProgrammingError, 1054, "42S22"),
        ("INSERT INTO checked VALUES (1, 1)", mariadb_nb.IntegrityError, 1062, "23000"),
        (
            "INSERT INTO checked VALUES (NULL, 1)",
            mariadb_nb.IntegrityError,
            1048,
            "23000",
        ),
        (
            "INSERT INTO checked VALUES (2, -1)",
            mariadb_nb.IntegrityError,
            4025,
            "23000",
        ),
        ("INSERT INTO checked VALUES (2, 999)", mariadb_nb.DataError, 1264, "22003"),
        ("SELECT * FROM mysql.user", mariadb_nb.OperationalError, 1142, "42000"),
        ("KILL 4294967295", mariadb_nb.DatabaseError, 1094, "HY000"),
    ],
)
@in_every_world
async def test_errors_of_the_server(
    world: World, sql: str, kind: type[mariadb_nb.Error], errno: int, sqlstate: str
) -> None:
    conn = await world.connect()
    await conn.execute(
        "CREATE TEMPORARY TABLE checked "
        "(id INT NOT NULL PRIMARY KEY, x TINYINT CHECK (x > 0))"
    )
    await conn.execute("INSERT INTO checked VALUES (1, 1)")
    with pytest.raises(kind) as raised:
        await conn.execute(sql)
    error = raised.value
    assert (error.errno, error.sqlstate) == (errno, sqlstate)
    assert error.message
    assert not error.retryable
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    await still_right(conn)


@in_every_world
async def test_line_of_a_syntax_error(world: World) -> None:
    conn = await world.connect()
    with pytest.raises(mariadb_nb.ProgrammingError) as raised:
        await conn.execute("SELECT 1,\n2,\nFROM nowhere")
    assert raised.value.line == 3
    with pytest.raises(mariadb_nb.ProgrammingError) as raised:
        await conn.execute("SELECT 1 FROM nowhere")
    assert raised.value.line is None


@in_every_world
async def test_error_with_parameters_shows_none_of_them_twice(world: World) -> None:
    """What the server quotes is quoted, and we add no value to it."""
    conn = await world.connect()
    with pytest.raises(mariadb_nb.ProgrammingError) as raised:
        await conn.execute("SELECT * FROM missing WHERE x = ?", ("private",))
    assert "private" not in str(raised.value) + repr(raised.value)


# ---- locks -----------------------------------------------------------------------


@in_every_world
async def test_deadlock(world: World) -> None:
    table = await world.table("id INT PRIMARY KEY, x INT", "(1, 0), (2, 0)")
    one, other = await world.connect(), await world.connect()
    update = f"UPDATE {table} SET x = x + 1 WHERE id = ?"
    await one.execute(update, (1,))
    await other.execute(update, (2,))

    async def work(conn: aio.Connection, row: int) -> str:
        await conn.execute(update, (row,))
        await conn.commit()
        return "wins"

    outcomes = await world.together(work(one, 2), work(other, 1))
    loser = one if outcomes[1] == "wins" else other
    assert "wins" in outcomes
    (error,) = [outcome for outcome in outcomes if outcome != "wins"]
    assert isinstance(error, mariadb_nb.Deadlock)
    assert (error.errno, error.sqlstate) == (1213, "40001")
    assert error.retryable
    # The server has rolled it back.
    assert not loser.in_transaction
    await still_right(loser)
    cur = await one.execute(f"SELECT SUM(x) FROM {table}")
    assert await cur.fetchone() == (2,)


@in_every_world
async def test_lock_that_is_not_to_be_had(world: World) -> None:
    table = await world.table("id INT PRIMARY KEY", "(1)")
    one, other = await world.connect(), await world.connect()
    await one.execute(f"SELECT * FROM {table} FOR UPDATE")
    with pytest.raises(mariadb_nb.LockTimeout) as raised:
        await other.execute(f"SELECT * FROM {table} FOR UPDATE NOWAIT")
    assert raised.value.errno == 1205
    assert raised.value.retryable
    await still_right(other)


# ---- ended from outside ------------------------------------------------------------


@in_every_world
async def test_connection_killed_while_idle(world: World) -> None:
    conn, killer = await world.connect(), await world.connect()
    await killer.execute("KILL CONNECTION ?", (conn.thread_id,))
    await world.wait_until_gone(killer, conn.thread_id)
    with pytest.raises(mariadb_nb.ConnectionLost) as raised:
        await conn.execute("SELECT 1")
    assert isinstance(raised.value, ConnectionError)
    await assert_broken(conn)
    await still_right(killer)


@in_every_world
async def test_connection_killed_while_it_waits(world: World) -> None:
    conn, killer = await world.connect(), await world.connect()

    async def kill() -> None:
        await world.wait_until_seen(killer, f"{LONG} /* {world.name} */")
        await killer.execute("KILL CONNECTION ?", (conn.thread_id,))

    outcome, _ = await world.together(
        conn.execute(f"{LONG} /* {world.name} */"), kill()
    )
    assert isinstance(outcome, mariadb_nb.ConnectionLost)
    await assert_broken(conn)


async def assert_broken(conn: aio.Connection) -> None:
    """It says that it is broken, refuses at once, and can be closed."""
    assert "broken" in repr(conn).lower()
    with pytest.raises(mariadb_nb.Error, match=r"(?i)broken|lost"):
        await conn.execute("SELECT 1")
    with pytest.raises(mariadb_nb.Error):
        await conn.commit()
    with pytest.raises(mariadb_nb.Error):
        await conn.ping()
    await conn.close()
    assert conn.closed


@in_every_world
async def test_query_killed(world: World) -> None:
    conn, killer = await world.connect(), await world.connect()
    sql = f"{LONG} /* killed {world.name} */"

    async def kill() -> None:
        await world.wait_until_seen(killer, sql)
        await killer.execute("KILL QUERY ?", (conn.thread_id,))

    outcome, _ = await world.together(conn.execute(sql), kill())
    assert isinstance(outcome, mariadb_nb.QueryInterrupted)
    assert outcome.errno == 1317
    await still_right(conn)


@in_every_world
async def test_timeout_of_one_statement(world: World) -> None:
    conn, witness = await world.connect(), await world.connect()
    sql = f"{LONG} /* timed {world.name} */"
    with pytest.raises(mariadb_nb.OperationTimeout) as raised:
        await conn.cursor().execute(sql, timeout=0.05)
    assert isinstance(raised.value, TimeoutError)
    await still_right(conn)
    cur = await witness.execute(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info = ?", (sql,)
    )
    assert await cur.fetchone() == (0,)


@in_every_world
async def test_timeout_of_every_statement(world: World) -> None:
    conn = await world.connect(timeout=0.3)
    with pytest.raises(mariadb_nb.OperationTimeout):
        await conn.execute(f"{LONG} /* timed {world.name} */")
    conn.timeout = None
    await still_right(conn)


# ---- one at a time -------------------------------------------------------------------


@in_every_world
async def test_four_tasks_on_one_connection(world: World) -> None:
    conn, holder = await world.connect(), await world.connect()
    lock = f"four tasks {world.name}"
    await holder.execute("DO GET_LOCK(?, 10)", (lock,))
    refused: list[int] = []

    async def ask(number: int) -> str:
        try:
            cur = await conn.execute("SELECT ?, GET_LOCK(?, 20)", (number, lock))
        except mariadb_nb.Busy:
            refused.append(number)
            if len(refused) == 3:
                # Until now the first one has waited for this.
                await holder.execute("DO RELEASE_LOCK(?)", (lock,))
            return "refused"
        # The answer is its own.
        assert await cur.fetchall() == [(number, 1)]
        return "proceeded"

    outcomes = await world.together(*(ask(number) for number in range(4)))
    assert sorted(map(repr, outcomes)) == ["'proceeded'", *["'refused'"] * 3]
    assert issubclass(mariadb_nb.Busy, mariadb_nb.InterfaceError)
    await still_right(conn)


@in_every_world
async def test_everything_that_is_refused_leaves_the_first_one_alone(
    world: World,
) -> None:
    """Above all a transaction() that could not begin."""
    conn, holder = await world.connect(), await world.connect()
    lock = f"left alone {world.name}"
    await holder.execute("DO GET_LOCK(?, 10)", (lock,))

    sql = f"SELECT 'mine', GET_LOCK('{lock}', 20)"

    async def first() -> str:
        cur = await conn.execute(sql)
        assert await cur.fetchall() == [("mine", 1)]
        return "proceeded"

    async def begin() -> None:
        async with conn.transaction():
            raise AssertionError("it has begun")

    async def others() -> str:
        try:
            await world.wait_until_seen(holder, sql)
            for use in (begin, conn.commit, conn.ping, conn.reset, conn.show_warnings):
                with pytest.raises(mariadb_nb.Busy):
                    await use()
        finally:
            await holder.execute("DO RELEASE_LOCK(?)", (lock,))
        return "refused"

    outcomes = await world.together(first(), others())
    assert outcomes == ["proceeded", "refused"]
    await still_right(conn)


@in_every_world
async def test_connections_do_not_wait_for_each_other(world: World) -> None:
    """Each waits for a lock that the next one holds, so that they must overlap."""
    connections = [await world.connect() for _ in range(4)]
    names = [f"{world.name} overlaps {number}" for number in range(4)]
    for conn, name in zip(connections, names, strict=True):
        await conn.execute("DO GET_LOCK(?, 10)", (name,))

    async def work(number: int) -> int:
        conn = connections[number]
        if number:
            cur = await conn.execute("SELECT GET_LOCK(?, 20)", (names[number - 1],))
            assert await cur.fetchone() == (1,)
        else:
            await world.wait_until_seen(conn, f"{world.name} overlaps 2")
        await conn.execute("DO RELEASE_LOCK(?)", (names[number],))
        return number

    assert await world.together(*map(work, range(4))) == [0, 1, 2, 3]
