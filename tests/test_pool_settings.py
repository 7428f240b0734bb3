"""What a pool may be told, and the alarms and counters that it is made of."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from mariadb_nb.errors import InterfaceError
from mariadb_nb.pool.alarms import Alarms
from mariadb_nb.pool.settings import Settings
from mariadb_nb.pool.stats import BOUNDS, Tally


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"min_size": 11}, "min_size=11 is more than max_size=10"),
        ({"min_size": -1}, "min_size=-1 is wrong"),
        ({"max_size": 0}, "max_size=0 is wrong"),
        ({"max_size": True}, "max_size= is wrong"),
        ({"max_connecting": 0}, "max_connecting=0 is wrong"),
        ({"acquire_timeout": 0}, "acquire_timeout=0 is wrong"),
        ({"max_idle": "1"}, "max_idle= is wrong"),
        ({"check_timeout": None}, "check_timeout= is wrong"),
        ({"retry_first": 11}, "retry_first=11.0 is more than retry_longest=10.0"),
    ],
)
def test_wrong_setting_is_told(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InterfaceError, match=said):
        Settings(**wrong)


def test_none_is_no_limit() -> None:
    assert Settings(max_idle=None, leak_after=None).max_idle is None


def test_alarm_never_rings_late() -> None:
    alarms = Alarms()
    alarms.arm("a", 3)
    alarms.arm("a", 5)
    alarms.arm("b", 4)
    alarms.arm("b", 2)
    alarms.arm("c", inf)
    assert alarms.due == 2
    assert alarms.ring(1.9) is None
    assert [alarms.ring(3), alarms.ring(3), alarms.ring(9)] == ["b", "a", None]
    assert alarms.due == inf


def test_dropped_alarm_does_not_ring() -> None:
    alarms = Alarms()
    alarms.arm("a", 1)
    alarms.drop("a")
    assert alarms.ring(1) is None


def test_alarms_that_were_moved_are_not_kept() -> None:
    alarms = Alarms()
    for time in range(10_000, 0, -1):
        alarms.arm("a", time)
    assert len(alarms._heap) < 100
    assert alarms.ring(1) == "a"
    assert alarms.ring(20_000) is None
    assert alarms.due == inf


def test_each_wait_is_in_one_class() -> None:
    tally = Tally()
    for seconds in (0.0, *BOUNDS):
        tally.waited(seconds)
    assert tally.waits == [2, *[1] * (len(BOUNDS) - 1)]
