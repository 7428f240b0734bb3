"""What the tests of cancelling interrupt: everything that waits.

The scenarios are coroutine functions over the names of ``mariadb_nb.aio``; on blocking
connections they run as ``worlds`` has it. They close their streams whatever happens:
who is cancelled between two operations has one that is in the way of others until then.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from mariadb_nb import aio

TABLE = "cancelled"
PROCEDURE = "cancelled_call"

Connection = aio.Connection
ROWS = "SELECT seq, REPEAT('x', 40) FROM seq_1_to_20000"


async def nothing(conn: Connection) -> None:
    """No preparations."""


async def stream(conn: Connection) -> aio.Cursor:
    return await conn.cursor(stream=True).execute(ROWS)


async def stream_of_results(conn: Connection) -> aio.Cursor:
    cur = conn.cursor(stream=True)
    await cur.execute(f"SELECT 1; {ROWS}; DO 1")
    return cur


async def insert_one(conn: Connection) -> None:
    await conn.execute(f"INSERT INTO {TABLE} VALUES (1)")


async def alone(conn: Connection) -> None:
    """Wait until the server has ended a connection that was lost in a transaction.

    Two that insert and then look for rows to delete can end in a deadlock.
    """
    cur = await conn.execute(f"SELECT GET_LOCK('{TABLE}', 60)")
    assert await cur.fetchall() == [(1,)]


async def insert_one_alone(conn: Connection) -> None:
    await alone(conn)
    await insert_one(conn)


async def small(conn: Connection, _: Any) -> Any:
    return await (await conn.execute("SELECT 'small'")).fetchall()


async def many_rows(conn: Connection, _: Any) -> Any:
    return len(await (await conn.execute(ROWS)).fetchall())


async def large_statement(conn: Connection, _: Any) -> Any:
    cur = await conn.execute(f"SELECT LENGTH('{'x' * 2_000_000}')")
    return await cur.fetchone()


async def several_results(conn: Connection, _: Any) -> Any:
    cur = await conn.execute("SELECT 1; SELECT seq FROM seq_1_to_9999; DO 1; SELECT 2")
    counts = [cur.rowcount]
    while await cur.nextset():
        counts.append(cur.rowcount)
    return counts


async def insert(conn: Connection, _: Any) -> Any:
    cur = await conn.execute(f"INSERT INTO {TABLE} SELECT seq FROM seq_1_to_2000")
    return cur.rowcount


async def start_stream(conn: Connection, _: Any) -> Any:
    async with conn.cursor(stream=True) as cur:
        await cur.execute(ROWS)
        return len(cur.description or ())


async def fetch_stream(conn: Connection, cur: Any) -> Any:
    async with cur:
        return [len(await cur.fetchmany(10)), len(await cur.fetchall())]


async def next_results(conn: Connection, cur: Any) -> Any:
    count = 0
    async with cur:
        while await cur.nextset():
            count += 1
    return count


async def close_stream(conn: Connection, cur: Any) -> Any:
    async with cur:
        await cur.fetchone()


async def ping(conn: Connection, _: Any) -> Any:
    await conn.ping()


async def reset(conn: Connection, _: Any) -> Any:
    await conn.reset()


async def change_user(conn: Connection, _: Any) -> Any:
    await conn.change_user()


async def execute_many(conn: Connection, _: Any) -> Any:
    cur = conn.cursor()
    await cur.executemany(f"INSERT INTO {TABLE} VALUES (?)", [(i,) for i in range(99)])
    await cur.executemany("SELECT ?", [(i,) for i in range(3)])
    return cur.rowcount


async def insert_arrays(conn: Connection, _: Any) -> Any:
    sql = f"INSERT INTO {TABLE} VALUES (?) RETURNING x"
    cur = await conn.executemany(sql, ((i,) for i in range(20_000)))
    return len(await cur.fetchall())


async def delete_arrays(conn: Connection, _: Any) -> Any:
    sql = f"DELETE FROM {TABLE} WHERE x = ? OR SLEEP(?)"
    cur = await conn.executemany(sql, [(1, 0.001)] * 9)
    return cur.rowcount


async def load(conn: Connection, _: Any) -> Any:
    """More than a buffer of rows."""
    return await conn.load(TABLE, ((number,) for number in range(60_000)))


async def load_file(conn: Connection, _: Any) -> Any:
    sql = f"LOAD DATA LOCAL INFILE 'any' INTO TABLE {TABLE}"
    return await conn.load(sql, [b"1\n" * 200_000, b"2\n" * 10])


async def no_rows(conn: Connection) -> None:
    """There is nothing in the table, also for who would see what is not committed."""
    cur = await conn.execute(f"SELECT COUNT(*) FROM {TABLE}")
    assert await cur.fetchall() == [(0,)]


async def call(conn: Connection, _: Any) -> Any:
    return await conn.cursor().callproc(PROCEDURE, (3, None))


async def transactions(conn: Connection, _: Any) -> Any:
    async with conn.transaction():
        await insert_one(conn)
        async with conn.transaction():
            await insert_one(conn)
        cur = await conn.execute(f"DELETE FROM {TABLE}")
    return cur.rowcount


async def pipeline(conn: Connection, _: Any) -> Any:
    async with conn.pipeline() as pipe:
        sql = "SELECT REPEAT('x', ?), LENGTH(?)"
        results = [pipe.execute(sql, (99_999, "y" * 9_999)) for _ in range(20)]
    return {len(result.fetchone()[0]) for result in results}


async def commit(conn: Connection, _: Any) -> Any:
    await conn.execute(f"DELETE FROM {TABLE} WHERE x = 1")
    await conn.commit()


async def rollback(conn: Connection, _: Any) -> Any:
    await conn.rollback()


async def change_settings(conn: Connection, _: Any) -> Any:
    await conn.set_isolation_level("READ COMMITTED")
    await conn.set_autocommit(False)
    return await conn.show_warnings()


PARAMETER = "SELECT seq, REPEAT('x', 40) FROM seq_1_to_20000 WHERE seq > ?"


async def prepared(conn: Connection) -> Any:
    """A statement that is prepared, and some that are to be closed."""
    made = await conn.prepare(PARAMETER)
    for number in range(5):
        await (await conn.prepare(f"SELECT {number}")).close()
    return made


async def prepare_and_execute(conn: Connection, _: Any) -> Any:
    async with await conn.prepare(f"{PARAMETER} AND {id(conn)} > 0") as made:
        return len(await (await made.execute((19_000,))).fetchall())


async def execute_prepared(conn: Connection, made: Any) -> Any:
    counts = [len(await (await made.execute((n,))).fetchall()) for n in (0, 19_000)]
    await made.close()
    return counts


async def large_parameter(conn: Connection, made: Any) -> Any:
    await made.close()
    cur = await conn.execute("SELECT LENGTH(?)", ("x" * 2_000_000,), prepare=True)
    return await cur.fetchone()


async def stream_prepared(conn: Connection, made: Any) -> Any:
    async with conn.cursor(stream=True) as cur:
        await cur.execute(made.sql, (10,), prepare=True)
        return [len(await cur.fetchmany(10)), len(await cur.fetchall())]


async def fetch_from_server(conn: Connection, made: Any) -> Any:
    async with conn.cursor(stream=True, prefetch=2000) as cur:
        await cur.execute(made.sql, (10,))
        counts = [len(await cur.fetchmany(10)), len(await cur.fetchall())]
        await cur.execute(made.sql, (10,))
        await cur.fetchone()
    return counts


async def close_prepared_stream(conn: Connection, made: Any) -> Any:
    async with conn.cursor(stream=True) as cur:
        await cur.execute(made.sql, (10,), prepare=True)
        await cur.fetchone()


async def columns(conn: Connection, _: Any) -> Any:
    sql = "SELECT seq, CONCAT('row ', seq) FROM seq_1_to_20000"
    async with await conn.cursor().stream_arrow(sql, batch_rows=9_999) as stream:
        return [len(batch) async for batch in stream]


@dataclass(frozen=True)
class Scenario:
    """Something that waits.

    Attributes:
        act: what is interrupted, with what ``prepare`` returned.
        expected: what it returns when it is not interrupted.
        prepare: what comes before.
        undone: what must hold when it was interrupted and the connection is kept.
    """

    act: Callable[[Connection, Any], Coroutine[Any, Any, Any]]
    expected: Any = None
    prepare: Callable[[Connection], Coroutine[Any, Any, Any]] = nothing
    undone: Callable[[Connection], Coroutine[Any, Any, None]] = nothing


SCENARIOS: dict[str, Scenario] = {
    "small": Scenario(small, [("small",)]),
    "many rows": Scenario(many_rows, 20_000),
    "large statement": Scenario(large_statement, (2_000_000,)),
    "several results": Scenario(several_results, [1, 9999, 0, 1]),
    "insert": Scenario(insert, 2000),
    "start of a stream": Scenario(start_stream, 2),
    "fetch of a stream": Scenario(fetch_stream, [10, 19_990], stream),
    "next result": Scenario(next_results, 2, stream_of_results),
    "close of a stream": Scenario(close_stream, None, stream),
    "ping": Scenario(ping),
    "reset": Scenario(reset),
    "change_user": Scenario(change_user),
    "executemany": Scenario(execute_many, 3),
    "arrays of an INSERT": Scenario(insert_arrays, 20_000),
    "arrays of a DELETE": Scenario(delete_arrays, 1, insert_one),
    "load": Scenario(load, 60_000, undone=no_rows),
    "load of a file": Scenario(load_file, 200_010, undone=no_rows),
    "callproc": Scenario(call, (3, 6)),
    "transactions": Scenario(transactions, 2, alone),
    "pipeline": Scenario(pipeline, {99_999}),
    "commit": Scenario(commit, None, insert_one_alone),
    "rollback": Scenario(rollback, None, insert_one),
    "settings": Scenario(change_settings, []),
    "prepare": Scenario(prepare_and_execute, 1000),
    "prepared": Scenario(execute_prepared, [20_000, 1000], prepared),
    "large parameter": Scenario(large_parameter, (2_000_000,), prepared),
    "prepared stream": Scenario(stream_prepared, [10, 19_980], prepared),
    "cursor of the server": Scenario(fetch_from_server, [10, 19_980], prepared),
    "close of a prepared stream": Scenario(close_prepared_stream, None, prepared),
    "columns": Scenario(columns, [9999, 9999, 2]),
}
