"""When a pool makes connections, when it pings them, and when they have to go."""

from __future__ import annotations

import pytest
from pool_play import REFUSED, Play, only

from mariadb_nb.pool.decisions import (
    Check,
    Close,
    Connect,
    Done,
    Fail,
    Grant,
)
from mariadb_nb.pool.slots import Waiter

# ---- making connections ------------------------------------------------------


def test_no_more_connections_than_max_size() -> None:
    play = Play(max_size=2, max_connecting=10)
    made = [action for _ in range(5) for action in play("acquire", Waiter())]
    assert len(made) == 2


def test_no_more_connects_at_once_than_allowed() -> None:
    play = Play(max_size=10, max_connecting=2)
    made = [action for _ in range(5) for action in play("acquire", Waiter())]
    assert len(made) == 2
    grant, following = play("ready", made[0].slot)
    assert isinstance(grant, Grant)
    assert isinstance(following, Connect)


def test_min_size_is_made_at_the_first_tick_and_told_of() -> None:
    play, waiter = Play(min_size=3, max_connecting=2), Waiter()
    first, second = play("warm_up", waiter)
    third = only(play("ready", first.slot), Connect)
    assert play("ready", second.slot) == []
    assert play("ready", third.slot) == [Done(waiter)]
    assert play("warm_up", again := Waiter()) == [Done(again)]


def test_warm_up_has_a_deadline() -> None:
    play, waiter = Play(min_size=1), Waiter(deadline=2)
    slot = only(play("warm_up", waiter), Connect).slot
    play("connect_failed", slot, REFUSED)
    play.now = 2
    fail = next(action for action in play("tick") if isinstance(action, Fail))
    assert fail.waiter is waiter
    assert fail.error.__cause__ is REFUSED


def test_pauses_double_up_to_the_longest() -> None:
    play = Play(chance=1.0, min_size=1, retry_first=1, retry_longest=5)
    (action,) = play("tick")
    for pause in (1, 2, 4, 5, 5):
        assert play("connect_failed", action.slot, REFUSED) == []
        (note,) = play.notes
        assert (note.event, note.seconds, note.error) == ("outage", pause, REFUSED)
        assert play.core.due == play.now + pause
        assert only(play("acquire", Waiter(deadline=play.now)), Fail)
        (action,) = play.at(play.now + pause)
        assert isinstance(action, Connect)


def test_chance_takes_up_to_half_of_a_pause() -> None:
    play = Play(chance=0.0, min_size=1, retry_first=1)
    play("connect_failed", only(play("tick"), Connect).slot, REFUSED)
    assert play.core.due == 0.5


def test_connects_that_fail_side_by_side_count_as_one() -> None:
    play = Play(chance=1.0, min_size=3, max_connecting=3, retry_first=1)
    made = play("tick")
    notes = []
    for action in made:
        play("connect_failed", action.slot, REFUSED)
        notes += play.notes
    assert [note.seconds for note in notes] == [1]


def test_one_connect_finds_out_whether_an_outage_is_over() -> None:
    play = Play(chance=1.0, min_size=8, max_connecting=4, retry_first=1)
    for action in play("tick"):
        play("connect_failed", action.slot, REFUSED)
    probe = only(play.at(1), Connect)
    following = play("ready", probe.slot)
    assert [note.event for note in play.notes] == ["opened", "recovered"]
    assert len(following) == 4
    assert play.core.stats().failed_connects == 4


def test_waiters_stay_through_an_outage() -> None:
    play, waiter = Play(chance=1.0, retry_first=1), Waiter(deadline=10)
    slot = only(play("acquire", waiter), Connect).slot
    assert play("connect_failed", slot, REFUSED) == []
    slot = only(play.at(1), Connect).slot
    assert play("ready", slot) == [Grant(waiter, slot)]


def test_final_failure_is_told_to_all_who_wait() -> None:
    play = Play(min_size=1)
    waiters = [Waiter(), Waiter(), Waiter()]
    (first, *_) = play("warm_up", waiters[0])
    second = [action for one in waiters[1:] for action in play("acquire", one)]
    assert play("connect_failed", first.slot, REFUSED, final=True) == []
    failed = play("connect_failed", only(second, Connect).slot, REFUSED, final=True)
    assert {action.waiter for action in failed} == set(waiters)
    errors = [one.error for one in waiters]  # whoever looks before
    assert {repr(error) for error in errors} == {repr(REFUSED)}
    assert len({id(error) for error in errors}) == 3  # each will have its traceback


def test_final_failure_leaves_those_who_can_be_served_otherwise() -> None:
    play = Play()
    _, slot = play.lend()
    waiter = Waiter()
    failing = only(play("acquire", waiter), Connect).slot
    assert play("connect_failed", failing, REFUSED, final=True) == []
    play("release", slot)
    assert play("ready", slot) == [Grant(waiter, slot)]


# ---- idle connections --------------------------------------------------------


def test_idle_connection_that_ends_is_replaced_if_it_was_needed() -> None:
    play = Play(min_size=1)
    slots = play.open(2)
    assert play("readable", slots[0], dead=True) == [Close(slots[0], "lost")]
    closing, connecting = play("readable", slots[1], dead=True)
    assert closing == Close(slots[1], "lost")
    assert isinstance(connecting, Connect)
    assert play.closed() == {"lost": 2}


def test_idle_connection_that_may_have_ended_is_pinged_before_it_is_lent() -> None:
    play = Play(max_size=1)
    (slot,) = play.open()
    assert play("readable", slot, dead=False) == [Check(slot)]
    waiter = Waiter()
    assert play("acquire", waiter) == []
    assert play("ready", slot) == [Grant(waiter, slot)]


@pytest.mark.parametrize("dead", [True, False])
def test_news_from_a_connection_that_is_not_idle_are_none(dead: bool) -> None:
    play = Play()
    _, slot = play.lend()
    assert play("readable", slot, dead=dead) == []
    play("release", slot, "broken")
    assert play("readable", slot, dead=dead) == []


def test_silent_connection_is_pinged_and_goes_behind_those_in_use() -> None:
    play = Play(keepalive_interval=60)
    old, young = play.open(2)
    play.now = 10
    _, lent = play.lend()
    assert lent is young
    play("release", young)
    play("ready", young)
    assert play.at(60) == [Check(old)]
    assert play("ready", old) == []
    assert play.lend()[1] is young
    play("release", young)
    play("ready", young)
    assert play.at(119) == []
    assert set(play.at(120)) == {Check(old), Check(young)}


def test_connection_that_does_not_answer_is_closed() -> None:
    play = Play(keepalive_interval=60)
    (slot,) = play.open()
    play.at(60)
    assert play("failed", slot) == [Close(slot, "silent")]


def test_pings_and_ends_are_spread_by_chance() -> None:
    early = Play(chance=1.0, keepalive_interval=100)
    early.open()
    assert early.core.due == 90
    early = Play(chance=1.0, max_lifetime=100)
    early.open()
    assert early.core.due == 90


def test_nobody_uses_it_so_it_is_closed() -> None:
    play = Play(max_idle=10, keepalive_interval=4)
    (slot,) = play.open()
    for now in (4, 8):
        assert play.at(now) == [Check(slot)]
        play("ready", slot)
    assert play.at(10) == [Close(slot, "idle")]


def test_what_idled_too_long_is_not_lent_even_if_nobody_looked() -> None:
    play = Play(max_idle=10)
    (slot,) = play.open()
    play.now = 10
    closing, connecting = play("acquire", Waiter())
    assert closing == Close(slot, "idle")
    assert isinstance(connecting, Connect)


def test_old_connection_goes_when_it_is_idle_or_comes_back() -> None:
    play = Play(max_lifetime=100)
    idle, _ = play.open(2)
    _, lent = play.lend()
    assert play.at(100) == [Close(idle, "lifetime")]
    assert play("release", lent) == [Close(lent, "lifetime")]
