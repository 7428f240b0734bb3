"""What the server is asked to tell, again after a reset."""

from __future__ import annotations

import pytest
from worlds import World, in_every_world

from mariadb_nb.statements import TRACKING, tracking_of

LIST = "SELECT @@session_track_system_variables, @@session_track_schema"


@pytest.mark.parametrize("names", ["", "*", "time_zone", "sql_mode,autocommit"])
@in_every_world
async def test_server_tells_the_same_after_a_reset(world: World, names: str) -> None:
    (listed, schema), anew = await before_and_after(world, names)
    assert (listed, schema) == anew
    assert schema == 1
    assert (
        listed == "*"
        if names == "*"
        else {"sql_mode", "old_mode"} < {*listed.split(",")}
    )


async def before_and_after(world: World, names: str) -> tuple[tuple[str, int], object]:
    root = await world.connect("root")
    cur = await root.execute("SELECT @@GLOBAL.session_track_system_variables")
    ((usual,),) = await cur.fetchall()
    await root.execute("SET GLOBAL session_track_system_variables = ?", (names,))
    try:
        conn = await world.connect()
        ((listed, schema),) = await (await conn.execute(LIST)).fetchall()
        # It need not be made again, unless the server told of nothing at first.
        assert (b"IF(" in conn.session._anew[0]) == (names == "")
        await conn.execute("SET session_track_system_variables = ''")
        await conn.reset()
        ((*anew,),) = await (await conn.execute(LIST)).fetchall()
    finally:
        await root.execute("SET GLOBAL session_track_system_variables = ?", (usual,))
    return (listed, schema), tuple(anew)


@pytest.mark.parametrize(
    "changes",
    [
        None,
        [],
        [(1, "session_track_system_variables"), (1, "sql_mode")],
        [(0, "sql_mode"), (0, "session_track_system_variables")],
        [(0, "session_track_system_variables"), (0, "a', b=CONCAT('")],
        [(0, "session_track_system_variables")],
    ],
)
def test_what_was_not_told_is_not_made_up(
    changes: list[tuple[int, str]] | None,
) -> None:
    assert tracking_of(changes) is None
    told = [(0, "session_track_system_variables"), (0, "sql_mode,time_zone")]
    short = tracking_of([(0, "sql_mode"), (0, ""), *told, (1, "test")])
    assert short == (
        "session_track_schema=1, session_track_system_variables='sql_mode,time_zone'"
    )
    assert len(short) < len(TRACKING)
