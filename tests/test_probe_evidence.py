"""What follows from idle connections: every order and mixture, without a network."""

from __future__ import annotations

import math
from itertools import permutations, product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mariadb_nb import InterfaceError
from mariadb_nb.pool.settings import Settings
from mariadb_nb.probe import End, Plan, Seen
from mariadb_nb.probe.evidence import Quiet, decided, judge

ENDS: tuple[End, ...] = get_args(End)
REAL = ("fin", "reset", "refused", "silence")
#: 1, 10, 100 and 1000 seconds.
PLAN = Plan(shortest=1, longest=1000, connections=4)


def seen(*ends: End) -> list[Seen]:
    """Connections of ``PLAN`` that all were idle for just as long as planned."""
    return [Seen(t, t, end) for t, end in zip(PLAN.times, ends, strict=False)]


# The plan


def test_times_grow_by_a_factor() -> None:
    assert PLAN.times == pytest.approx((1, 10, 100, 1000))


@given(
    st.floats(1, 100),
    st.floats(100, 86_400),
    st.integers(2, 200),
)
def test_times_go_from_the_shortest_to_the_longest(
    shortest: float, longest: float, connections: int
) -> None:
    plan = Plan(shortest=shortest, longest=longest, connections=connections)
    times = plan.times
    assert len(times) == connections
    assert (times[0], times[-1]) == (shortest, longest)
    assert list(times) == pytest.approx(sorted(times))


@pytest.mark.parametrize(
    "wrong",
    [
        {"shortest": 0.9},
        {"shortest": 901},
        {"longest": 0},
        {"longest": 86_401},
        {"longest": math.nan},
        {"longest": math.inf},
        {"longest": "60"},
        {"longest": True},
        {"connections": 1},
        {"connections": 201},
        {"connections": 2.0},
        {"connections": True},
        {"answer_timeout": 0.5},
        {"answer_timeout": 61},
    ],
    ids=str,
)
def test_plan_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    (name,) = wrong
    with pytest.raises(InterfaceError, match=f"^{name}="):
        Plan(**wrong)  # type: ignore[arg-type]


# How long it was idle


def test_idle_since_it_was_made() -> None:
    assert Quiet(100.0).ended(160.0) == 60.0


def test_what_the_peer_says_is_activity() -> None:
    quiet = Quiet(100.0)
    quiet.heard(130.0)
    assert quiet.since == 130.0
    assert quiet.ended(160.0) == 30.0


def test_a_farewell_is_part_of_the_end() -> None:
    quiet = Quiet(100.0)
    quiet.heard(100.5)  # its greeting
    for said in (160.0, 160.25, 160.75):
        quiet.heard(said)
    assert quiet.ended(161.0) == 60.5


def test_a_greeting_is_not() -> None:
    quiet = Quiet(100.0)
    quiet.heard(100.25)
    assert quiet.ended(170.25) == 70.0


# The verdict


def test_nothing_ended() -> None:
    verdict = judge(seen("answered", "answered", "answered", "answered"))
    assert (verdict.end, verdict.ended, verdict.exact) == ("answered", None, False)
    assert verdict.survived == pytest.approx(1000)
    # The pool's own settings are good enough.
    assert verdict.keepalive_interval == Settings().keepalive_interval
    assert verdict.max_idle == Settings().max_idle


def test_of_a_time_that_was_not_tried_nothing_is_said() -> None:
    verdict = judge(seen("answered", "answered"))
    assert (verdict.keepalive_interval, verdict.max_idle) == (10, 10)


@pytest.mark.parametrize("end", ["refused", "silence"])
def test_an_end_that_is_noticed_when_asked_is_between_two_times(end: End) -> None:
    verdict = judge(seen("answered", "answered", end, end))
    assert (verdict.end, verdict.exact, verdict.consistent) == (end, False, True)
    assert (verdict.survived, verdict.ended) == pytest.approx((10, 100))
    # By the time that is known to be short enough.
    assert (verdict.keepalive_interval, verdict.max_idle) == (5, 8)


@pytest.mark.parametrize("end", ["fin", "reset"])
def test_an_end_that_comes_by_itself_is_exact(end: End) -> None:
    found = [*seen("answered", "answered"), Seen(100, 60, end), Seen(1000, 60.5, end)]
    verdict = judge(found)
    assert (verdict.end, verdict.exact, verdict.consistent) == (end, True, True)
    assert (verdict.survived, verdict.ended) == pytest.approx((10, 60))
    assert (verdict.keepalive_interval, verdict.max_idle) == (30, 48)


def test_too_long_from_the_beginning_is_no_advice() -> None:
    verdict = judge(seen("silence", "silence", "silence", "silence"))
    assert (verdict.survived, verdict.ended) == (None, 1)
    assert (verdict.keepalive_interval, verdict.max_idle) == (None, None)


def test_nothing_learned() -> None:
    for found in ([], seen("failed", "talking")):
        verdict = judge(found)
        assert (verdict.end, verdict.survived, verdict.ended) == ("failed", None, None)
        assert (verdict.keepalive_interval, verdict.max_idle) == (None, None)


def test_an_answer_after_a_longer_time_contradicts() -> None:
    verdict = judge(seen("answered", "silence", "answered", "silence"))
    assert not verdict.consistent
    # To be on the safe side.
    assert (verdict.survived, verdict.ended) == pytest.approx((1, 10))


def test_a_server_that_is_a_little_late_does_not_contradict() -> None:
    found = [Seen(60.2, 60.2, "answered"), Seen(100, 60, "fin"), Seen(99, 60.3, "fin")]
    assert judge(found).consistent
    found[0] = Seen(64, 64, "answered")
    assert not judge(found).consistent


def check_mixture(ends: tuple[End, ...]) -> None:
    found = seen(*ends)
    verdict = judge(found)
    real = [each for each in found if each.end in REAL]
    good = [each.idle for each in found if each.end == "answered"]
    if real:
        assert (verdict.end, verdict.ended) == (real[0].end, real[0].idle)
        assert verdict.exact == (real[0].end in ("fin", "reset"))
        assert verdict.consistent == (max(good, default=0) < real[0].idle)
    else:
        assert verdict.end == ("answered" if good else "failed")
        assert verdict.ended is None
    limit = verdict.ended if verdict.exact else verdict.survived
    for advice in (verdict.keepalive_interval, verdict.max_idle):
        assert (advice is None) == (limit is None)
        if advice is not None and limit is not None:
            most = limit * (1 if verdict.end == "answered" else 0.8)
            assert 0 < advice <= most + 1e-6
    if verdict.survived is not None:
        assert verdict.survived in good
        assert verdict.ended is None or verdict.survived < verdict.ended


def test_every_mixture() -> None:
    for ends in product(ENDS, repeat=4):
        check_mixture(ends)


@given(st.floats(1, 86_400), st.sampled_from(["fin", "silence"]))
def test_advice_is_below_the_limit_and_not_far_below(limit: float, end: End) -> None:
    found = [Seen(limit, limit, "answered"), Seen(9e4, 9e4, "silence")]
    if end == "fin":
        found = [Seen(9e4, limit, end)]
    verdict = judge(found)
    keepalive, idle = verdict.keepalive_interval, verdict.max_idle
    assert keepalive is not None
    assert idle is not None
    assert min(180, limit * 0.45) <= keepalive <= limit / 2
    assert min(600, limit * 0.72) <= idle <= limit * 0.8
    assert keepalive == float(f"{keepalive:.2g}")


# When it is enough


def test_one_end_may_be_chance() -> None:
    assert not decided(PLAN, seen("answered", "answered", "silence"))
    assert decided(PLAN, seen("answered", "silence", "silence"))


def test_who_was_asked_earlier_is_heard() -> None:
    first, *others = seen("answered", "silence", "silence")
    assert not decided(PLAN, others)
    assert decided(PLAN, [*others, first])
    # Also if it has nothing to say.
    assert decided(PLAN, [*others, *seen("failed")])


def test_a_contradiction_is_not_enough() -> None:
    assert not decided(PLAN, seen("silence", "silence", "answered"))


def test_what_comes_by_itself_ends_those_too_that_wait_longer() -> None:
    found = [*seen("answered", "answered"), Seen(100, 60, "fin")]
    assert not decided(PLAN, found)
    assert decided(PLAN, [*found, Seen(1000, 60, "fin")])


def check_every_order(ends: tuple[End, ...]) -> None:
    found = seen(*ends)
    (judged,) = {judge(order) for order in permutations(found)}
    (enough,) = {decided(PLAN, order) for order in permutations(found)}
    if enough:
        later = [*found, Seen(PLAN.longest, PLAN.longest, judged.end)]
        assert decided(PLAN, later)
        assert judge(later) == judged


def test_what_is_decided_stays_so_whatever_the_order() -> None:
    for ends in product(ENDS, repeat=3):
        check_every_order(ends)
