"""Transactions: PEP 249's, blocks with savepoints, and those in two phases."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio


async def rows_of(conn: aio.Connection, table: str) -> list[Any]:
    """What another connection sees."""
    cur = await conn.execute(f"SELECT x FROM {table} ORDER BY x")
    rows = await cur.fetchall()
    await conn.rollback()
    return [x for (x,) in rows]


# ---- autocommit, commit and rollback ---------------------------------------------


@in_every_world
async def test_nothing_is_committed_by_itself(world: World) -> None:
    table = await world.table("x INT")
    conn, witness = await world.connect(), await world.connect()
    assert conn.autocommit is False
    await conn.execute(f"INSERT INTO {table} VALUES (1)")
    assert conn.in_transaction
    assert await rows_of(witness, table) == []
    await conn.commit()
    assert not conn.in_transaction
    assert await rows_of(witness, table) == [1]
    await conn.execute(f"INSERT INTO {table} VALUES (2)")
    await conn.rollback()
    assert await rows_of(witness, table) == [1]
    await conn.execute(f"INSERT INTO {table} VALUES (3)")
    await conn.close()
    await world.wait_until_gone(witness, conn.thread_id)
    assert await rows_of(witness, table) == [1]


@in_every_world
async def test_autocommit(world: World) -> None:
    table = await world.table("x INT")
    conn, witness = await world.connect(autocommit=True), await world.connect()
    assert conn.autocommit is True
    await conn.execute(f"INSERT INTO {table} VALUES (1)")
    assert not conn.in_transaction
    assert await rows_of(witness, table) == [1]
    await conn.set_autocommit(False)
    assert conn.autocommit is False
    await conn.execute(f"INSERT INTO {table} VALUES (2)")
    assert await rows_of(witness, table) == [1]
    # As the server has it: switching autocommit on commits.
    await conn.set_autocommit(True)
    assert await rows_of(witness, table) == [1, 2]


@in_every_world
async def test_autocommit_switched_by_sql(world: World) -> None:
    conn = await world.connect()
    await conn.execute("SET autocommit = 1")
    assert conn.autocommit is True
    await conn.execute("SET autocommit = 0")
    assert conn.autocommit is False


@in_every_world
async def test_transaction_begun_by_sql(world: World) -> None:
    conn = await world.connect(autocommit=True)
    await conn.execute("START TRANSACTION")
    assert conn.in_transaction
    await conn.execute("COMMIT")
    assert not conn.in_transaction


@in_every_world
async def test_commit_with_nothing_to_commit(world: World) -> None:
    conn = await world.connect()
    for _ in range(2):
        await conn.commit()
        await conn.rollback()


# ---- blocks ------------------------------------------------------------------------


@pytest.mark.parametrize("autocommit", [False, True])
@in_every_world
async def test_block_commits(world: World, autocommit: bool) -> None:
    table = await world.table("x INT")
    conn = await world.connect(autocommit=autocommit)
    witness = await world.connect()
    async with conn.transaction():
        assert conn.in_transaction
        await conn.execute(f"INSERT INTO {table} VALUES (1)")
        assert await rows_of(witness, table) == []
    assert not conn.in_transaction
    assert conn.autocommit is autocommit
    assert await rows_of(witness, table) == [1]


@pytest.mark.parametrize("autocommit", [False, True])
@in_every_world
async def test_block_rolls_back_on_an_error(world: World, autocommit: bool) -> None:
    table = await world.table("x INT")
    conn = await world.connect(autocommit=autocommit)
    witness = await world.connect()

    async def fail() -> None:
        async with conn.transaction():
            await conn.execute(f"INSERT INTO {table} VALUES (1)")
            raise KeyError("the caller's own")

    with pytest.raises(KeyError, match="own"):
        await fail()
    assert not conn.in_transaction
    assert await rows_of(witness, table) == []
    assert await rows_of(conn, table) == []


@in_every_world
async def test_block_in_a_block_is_a_savepoint(world: World) -> None:
    table = await world.table("x INT")
    conn, witness = await world.connect(), await world.connect()

    async def insert(x: int) -> None:
        await conn.execute(f"INSERT INTO {table} VALUES (?)", (x,))

    async def fail(x: int) -> None:
        async with conn.transaction():
            await insert(x)
            async with conn.transaction():
                await insert(x + 1)
            raise KeyError(x)

    async with conn.transaction():
        await insert(1)
        async with conn.transaction():
            await insert(2)
            with pytest.raises(KeyError):
                await fail(10)
            await insert(3)
        with pytest.raises(KeyError):
            await fail(20)
        assert conn.in_transaction
        assert await rows_of(witness, table) == []
        await insert(4)
    assert await rows_of(witness, table) == [1, 2, 3, 4]


@in_every_world
async def test_outer_block_undoes_the_inner_one(world: World) -> None:
    table = await world.table("x INT")
    conn = await world.connect()

    async def fail() -> None:
        async with conn.transaction():
            async with conn.transaction():
                await conn.execute(f"INSERT INTO {table} VALUES (1)")
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert await rows_of(conn, table) == []


@pytest.mark.parametrize(
    "level", ["READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
)
@in_every_world
async def test_isolation_level_of_one_block(world: World, level: str) -> None:
    table = await world.table("x INT", "(1)")
    conn, other = await world.connect(), await world.connect(autocommit=True)
    select = f"SELECT COUNT(*) FROM {table}"
    seen = []
    async with conn.transaction(isolation_level=level):
        seen.append(await (await conn.execute(select)).fetchone())
        if level == "SERIALIZABLE":
            # It locks what it reads.
            with pytest.raises(mariadb_nb.LockTimeout):
                await other.execute(f"SELECT * FROM {table} FOR UPDATE NOWAIT")
        else:
            async with other.transaction():
                await other.execute(f"INSERT INTO {table} VALUES (2)")
                seen.append(await (await conn.execute(select)).fetchone())
            seen.append(await (await conn.execute(select)).fetchone())
    expected = {
        "READ UNCOMMITTED": [1, 2, 2],
        "READ COMMITTED": [1, 1, 2],
        "REPEATABLE READ": [1, 1, 1],
        "SERIALIZABLE": [1],
    }
    assert seen == [(count,) for count in expected[level]]
    # It was for this transaction only.
    cur = await conn.execute("SELECT @@tx_isolation")
    assert await cur.fetchone() == ("REPEATABLE-READ",)


@in_every_world
async def test_block_that_only_reads(world: World) -> None:
    table = await world.table("x INT")
    conn = await world.connect()

    async def write() -> None:
        async with conn.transaction(read_only=True):
            await conn.execute(f"INSERT INTO {table} VALUES (1)")

    with pytest.raises(mariadb_nb.Error) as raised:
        await write()
    assert raised.value.errno == 1792
    assert not conn.in_transaction
    async with conn.transaction():
        await conn.execute(f"INSERT INTO {table} VALUES (2)")
    assert await rows_of(conn, table) == [2]


@in_every_world
async def test_wrong_isolation_level(world: World) -> None:
    conn = await world.connect()
    with pytest.raises((ValueError, mariadb_nb.Error), match="SERIALIZABLE"):
        async with conn.transaction(isolation_level="x; DROP TABLE y"):
            pass
    assert not conn.in_transaction


@in_every_world
async def test_level_of_an_inner_block_is_refused(world: World) -> None:
    conn = await world.connect()
    async with conn.transaction():
        with pytest.raises((ValueError, mariadb_nb.Error)):
            async with conn.transaction(isolation_level="SERIALIZABLE"):
                pass
        assert conn.in_transaction


@in_every_world
async def test_block_around_a_lost_transaction(world: World) -> None:
    """An error that ended the transaction is not hidden by one of the savepoint."""
    conn = await world.connect()

    async def lose() -> None:
        async with conn.transaction(), conn.transaction():
            # As a deadlock does it: nothing is left of the savepoint.
            await conn.execute("ROLLBACK")
            raise KeyError("the first error")

    with pytest.raises(KeyError, match="first"):
        await lose()
    assert not conn.in_transaction
    async with conn.transaction():
        await conn.execute("DO 1")


class Collision:
    """Two connections, of which the first loses in a deadlock."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def prepare(self) -> None:
        world = self.world
        self.table = await world.table("x INT PRIMARY KEY", "(1), (2)")
        self.loser, self.winner = await world.connect(), await world.connect()
        # The server lets the one go on that has changed more.
        await self.winner.execute(
            f"INSERT INTO {self.table} SELECT seq FROM seq_100_to_200"
        )
        await self.lock(self.winner, 2)

    async def lock(self, conn: aio.Connection, x: int) -> None:
        await conn.execute(
            f"SELECT '{self.waiting(conn, x)}' FROM {self.table} WHERE x = {x} "
            "FOR UPDATE"
        )

    def waiting(self, conn: aio.Connection, x: int) -> str:
        """What a statement says of who waits for what, so that the other sees it.

        That of who has the row already can still be seen for a moment, too.
        """
        return f"{conn.thread_id} wants row {x} of {self.table}"

    async def win(self) -> None:
        """Wait until the other one waits for us, and for it then."""
        witness = await self.world.connect()
        await self.world.wait_until_seen(witness, self.waiting(self.loser, 2))
        await self.lock(self.winner, 1)
        await self.winner.rollback()

    async def lose(self) -> None:
        await self.lock(self.loser, 1)
        await self.lock(self.loser, 2)


@in_every_world
async def test_deadlock_in_nested_blocks(world: World) -> None:
    """It comes out as what it is, so that it can be caught and tried again."""
    collision = Collision(world)
    await collision.prepare()
    conn = collision.loser

    async def work() -> None:
        async with conn.transaction(), conn.transaction():
            await collision.lose()

    outcome, _ = await world.together(work(), collision.win())
    assert isinstance(outcome, mariadb_nb.Deadlock), repr(outcome)
    assert not conn.in_transaction
    async with conn.transaction():
        await conn.execute(f"INSERT INTO {collision.table} VALUES (7)")
    assert 7 in await rows_of(collision.winner, collision.table)


@in_every_world
async def test_deadlock_that_a_nested_block_keeps_to_itself(world: World) -> None:
    """The savepoint is gone with the transaction, and so is what both have done."""
    collision = Collision(world)
    await collision.prepare()
    conn = collision.loser

    async def keep_it() -> None:
        async with conn.transaction():
            with pytest.raises(mariadb_nb.Deadlock):
                await collision.lose()

    async def work() -> None:
        async with conn.transaction():
            with pytest.raises(mariadb_nb.Deadlock, match="inside it"):
                await keep_it()

    outcome, _ = await world.together(work(), collision.win())
    assert isinstance(outcome, mariadb_nb.Deadlock), repr(outcome)
    assert not conn.in_transaction
    async with conn.transaction():
        await conn.execute(f"INSERT INTO {collision.table} VALUES (7)")
    assert 7 in await rows_of(collision.winner, collision.table)


@pytest.mark.parametrize("autocommit", [False, True])
@in_every_world
async def test_what_comes_after_a_deadlock_is_undone(
    world: World, autocommit: bool
) -> None:
    collision = Collision(world)
    await collision.prepare()
    conn, table = collision.loser, collision.table
    await conn.set_autocommit(autocommit)

    async def insert(x: int) -> None:
        async with conn.transaction():
            await conn.execute(f"INSERT INTO {table} VALUES ({x})")

    async def work() -> None:
        async with conn.transaction():
            with pytest.raises(mariadb_nb.Deadlock):
                await collision.lose()
            with pytest.raises(mariadb_nb.Deadlock, match="around this one"):
                await insert(7)
            await conn.execute(f"INSERT INTO {table} VALUES (8)")

    outcome, _ = await world.together(work(), collision.win())
    assert isinstance(outcome, mariadb_nb.Deadlock), repr(outcome)
    assert conn.autocommit is autocommit
    await insert(9)
    assert await rows_of(collision.winner, table) == [1, 2, 9]


@in_every_world
async def test_block_after_a_deadlock_is_a_transaction(world: World) -> None:
    collision = Collision(world)
    await collision.prepare()
    conn = collision.loser
    outcome, _ = await world.together(collision.lose(), collision.win())
    assert isinstance(outcome, mariadb_nb.Deadlock), repr(outcome)
    async with conn.transaction():
        await conn.execute(f"INSERT INTO {collision.table} VALUES (7)")
    assert 7 in await rows_of(collision.winner, collision.table)


# ---- two phases ---------------------------------------------------------------------


@in_every_world
async def test_two_phases(world: World) -> None:
    table = await world.table("x INT")
    conn, witness = await world.connect("root"), await world.connect()
    xid = conn.xid(7, f"two phases {world.name}", "it's \\ branch")
    assert tuple(xid) == (7, f"two phases {world.name}", "it's \\ branch")
    await conn.tpc_begin(xid)
    await conn.execute(f"INSERT INTO {table} VALUES (1)")
    await conn.tpc_prepare()
    assert await rows_of(witness, table) == []
    await conn.tpc_commit()
    assert await rows_of(witness, table) == [1]


@in_every_world
async def test_one_phase_and_rollback(world: World) -> None:
    table = await world.table("x INT")
    conn, witness = await world.connect("root"), await world.connect()
    xid = conn.xid(1, f"one phase {world.name}", "")
    await conn.tpc_begin(xid)
    await conn.execute(f"INSERT INTO {table} VALUES (1)")
    await conn.tpc_commit()
    assert await rows_of(witness, table) == [1]
    await conn.tpc_begin(xid)
    await conn.execute(f"INSERT INTO {table} VALUES (2)")
    await conn.tpc_rollback()
    await conn.tpc_begin(xid)
    await conn.execute(f"INSERT INTO {table} VALUES (3)")
    await conn.tpc_prepare()
    await conn.tpc_rollback()
    assert await rows_of(witness, table) == [1]


@in_every_world
async def test_prepared_transaction_outlives_its_connection(world: World) -> None:
    table = await world.table("x INT")
    first, second = await world.connect("root"), await world.connect("root")
    ids = [first.xid(42, f"left {world.name}", branch) for branch in ("a", "b")]
    for number, xid in enumerate(ids):
        conn = await world.connect("root")
        await conn.tpc_begin(xid)
        await conn.execute(f"INSERT INTO {table} VALUES (?)", (number,))
        await conn.tpc_prepare()
        await conn.close()
        await world.wait_until_gone(first, conn.thread_id)
    found = [xid for xid in await second.tpc_recover() if xid in ids]
    try:
        assert sorted(found) == sorted(ids)
        await second.tpc_commit(ids[0])
        await second.tpc_rollback(ids[1])
    finally:
        # Whoever forgets one keeps its locks until the server ends.
        janitor = await world.connect("root", autocommit=True)
        left = [xid for xid in await janitor.tpc_recover() if xid in ids]
        for xid in left:
            await janitor.tpc_rollback(xid)
    assert left == []
    assert second.autocommit is False
    assert await rows_of(second, table) == [0]


@in_every_world
async def test_commit_within_two_phases_is_refused(world: World) -> None:
    """PEP 249: commit and rollback are not for a transaction of tpc_begin."""
    conn = await world.connect("root")
    await conn.tpc_begin(conn.xid(1, f"refused {world.name}", ""))
    for call in (conn.commit, conn.rollback):
        with pytest.raises(mariadb_nb.ProgrammingError):
            await call()
    await conn.tpc_rollback()
    await conn.commit()


@in_every_world
async def test_steps_of_two_phases_out_of_order(world: World) -> None:
    conn = await world.connect("root")
    for call in (conn.tpc_prepare, conn.tpc_commit, conn.tpc_rollback):
        with pytest.raises(mariadb_nb.ProgrammingError):
            await call()
    for wrong in ((-1, "x", ""), (1, "x" * 65, ""), (1, "x", "y" * 65)):
        with pytest.raises((ValueError, mariadb_nb.Error)):
            conn.xid(*wrong)
    await conn.ping()


@in_every_world
async def test_refused_begin_of_two_phases_leaves_nothing(world: World) -> None:
    first, second = await world.connect("root"), await world.connect("root")
    xid = first.xid(1, f"taken {world.name}", "")
    await first.tpc_begin(xid)
    with pytest.raises(mariadb_nb.ProgrammingError) as raised:
        await second.tpc_begin(xid)
    assert raised.value.errno == 1440
    await second.commit()
    await second.tpc_begin(second.xid(1, f"other {world.name}", ""))
    await second.tpc_rollback()
    await first.tpc_rollback()
