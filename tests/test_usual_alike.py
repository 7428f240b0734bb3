"""Statements do the same with the usual path in C and without it, on a real server.

What is drawn is done on two connections, one of which goes without. What each call
returns or raises, what is known afterwards, and in the end what went over the wire, as
the server has counted it, must be the same.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import reference_drive
from hypothesis import given, settings
from hypothesis import strategies as st

import mariadb_nb
from mariadb_nb.rows import dict_row
from mariadb_nb.server import TemporaryServer
from mariadb_nb.wait import Operation

Move = tuple[Any, ...]


class Text(str):
    """Not quite a str."""


class Key:
    """A parameter for which there is an encoder."""


class Unknown:
    """A parameter for which there is none."""


STATEMENTS = (
    "SELECT a FROM t WHERE a = ?",
    "SELECT ?",
    Text("SELECT ?"),
    "SELECT '?', ? AS \"b\"",
    "SELECT ?, ?",
    r"SELECT '\'', ?",
    "SELECT %s",
    "SELECT %(a)s",
    "SELECT 'ä', ?",
    "INSERT INTO t VALUES (?)",
    "DELETE FROM t WHERE a IN (?)",
    "SELECT a FROM t ORDER BY a LIMIT ?",
    "CALL two_results(?)",
    "SELECT database() FROM t WHERE a < ?",
    "SELECT 1",
)
PARAMETERS: tuple[Callable[[], Any], ...] = (
    lambda: (1,),
    lambda: (2,),
    lambda: (2,),
    lambda: ["text"],
    lambda: (None,),
    lambda: (1, 2),
    lambda: {"a": 3},
    lambda: ([1, 2],),
    lambda: (1 << 70,),
    lambda: ("\ud800",),
    lambda: (io.StringIO("read"),),
    lambda: (Key(),),
    lambda: (Unknown(),),
    lambda: 5,
    lambda: None,
)
CONTROLS = (
    "SET sql_mode = 'ANSI_QUOTES'",
    "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
    "SET sql_mode = ''",
    "SET NAMES latin1",
    "SET NAMES utf8mb4",
    "SET session_track_system_variables = ''",
    "USE mysql",
    "USE test",
    "BEGIN",
    "COMMIT",
    "ALTER TABLE t ADD COLUMN IF NOT EXISTS b INT",
    "ALTER TABLE t DROP COLUMN IF EXISTS b",
    "DO SLEEP('no number')",
    "SELECT * FROM no_such_table",
)

executes = st.tuples(
    st.just("execute"),
    st.sampled_from(STATEMENTS),
    st.integers(0, len(PARAMETERS) - 1),
    st.sampled_from([{}] * 4 + [{"timeout": it} for it in (None, 60, 0, -1, "soon")]),
    st.sampled_from([None, None, None, True, False]),
)
repeats = st.tuples(st.just("repeat"), st.integers(0, 3))
others = st.one_of(
    st.tuples(st.just("control"), st.sampled_from(CONTROLS)),
    st.tuples(
        st.just("cursor"),
        st.sampled_from(
            [
                {},
                {"stream": True},
                {"prepare": True},
                {"prepare": False},
                {"row_factory": dict_row},
            ]
        ),
    ),
    st.tuples(st.just("timeout"), st.sampled_from([None, 60, 0])),
    st.tuples(
        st.just("give_up"),
        st.sampled_from(STATEMENTS),
        st.sampled_from([None, KeyboardInterrupt]),
    ),
    st.tuples(
        st.just("interrupt"), st.sampled_from(["throw", "late", "close", "forget"])
    ),
    st.sampled_from(
        [(name,) for name in ("fetch", "shut", "drop", "reset", "commit", "rollback")]
        + [(name,) for name in ("many", "ping", "block", "ahead")]
    ),
)
plays = st.lists(st.one_of(executes, executes, repeats, others), max_size=20)


def told(error: BaseException) -> Any:
    return type(error).__name__, str(error), getattr(error, "errno", None)


class Player:
    """Does it all on one connection."""

    def __init__(self, server: TemporaryServer, **options: Any) -> None:
        user = server.users["native"]
        self.conn = mariadb_nb.connect(
            unix_socket=server.socket,
            user=user.name,
            password=user.password,
            database="test",
            encoders={Key: self.number},
            prepared_max=3,
            **options,
        )
        self.cursor = self.conn.cursor()
        self.looking_up = self.interrupted = False
        self.last: Move = ("ping",)
        self.conn.execute("CREATE TEMPORARY TABLE t (a INT PRIMARY KEY)")
        self.conn.execute("INSERT INTO t VALUES (1), (2), (3)")

    def number(self, key: Key) -> int:
        """An encoder that looks something up, but not for its own parameter."""
        if not self.looking_up:
            self.looking_up = True
            try:
                self.conn.execute("SELECT a FROM t WHERE a = ?", (1,))
            finally:
                self.looking_up = False
        return 3

    def play(self, name: str, *arguments: Any) -> Any:
        if name == "execute":
            self.last = name, *arguments
        try:
            return getattr(self, f"play_{name}")(*arguments)
        except Exception as error:
            return told(error)

    def play_execute(
        self, sql: str, params: int, more: dict[str, Any], prepare: bool | None
    ) -> Any:
        self.cursor.execute(sql, PARAMETERS[params](), prepare=prepare, **more)
        return self.seen()

    def play_repeat(self, count: int) -> Any:
        return [self.play(*self.last) for _ in range(count)]

    def seen(self) -> Any:
        """What the cursor has, but for the rows of a stream."""
        cursor = self.cursor
        columns = cursor.description
        rows = None if cursor._stream or columns is None else list(cursor._rows or ())
        affected = cursor.rowcount, cursor.lastrowid, cursor.warning_count
        return columns and [it[:6] for it in columns], rows, affected

    def play_control(self, sql: str) -> Any:
        return self.conn.cursor(prepare=False).execute(sql)._rows

    def play_cursor(self, options: dict[str, Any]) -> None:
        self.cursor = self.conn.cursor(**options)

    def play_timeout(self, seconds: float | None) -> None:
        self.conn.timeout = seconds

    def play_give_up(self, sql: str, error: type[BaseException] | None) -> Any:
        """Make an operation that is never begun."""
        operation: Any = self.cursor._execute(sql, (1,), 60)
        if error is None:
            return operation.close()
        with pytest.raises(error):
            operation.throw(error)
        return list(operation)

    def play_interrupt(self, how: str) -> Any:
        """End an operation that waits for a reply, which takes its time."""
        if self.conn._session.state != "READY":
            return None
        for _ in range(2):
            self.cursor.execute("SELECT SLEEP(?)", (0,), timeout=60)
            self.cursor.fetchall()
        self.interrupted = True
        timeout = 0.01 if how == "late" else 60
        operation = self.cursor._execute("SELECT SLEEP(?)", (60,), timeout)
        if how == "late":
            return self.conn._run(operation)
        next(operation)
        if how == "throw":
            with pytest.raises(KeyboardInterrupt):
                self.conn._run(self.rest(operation))
        elif how == "close":
            operation.close()
        return None

    def rest(self, operation: Any) -> Operation[None]:
        """What is left of an operation that is interrupted."""
        wait = operation.throw(KeyboardInterrupt())
        while True:
            wait = operation.send((yield wait))

    def play_fetch(self) -> Any:
        return self.cursor.fetchone(), self.cursor.rownumber

    def play_shut(self) -> None:
        self.cursor.close()

    def play_drop(self) -> None:
        """Let go of a cursor whose rows stream."""
        self.conn.cursor(stream=True).execute("SELECT seq FROM test.t, seq_1_to_9")

    def play_reset(self) -> None:
        self.conn.reset()
        self.play_control("CREATE TEMPORARY TABLE IF NOT EXISTS t (a INT PRIMARY KEY)")

    def play_commit(self) -> None:
        self.conn.commit()

    def play_rollback(self) -> None:
        self.conn.rollback()

    def play_many(self) -> Any:
        self.cursor.executemany("INSERT INTO t VALUES (?)", [(7,), (8,)])
        return self.seen()

    def play_ping(self) -> None:
        self.conn.ping()

    def play_block(self) -> Any:
        with self.conn.transaction():
            return self.play(*self.last)

    def play_ahead(self) -> Any:
        """A statement while those of a pipeline wait to be sent."""
        with self.conn.pipeline() as pipe:
            pipe.execute("SELECT 1")
            return self.play(*self.last)

    def known(self) -> Any:
        """What the driver knows by now."""
        session, cursor = self.conn._session, self.cursor
        statements = session.statements
        return (
            session.state,
            session.in_transaction,
            session.rollbacks,
            session.as_new,
            session._status_is_old,
            session.reader is None,
            session._turn,
            statements.order,
            statements.told,
            [
                (sql, it.automatic, it.statement is not None, it.used)
                for sql, it in statements.entries.items()
            ],
            cursor._live,
            cursor._many is None,
            cursor._reply is None,
            cursor._rows,
            cursor._index,
            cursor._place,
        )

    def counted(self) -> Any:
        """What the server has counted."""
        if self.conn._session.state != "READY" or self.interrupted:
            return None  # how often a statement is killed depends on the machine
        self.conn.timeout = None
        self.play_control("SET NAMES utf8mb4")
        rows = self.conn.cursor(prepare=False).execute("SHOW SESSION STATUS").fetchall()
        counts = dict(rows)
        return {
            name: counts[name] for name in counts if name.startswith(("Com_", "Bytes_"))
        }


def played(player: Player, moves: Sequence[Move]) -> list[Any]:
    seen = [(move, player.play(*move), player.known()) for move in moves]
    with contextlib.closing(player.conn):
        seen.append(player.counted())
    return seen


@pytest.fixture(scope="module")
def server(mariadb_server: TemporaryServer) -> Iterator[TemporaryServer]:
    """The tests' server, with a procedure."""
    user = mariadb_server.users["native"]
    with mariadb_nb.connect(
        unix_socket=mariadb_server.socket,
        user=user.name,
        password=user.password,
        database="test",
    ) as conn:
        conn.execute(
            "CREATE OR REPLACE PROCEDURE two_results(IN p TEXT) "
            "BEGIN SELECT p; SELECT 2; END"
        )
        yield mariadb_server
        conn.execute("DROP PROCEDURE two_results")


@settings(max_examples=60, derandomize=True)  # what fails has been made to fail
@given(
    moves=plays,
    threshold=st.sampled_from([1, 2, None]),
    autocommit=st.sampled_from([True, False, None]),
)
def test_with_the_usual_path_in_c_and_without(
    server: TemporaryServer,
    moves: list[Move],
    threshold: int | None,
    autocommit: bool | None,
) -> None:
    options = {"prepare_threshold": threshold, "autocommit": autocommit}
    in_c = played(Player(server, **options), moves)
    with reference_drive.in_python():
        in_python = played(Player(server, **options), moves)
    for one, other in zip(in_c, in_python, strict=True):
        assert one == other
