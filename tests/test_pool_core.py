"""To whom a pool lends, and how it is resized, drained and closed."""

from __future__ import annotations

from math import inf

import pytest
from pool_play import Play, only

from mariadb_nb.errors import InterfaceError, PoolClosed, PoolTimeout
from mariadb_nb.pool.decisions import (
    Check,
    Close,
    Connect,
    Done,
    Fail,
    Grant,
    Note,
    Reset,
    Why,
)
from mariadb_nb.pool.slots import Waiter

# ---- lending -----------------------------------------------------------------


def test_first_acquire_connects_and_is_lent_what_comes_of_it() -> None:
    play, waiter = Play(), Waiter()
    slot = only(play("acquire", waiter), Connect).slot
    assert not waiter.done
    assert play("ready", slot) == [Grant(waiter, slot)]
    assert waiter.done
    assert waiter.slot is slot
    assert [note.event for note in play.notes] == ["opened"]


def test_what_is_idle_is_lent_at_once() -> None:
    play = Play()
    (slot,) = play.open()
    waiter = Waiter()
    assert play("acquire", waiter) == [Grant(waiter, slot)]


def test_what_was_used_last_is_lent_first() -> None:
    play = Play()
    slots = play.open(3)
    assert [play.lend()[1] for _ in slots] == slots[::-1]


def test_who_came_first_is_served_first() -> None:
    play = Play(max_size=1)
    _, slot = play.lend()
    waiters = [Waiter() for _ in range(3)]
    for waiter in waiters:
        assert play("acquire", waiter) == []
    for waiter in waiters:
        assert play("release", slot) == [Reset(slot)]
        assert play("ready", slot) == [Grant(waiter, slot)]


def test_release_resets_before_anybody_else_gets_it() -> None:
    play = Play(max_size=1)
    _, slot = play.lend()
    assert play("release", slot) == [Reset(slot)]
    waiter = Waiter()
    assert play("acquire", waiter) == []
    assert play("ready", slot) == [Grant(waiter, slot)]


def test_reset_that_is_under_way_saves_a_connect() -> None:
    play = Play(max_size=5)
    _, slot = play.lend()
    play("release", slot)
    assert play("acquire", Waiter()) == []
    assert only(play("acquire", Waiter()), Connect)


@pytest.mark.parametrize("why", ["broken", "refused"])
def test_what_comes_back_broken_is_replaced_for_who_waits(why: Why) -> None:
    play = Play(max_size=1)
    _, slot = play.lend()
    waiter = Waiter()
    play("acquire", waiter)
    closing, connecting = play("release", slot, why)
    assert closing == Close(slot, why)
    assert isinstance(connecting, Connect)
    assert play.closed() == {why: 1}


def test_what_cannot_be_reset_is_closed() -> None:
    play = Play()
    _, slot = play.lend()
    play("release", slot)
    assert play("failed", slot) == [Close(slot, "reset")]


def test_release_of_what_was_not_used_resets_nothing() -> None:
    play = Play(max_size=1, keepalive_interval=10)
    _, slot = play.lend()
    waiting = Waiter()
    play("acquire", waiting)
    play.now = 5
    assert play("release", slot, as_new=True) == [Grant(waiting, slot)]
    assert waiting.slot is slot
    play.now = 20
    assert play("release", slot, as_new=True) == [Check(slot)]  # silent for too long


@pytest.mark.parametrize("why", ["broken", "drained"])
def test_release_of_what_was_not_used_may_be_its_end(why: Why) -> None:
    play = Play()
    _, slot = play.lend()
    if why == "drained":
        play("drain")
    told = play("release", slot, why if why == "broken" else None, as_new=True)
    assert told == [Close(slot, why)]


def test_release_of_what_is_not_lent_any_more_changes_nothing() -> None:
    play = Play(max_size=1)
    first, slot = play.lend()
    assert play("release", first) == [Reset(slot)]
    assert play("release", first) == []
    play("ready", slot)
    second, _ = play.lend()
    assert play("release", first, "broken") == []
    assert second.slot is slot


def test_timeout_of_0_takes_what_is_there_and_does_not_wait() -> None:
    play = Play(max_size=1)
    (slot,) = play.open()
    lucky, late = Waiter(deadline=play.now), Waiter(deadline=play.now)
    assert play("acquire", lucky) == [Grant(lucky, slot)]
    assert only(play("acquire", late), Fail).waiter is late


# ---- those who wait ----------------------------------------------------------


def test_deadline_ends_the_wait_and_tells_how_things_stand() -> None:
    play = Play(max_size=1)
    play.lend()
    waiter = Waiter(deadline=5)
    play("acquire", waiter)
    assert play.core.due == 5
    assert play.at(4.9) == []
    error = only(play.at(5), Fail).error
    assert isinstance(error, PoolTimeout)
    assert "1 of at most" in str(error)
    assert play.core.stats().timeouts == 1
    assert play.core.due == inf


def test_each_waiter_has_a_deadline_of_its_own() -> None:
    play = Play(max_size=1)
    play.lend()
    waiters = [Waiter(deadline=deadline) for deadline in (9, 3, 6)]
    for waiter in waiters:
        play("acquire", waiter)
    for due in (3, 6, 9):
        assert play.core.due == due
        assert only(play.at(due), Fail).waiter.deadline == due


def test_nobody_is_lent_anything_after_the_deadline() -> None:
    play = Play(max_size=1)
    _, slot = play.lend()
    play("release", slot)
    waiter = Waiter(deadline=5)
    play("acquire", waiter)
    play.now = 5
    assert isinstance(only(play("ready", slot), Fail).error, PoolTimeout)
    assert slot.place == "idle"


def test_who_has_gone_is_lent_nothing() -> None:
    play = Play(max_size=1)
    _, slot = play.lend()
    gone, next_one = Waiter(), Waiter()
    play("acquire", gone)
    play("acquire", next_one)
    assert play("leave", gone) == []
    play("release", slot)
    assert play("ready", slot) == [Grant(next_one, slot)]


def test_what_was_lent_to_one_who_has_gone_needs_no_reset() -> None:
    play = Play(max_size=1)
    gone, slot = play.lend()
    next_one = Waiter()
    play("acquire", next_one)
    assert play("leave", gone) == [Grant(next_one, slot)]
    assert play("leave", gone) == []


def test_leaving_after_the_release_takes_nothing_from_the_next() -> None:
    play = Play(max_size=1)
    first, slot = play.lend()
    play("release", slot)
    next_one = Waiter()
    play("acquire", next_one)
    play("ready", slot)
    assert play("leave", first) == []
    assert slot.holder is next_one


def test_connect_for_one_who_has_gone_is_kept() -> None:
    play, waiter = Play(), Waiter()
    slot = only(play("acquire", waiter), Connect).slot
    play("leave", waiter)
    assert play("ready", slot) == []
    assert slot.place == "idle"


def test_who_rejects_a_connection_is_served_before_all_others() -> None:
    play = Play(max_size=1)
    picky, slot = play.lend()
    play("acquire", Waiter())
    closing, connecting = play("reject", picky)
    assert closing == Close(slot, "refused")
    assert play("ready", connecting.slot) == [Grant(picky, connecting.slot)]


def test_who_rejects_a_connection_too_late_is_not_served_again() -> None:
    play = Play(max_size=2)
    play.open(2)
    picky = Waiter(deadline=5)
    play("acquire", picky)
    play.now = 5
    _, fail = play("reject", picky)
    assert isinstance(fail.error, PoolTimeout)


# ---- the whole pool ----------------------------------------------------------


def test_resize_makes_more_or_fewer() -> None:
    play = Play(max_size=4)
    old, *_ = play.open(3)
    _, lent = play.lend()
    assert play("resize", 0, 2) == [Close(old, "surplus")]
    assert play.core.stats().size == 2
    connects = play("resize", 4, 4)
    assert [type(action) for action in connects] == [Connect, Connect]
    (unborn, other) = [action.slot for action in connects]
    *closing, last = play("resize", 0, 1)
    assert {unborn, other} < {action.slot for action in (*closing, last)}
    assert play.core.stats().closed == {"surplus": 2}
    assert play("release", lent) == [Reset(lent)]


def test_what_is_lent_and_too_much_is_closed_when_it_comes_back() -> None:
    play = Play(max_size=2)
    _, first = play.lend()
    _, second = play.lend()
    assert play("resize", 0, 1) == []
    assert play("release", first) == [Close(first, "surplus")]
    assert play("release", second) == [Reset(second)]


@pytest.mark.parametrize("sizes", [(3, 2), (-1, 5), (0, 0)])
def test_resize_to_what_cannot_be_is_refused(sizes: tuple[int, int]) -> None:
    play = Play(max_size=4)
    with pytest.raises(InterfaceError):
        play("resize", *sizes)
    assert play.core.settings.max_size == 4


def test_drain_takes_back_at_its_deadline_what_is_lent() -> None:
    play = Play(max_size=3)
    slow, lent = play.lend()
    quick, other = play.lend()
    assert play("drain", 10) == []
    assert play("drain", 20) == []  # the first one counts
    assert play("release", quick) == [Close(other, "drained")]
    _, fresh = play.lend()
    assert play.at(9) == []
    assert play.at(10) == [Close(lent, "drained")]
    assert slow.loan is None
    assert [*play.core.slots] == [fresh]


def test_drain_replaces_every_connection() -> None:
    play = Play(min_size=1)
    idle, _ = play.open(2)
    _, lent = play.lend()
    assert play("drain") == [Close(idle, "drained")]
    closing, connecting = play("release", lent)
    assert closing == Close(lent, "drained")
    play("ready", connecting.slot)
    assert play.lend()[1] is connecting.slot


def test_close_waits_for_what_is_lent_only() -> None:
    play = Play(max_size=3)
    _, lent = play.lend()
    unborn = only(play("acquire", waiting := Waiter()), Connect).slot
    end = Waiter(deadline=10)
    fail, closing = play("close", end)
    assert isinstance(fail.error, PoolClosed)
    assert fail.waiter is waiting
    assert closing == Close(unborn, "closed")
    assert play("ready", unborn) == []
    assert play("release", lent) == [Close(lent, "closed"), Done(end)]
    assert list(play.core.slots) == []
    assert play("close", again := Waiter()) == [Done(again)]


def test_close_takes_back_what_is_lent_at_its_deadline() -> None:
    play = Play()
    waiter, lent = play.lend(origin="here")
    play("close", end := Waiter(deadline=10))
    assert play.at(10) == [Close(lent, "closed"), Done(end)]
    (note,) = play.notes
    assert (note.event, note.seconds, note.origin) == ("closed", 10, "here")
    assert play("release", lent) == play("leave", waiter) == []


@pytest.mark.parametrize("event", ["acquire", "warm_up"])
def test_closed_pool_lends_nothing(event: str) -> None:
    play = Play(min_size=1)
    play("close", Waiter())
    assert isinstance(only(play(event, Waiter()), Fail).error, PoolClosed)
    assert play("tick") == []


def test_borrower_that_keeps_it_too_long_is_named_once() -> None:
    play = Play(leak_after=30)
    _, slot = play.lend(origin="here")
    assert play.core.due == 30
    assert play.at(30) == []
    (note,) = play.notes
    assert note == Note("held", slot, seconds=30, origin="here")
    play.at(60)
    assert play.notes == []
    assert play.core.due == inf


def test_numbers_add_up() -> None:
    play = Play(min_size=1, max_size=2)
    (_, first), _ = play.lend(), play.lend()
    play("acquire", Waiter())
    play.now = 0.2
    play("release", first)
    play("ready", first)
    stats = play.core.stats()
    assert (stats.size, stats.in_use, stats.idle, stats.waiting) == (2, 2, 0, 0)
    assert (stats.created, stats.acquired) == (2, 3)
    assert stats.wait_seconds == stats.longest_wait == 0.2
    assert {bound: n for bound, n in stats.waits.items() if n} == {0.001: 2, 0.3: 1}
