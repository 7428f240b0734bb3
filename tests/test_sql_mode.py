"""Whether a backslash is an escape is taken from the server only where it is certain.

The server says in each reply how it reads a backslash, and says it wrongly once a
routine, a block or SET STATEMENT has had a mode of its own; with an error it says
nothing.  No value may be changed or become SQL because of that.
"""

from __future__ import annotations

import pytest
from statement_support import ANSI_QUOTES, DOUBTFUL, NO_BACKSLASH
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import ProgrammingError
from mariadb_nb.parameters import template

ON, OFF = "NO_BACKSLASH_ESCAPES", ""
VALUES = ("a\\b\n\0\r\x1a'\"\\", b"\\'\n\\\\\0", "\\' || 1 -- ", "plain\n'")
#: What would become SQL if its placeholder were taken to be one inside of the string.
EVIL = " || (SELECT 'injected') -- "
#: A statement with one placeholder, in whichever way it is read, and its first column.
ESCAPED = r"SELECT 'it\'s ?', ?", "it's ?"
PLAIN = r"SELECT 'a\', ?, '\'", "a\\"

ROUTINES = (
    "PROCEDURE {0}_p() SET sql_mode = '{1}'",
    "PROCEDURE {0}_rows() BEGIN SET sql_mode = '{1}'; SELECT 1; END",
    "PROCEDURE {0}_nested() CALL {0}_p()",
    """PROCEDURE {0}_dynamic() EXECUTE IMMEDIATE "SET sql_mode = '{1}'" """,
    "PROCEDURE {0}_fails() BEGIN SET sql_mode = '{1}'; SIGNAL SQLSTATE '45000'; END",
    "PROCEDURE {0}_handles() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION"
    " SET sql_mode = '{1}'; SIGNAL SQLSTATE '45000'; END",
    "FUNCTION {0}_f() RETURNS INT BEGIN SET sql_mode = '{1}'; RETURN 1; END",
    "TABLE {0}_t (a INT)",
    "TRIGGER {0}_g BEFORE INSERT ON {0}_t FOR EACH ROW SET sql_mode = '{1}'",
)
#: Statements that have another mode for a time, or set one for good.
STATEMENTS = (
    "CALL {0}_p()",
    "CALL {0}_rows()",
    "CALL {0}_nested()",
    "CALL {0}_dynamic()",
    "CALL {0}_fails()",
    "CALL {0}_handles()",
    "SELECT {0}_f()",
    "SET @a = {0}_f()",
    "DO {0}_f()",
    "INSERT INTO {0}_t VALUES (1)",
    "CALL {0}_p(); SELECT 1",
    "CALL {0}_p(); SELECT nothing",
    "PREPARE s FROM 'CALL {0}_p()'; EXECUTE s",
    "BEGIN NOT ATOMIC SET sql_mode = '{1}'; END",
    "BEGIN NOT ATOMIC SET sql_mode = '{1}'; SIGNAL SQLSTATE '45000'; END",
    "SET STATEMENT sql_mode = '{1}' FOR SELECT 1",
    "SET STATEMENT sql_mode = '{1}' FOR CALL {0}_p()",
    "SET STATEMENT sql_mode = '{1}' FOR SET sql_mode = '{1}'",
    "SET sql_mode = '{1}'",
    "SET @@session.sql_mode := '{1}', @a = {0}_f()",
    "SET @a = {0}_f(), sql_mode = '{1}'",
    "SET sql_mode = IF({0}_f(), '{1}', '')",
    "SET sql_mode = '{1}', PASSWORD FOR nobody@nowhere = ''",
    "SET STATEMENT max_statement_time = 9 FOR SET sql_mode = '{1}'",
    """EXECUTE IMMEDIATE "SET sql_mode = '{1}'" """,
    "SET sql_mode = '{1}'; CALL {0}_p()",
    "SET sql_mode = '{1}'; SELECT nothing",
    "SET sql_mode = '{1}'; SET STATEMENT sql_mode = '{2}' FOR DO 1",
    "SET sql_mode = '{2}'; CALL {0}_p()",
)


async def attempt(conn: mariadb_nb.aio.Connection, sql: str) -> None:
    """Execute all of a text, whether it fails or not."""
    try:
        cur = await conn.execute(sql)
        while await cur.nextset():
            pass
    except mariadb_nb.DatabaseError:
        pass


async def make_routines(conn: mariadb_nb.aio.Connection) -> None:
    for name, mode in (("turn_on", ON), ("turn_off", OFF)):
        for routine in ROUTINES:
            await conn.execute(f"CREATE OR REPLACE {routine.format(name, mode)}")


async def check(conn: mariadb_nb.aio.Connection) -> None:
    """Values are what they were, and placeholders where the server's mode has them."""
    for value in VALUES:
        cur = await conn.execute("SELECT ?", (value,))
        assert await cur.fetchone() == (value,)
    cur = await conn.execute("SELECT @@sql_mode")
    (mode,) = await cur.fetchone()
    sql, first = PLAIN if ON in mode else ESCAPED
    cur = await conn.execute(sql, (EVIL,))
    assert (await cur.fetchone())[:2] == (first, EVIL)


@pytest.mark.parametrize("prepare_threshold", [None, 1])
@in_every_world
async def test_mode_that_is_another_than_the_reply_says(
    world: World, prepare_threshold: int | None
) -> None:
    options = {"multi_statements": True, "prepare_threshold": prepare_threshold}
    conn = await world.connect("root", **options)
    await make_routines(conn)
    for name, mode, other in (("turn_on", ON, OFF), ("turn_off", OFF, ON)):
        for before in (ON, OFF):
            for statement in STATEMENTS:
                await conn.execute(f"SET sql_mode = '{before}'")
                await attempt(conn, statement.format(name, mode, other))
                await check(conn)
                await attempt(conn, statement.format(name, mode, other))
                await attempt(conn, f"CALL {name}_p()")
                await check(conn)


async def doubtful(world: World, **options: object) -> mariadb_nb.aio.Connection:
    """A connection that reads backslashes as escapes, and says that it does not."""
    conn = await world.connect("root", **options)
    await make_routines(conn)
    await conn.execute("SET sql_mode = ''")
    await conn.execute("CALL turn_on_p()")
    assert conn.session.server_status & 0x200
    return conn


@in_every_world
async def test_every_way_of_executing(world: World) -> None:
    sql, first = ESCAPED
    conn = await doubtful(world)
    cur = conn.cursor(stream=True)
    await cur.execute(sql, (EVIL,))
    assert await cur.fetchall() == [(first, EVIL)]
    for prepare in (True, False):
        await conn.execute("CALL turn_on_p()")
        cur = await conn.execute(sql, (EVIL,), prepare=prepare)
        assert await cur.fetchall() == [(first, EVIL)]
    await conn.execute("CREATE TEMPORARY TABLE t (a TEXT, b TEXT)")
    insert = f"INSERT INTO t {sql}", r"INSERT INTO t VALUES ('it\'s ?', ?)"
    for text in insert:
        for way in (None, True, False):
            await conn.execute("CALL turn_on_p()")
            await conn.cursor(prepare=way).executemany(text, [(EVIL,)] * 2)
    cur = await conn.execute("SELECT DISTINCT a, b FROM t")
    assert await cur.fetchall() == [(first, EVIL)]
    await conn.execute("CREATE OR REPLACE PROCEDURE back_slash(a TEXT) SELECT a")
    await conn.execute("CALL turn_on_p()")
    cur = conn.cursor()
    await cur.callproc("back_slash", (VALUES[0],))
    assert await cur.fetchall() == [(VALUES[0],)]
    await conn.execute("CALL turn_on_p()")
    text = f"SELECT {conn.literal(VALUES[0])}"
    assert await (await conn.execute(text)).fetchone() == (VALUES[0],)


@in_every_world
async def test_rows_whose_trigger_sets_the_mode(world: World) -> None:
    conn = await doubtful(world)
    await conn.execute("CREATE OR REPLACE TABLE turn_on_t (a TEXT, b TEXT)")
    await conn.execute(f"CREATE OR REPLACE {ROUTINES[-1].format('turn_on', ON)}")
    for text in ("VALUES ('it\\'s ?', ?)", "SELECT 'it\\'s ?', ?"):
        for prepare in (None, True, False):
            cur = conn.cursor(prepare=prepare)
            await cur.executemany(f"INSERT INTO turn_on_t {text}", [(EVIL,)] * 30)
    cur = await conn.execute("SELECT a, b, COUNT(*) FROM turn_on_t GROUP BY 1, 2")
    assert await cur.fetchall() == [(ESCAPED[1], EVIL, 180)]


@in_every_world
async def test_statement_of_a_pipeline_that_cannot_be_scanned(world: World) -> None:
    """It is refused before anything is sent: a pipeline does not ask the server."""
    conn = await doubtful(world)
    async with conn.pipeline() as pipe:
        with pytest.raises(ProgrammingError, match="SET sql_mode = @@sql_mode first"):
            pipe.execute(ESCAPED[0], (EVIL,))
        right = [pipe.execute("SELECT ?", (value,)) for value in VALUES]
        pipe.execute("SET sql_mode = @@sql_mode")
        await pipe.sync()
        last = pipe.execute(ESCAPED[0], (EVIL,))
    assert [result.fetchone() for result in right] == [(value,) for value in VALUES]
    assert last.fetchone() == (ESCAPED[1], EVIL)


@in_every_world
async def test_server_is_asked_only_where_it_matters(world: World) -> None:
    conn = await doubtful(world, prepare_threshold=None)

    async def count() -> int:
        cur = await conn.execute("SHOW SESSION STATUS LIKE 'Com_set_option'")
        return int((await cur.fetchone())[1])

    before = await count()
    await conn.execute("SELECT ?", ("a\\b",))
    await conn.execute(r"SELECT '\\', 'ä'")
    assert await count() == before
    for _ in range(3):
        await conn.execute(ESCAPED[0], (EVIL,))
    assert await count() == before + 1
    await conn.execute("SET @@session.sql_mode = 'NO_BACKSLASH_ESCAPES'")
    for _ in range(3):
        await conn.execute(PLAIN[0], (EVIL,))
    assert await count() == before + 2


@in_every_world
async def test_connection_that_was_reset_is_certain_again(world: World) -> None:
    conn = await doubtful(world)
    assert conn.session.mode & DOUBTFUL
    await conn.reset()
    assert conn.session.mode == 0
    await check(conn)


@in_every_world
async def test_results_that_are_left_may_set_the_mode(world: World) -> None:
    conn = await world.connect(multi_statements=True)
    for mode in (OFF, ON, OFF):
        text = f"SELECT 1; SET sql_mode = '{mode}'"
        cur = conn.cursor(stream=True)
        await cur.execute(text)
        assert conn.session.mode & DOUBTFUL
        await cur.close()
        await check(conn)


@in_every_world
async def test_server_that_a_procedure_has_silenced(world: World) -> None:
    """What was prepared before would still be read as it was then."""
    conn = await world.connect()
    await conn.execute(
        "CREATE OR REPLACE PROCEDURE silence() "
        "SET session_track_system_variables = '', session_track_schema = 0"
    )
    sql = "SELECT seq FROM seq_1_to_3 WHERE (seq || 0) = ?"
    for statement, rows in (
        ("SET sql_mode = ''", []),
        ("SET sql_mode = 'PIPES_AS_CONCAT'", [(1,)]),
        ("EXECUTE IMMEDIATE 'SET sql_mode = DEFAULT'", []),
    ):
        await conn.execute(statement)
        for _ in range(3):
            cur = await conn.execute(sql, (10,))
            assert await cur.fetchall() == rows
        await conn.execute("CALL silence()")


def test_doubtful_template_has_no_backslash() -> None:
    for mode in (DOUBTFUL, DOUBTFUL | NO_BACKSLASH, DOUBTFUL | ANSI_QUOTES):
        found = template("SELECT ?", mode)
        assert found.render(("a\n'\0",)) == b"SELECT 'a\n''\0'"
        assert found.render(("\\'",)) == b"SELECT _utf8mb4 X'5C27'"
        assert found.render((b"\\'",)) == b"SELECT X'5C27'"
        assert found.render((b"'\n",)) == b"SELECT _binary'''\n'"
        with pytest.raises(ProgrammingError, match="has a backslash"):
            template("SELECT '\\', ?", mode)
