"""The usual path of a prepared statement in C, and that all else is left to Python."""

from __future__ import annotations

import contextlib
import gc
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opcodes import everywhere, press_ctrl_c, run_with
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import _connection, _cursor, operations, preparing, session, turns
from mariadb_nb._wire import UNSET, CursorFields, Drive, execution
from mariadb_nb.errors import Busy, ProgrammingError
from mariadb_nb.server import TemporaryServer

SQL = "SELECT seq FROM seq_1_to_9 WHERE seq = ?"
#: There is one already.
REFUSED = "INSERT INTO t VALUES (?)"
#: Its reply has to be waited for.
SLOW = "SELECT seq + SLEEP(0.2) AS seq FROM seq_1_to_9 WHERE seq = ?"

#: Where a signal's handler may run while a statement is executed.
MODULES = (_connection, _cursor, operations, preparing, session, turns)


def connected(server: TemporaryServer, **options: Any) -> mariadb_nb.Connection:
    user = server.users["native"]
    return mariadb_nb.connect(
        unix_socket=server.socket,
        user=user.name,
        password=user.password,
        prepare_threshold=1,
        database="test",
        **options,
    )


@pytest.fixture
def cursor(mariadb_server: TemporaryServer) -> Iterator[mariadb_nb.Cursor]:
    """A cursor of a connection on which ``SQL`` is prepared."""
    with connected(mariadb_server) as conn:
        cur = conn.cursor()
        cur.execute(SLOW, (1,))
        cur.execute(SQL, (1,))
        yield cur


def test_what_is_prepared_is_executed(cursor: mariadb_nb.Cursor) -> None:
    cursor.execute(SQL, (2,))
    operation = execution(cursor, SQL, (3,), UNSET, None)
    assert type(operation) is Drive
    assert cursor._rows is None, "the last result is forgotten"
    (reply,) = cursor._run(operation)
    assert reply.rows == [(3,)]


def test_without_parameters(cursor: mariadb_nb.Cursor) -> None:
    cursor.execute("SELECT 'mine'")
    operation = execution(cursor, "SELECT 'mine'", None, UNSET, None)
    assert type(operation) is Drive
    (reply,) = cursor._run(operation)
    assert reply.rows == [("mine",)]


def test_a_cursor_without_rows() -> None:
    with pytest.raises(TypeError, match="list of rows"):
        CursorFields()._take_one()


def test_with_a_deadline(cursor: mariadb_nb.Cursor) -> None:
    for timeout in (None, 10, 10.5):
        operation = execution(cursor, SQL, (4,), timeout, None)
        assert operation is not None
        (reply,) = cursor._run(operation)
        assert reply.rows == [(4,)]
    with pytest.raises(mariadb_nb.OperationTimeout):
        cursor.execute(SQL, (4,), timeout=0)
    assert cursor.execute(SQL, (5,)).fetchall() == [(5,)]
    with pytest.raises(ProgrammingError, match="timeout"):
        cursor.execute(SQL, (4,), timeout=-1)


UNUSUAL: dict[str, Callable[[mariadb_nb.Cursor], Any]] = {
    "no parameters": lambda cur: execution(cur, SQL, None, UNSET, None),
    "as text": lambda cur: execution(cur, SQL, (1,), UNSET, False),
    "not prepared": lambda cur: execution(cur, f"{SQL} ", (1,), UNSET, None),
    "a backslash": lambda cur: execution(cur, SQL + r" -- \ ", (1,), UNSET, None),
    "no text": lambda cur: execution(cur, SQL.encode(), (1,), UNSET, None),  # type: ignore[arg-type]
    "no cursor": lambda cur: execution(object(), SQL, (1,), UNSET, None),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_not_usual_is_left_alone(
    cursor: mariadb_nb.Cursor, call: Callable[[mariadb_nb.Cursor], Any]
) -> None:
    before = cursor._rows, cursor._session.statements.order
    assert call(cursor) is None
    assert (cursor._rows, cursor._session.statements.order) == before


def test_cursors_that_are_not_usual(cursor: mariadb_nb.Cursor) -> None:
    conn = cursor.connection
    closed = conn.cursor()
    closed.close()
    for other in (conn.cursor(stream=True), conn.cursor(prepare=False), closed):
        assert execution(other, SQL, (1,), UNSET, None) is None


def test_what_others_have_changed_is_noticed(cursor: mariadb_nb.Cursor) -> None:
    conn = cursor.connection
    conn.cursor(prepare=False).execute("SET sql_mode = ANSI")
    assert execution(cursor, SQL, (1,), UNSET, None) is None
    assert cursor.execute(SQL, (6,)).fetchall() == [(6,)]


def test_an_epoch_that_has_come_far(cursor: mariadb_nb.Cursor) -> None:
    for epoch in (1 << 63, -1):
        cursor._session.statements.epoch = epoch
        assert execution(cursor, SQL, (1,), UNSET, None) is None
        assert cursor.execute(SQL, (6,)).fetchall() == [(6,)]


def test_the_last_results_outlive_a_call_that_is_refused(
    cursor: mariadb_nb.Cursor,
) -> None:
    cursor.execute(SQL, (1,))
    for params, timeout in (((1, 2), None), ((1,), -1), (([1, 2],), -1)):
        with pytest.raises(ProgrammingError):
            cursor.execute(SQL, params, timeout=timeout)
    assert cursor.fetchall() == [(1,)]


def resets(conn: mariadb_nb.Connection) -> None:
    conn.reset()


def closes(conn: mariadb_nb.Connection) -> None:
    conn.close()


def prepares_another(conn: mariadb_nb.Connection) -> None:
    conn.execute("SELECT ?", (1,))


def leaves_a_stream(conn: mariadb_nb.Connection) -> None:
    conn.cursor(stream=True).execute("SELECT seq FROM seq_1_to_100000")


class Key:
    """A parameter that an encoder looks up."""


@pytest.mark.parametrize("does", [resets, prepares_another, leaves_a_stream, closes])
def test_an_encoder_that_uses_the_connection(
    mariadb_server: TemporaryServer, does: Callable[[mariadb_nb.Connection], None]
) -> None:
    def number(key: Key) -> int:
        does(conn)
        return 9

    conn = connected(mariadb_server, prepared_max=1, encoders={Key: number})
    with contextlib.closing(conn):
        cur = conn.cursor()
        cur.execute(SQL, (1,))
        if does is closes:
            with pytest.raises(mariadb_nb.InterfaceError, match="closed"):
                cur.execute(SQL, (Key(),))
        else:
            assert cur.execute(SQL, (Key(),)).fetchall() == [(9,)]


@pytest.mark.parametrize("sql", [SQL, REFUSED], ids=["usual", "refused"])
def test_ctrl_c_anywhere(mariadb_server: TemporaryServer, sql: str) -> None:
    """It is never lost, and the next statement gets its own reply, or an error."""
    files = {it.__file__ for it in MODULES}

    def execute(cur: mariadb_nb.Cursor) -> None:
        with contextlib.suppress(mariadb_nb.IntegrityError):
            cur.execute(sql, (1,), timeout=60)

    def try_at(at: int) -> bool:
        with contextlib.closing(connected(mariadb_server)) as conn:
            cur = conn.cursor()
            cur.execute("CREATE TEMPORARY TABLE t (a INT PRIMARY KEY)")
            cur.execute(REFUSED, (1,))
            execute(cur)
            try:
                done = run_with(
                    files, press_ctrl_c, at, lambda: execute(cur), signals=True
                )
            except KeyboardInterrupt:
                done = True
            else:
                assert not done, "it was lost"
            assert conn._session._turn == {}
            if not conn.broken:
                assert cur.execute(SQL, (9,)).fetchall() == [(9,)]
        return done

    everywhere(try_at, 5)


def test_only_one_operation_at_a_time(cursor: mariadb_nb.Cursor) -> None:
    first = execution(cursor, SLOW, (1,), UNSET, None)
    assert first is not None
    second = cursor._execute(SQL, (2,), UNSET)
    wait = next(first)
    with pytest.raises(Busy):
        next(second)
    assert execution(cursor, SQL, (2,), UNSET, None) is None, "it is not ready"

    def rest() -> Any:
        ready = yield wait
        while True:
            try:
                ready = yield first.send(ready)
            except StopIteration as end:
                return end.value

    (reply,) = cursor._run(rest())
    assert reply.rows == [(1,)]


@pytest.mark.parametrize("begun", [False, True])
def test_let_go_of(cursor: mariadb_nb.Cursor, begun: bool) -> None:
    """What has begun breaks the connection; what has not is as if it never was."""
    operation = execution(cursor, SLOW, (1,), UNSET, None)
    assert operation is not None
    if begun:
        next(operation)
    cycle: list[Any] = [operation]
    cycle.append(cycle)
    del operation, cycle
    gc.collect()
    assert cursor._session.state == ("BROKEN" if begun else "READY")
    assert cursor._session._turn == {}


@in_every_world
async def test_what_is_read_from_is_read_once(world: World) -> None:
    conn = await world.connect(autocommit=True, prepare_threshold=1)
    cur = conn.cursor()
    table = await world.table("a TEXT")
    sql = f"INSERT INTO {table} VALUES (?)"
    await cur.execute(sql, ("text",))
    for _ in range(2):
        await cur.execute(sql, (io.StringIO("read once"),), prepare=True)
        await cur.execute(sql, ("text",))
    await cur.execute(f"SELECT a FROM {table}")
    texts = [text for (text,) in await cur.fetchall()]
    assert texts == ["text", "read once", "text", "read once", "text"]
