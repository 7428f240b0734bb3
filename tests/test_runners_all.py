"""What every runner does: one suite for all worlds, with operations over sockets."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Callable

import pytest
from runner_worlds import WORLDS, Pair, World, asking, reading, until

from mariadb_nb.wait import PAUSE, READ, TIMEOUT, WRITE, Operation, Wait

pytest_plugins = ["runner_fixtures"]

pytestmark = pytest.mark.parametrize("world", WORLDS)


@pytest.fixture(params=[False, True], ids=["", "kept"])
def keep(request: pytest.FixtureRequest, pair: Pair) -> int:
    """The descriptor that the connection keeps, or none."""
    return pair.fd if request.param else -1


def soon(seconds: float) -> float:
    return time.monotonic() + seconds


# -- waiting ---------------------------------------------------------------------------


def test_an_operation_that_needs_no_wait_returns(world: World) -> None:
    assert world.play(asking()) == [[]]


def test_it_is_resumed_when_its_descriptor_is_readable(
    world: World, pair: Pair, keep: int
) -> None:
    def echo(rounds: int) -> Operation[bytes]:
        got = b""
        for number in range(rounds):
            pair.far.send(b"%d" % number)
            mask = yield Wait(pair.fd, READ)
            assert mask == READ
            got += pair.read()
        return got

    assert world.play(echo(1), echo(10), keep=keep) == [b"0", b"0123456789"]


def test_it_is_resumed_when_its_descriptor_is_writable(
    world: World, pair: Pair, keep: int
) -> None:
    def write() -> Operation[int]:
        mask = yield Wait(pair.fd, WRITE)
        pair.near.send(b"x")
        return mask

    assert world.play(write(), write(), keep=keep) == [WRITE, WRITE]
    assert pair.far.recv(10) == b"xx"


def test_a_writer_waits_until_there_is_room(
    world: World, pair: Pair, keep: int
) -> None:
    def make_room() -> Operation[None]:
        yield from until(Wait(-1, 0, soon(0.05)))
        pair.drain()

    pair.fill()
    assert world.play(asking(Wait(pair.fd, WRITE, soon(0))), keep=keep) == [[TIMEOUT]]
    pair.far.send(b"unread")
    assert world.together(until(Wait(pair.fd, WRITE)), make_room()) == [WRITE, None]
    waits = [Wait(pair.fd, WRITE), Wait(pair.fd, READ), Wait(pair.fd, WRITE)]
    assert world.play(asking(*waits), keep=keep) == [[WRITE, READ, WRITE]]


def test_of_two_events_it_is_told_the_ready_one(
    world: World, pair: Pair, keep: int
) -> None:
    both = Wait(pair.fd, READ | WRITE)

    def scene() -> Operation[list[int]]:
        pair.far.send(b"x")
        yield from reading(pair)
        masks = [(yield from until(both))]
        pair.fill()
        pair.far.send(b"x")
        masks.append((yield from until(both)))
        pair.read()
        pair.far.send(b"x")
        masks.append((yield from until(Wait(pair.fd, READ))))
        return masks

    assert world.play(scene(), keep=keep) == [[WRITE, READ, READ]]


def test_the_peers_end_makes_it_readable(world: World, pair: Pair, keep: int) -> None:
    pair.far.close()
    (masks,) = world.play(reading(pair), keep=keep)
    assert masks == [READ]


def test_it_may_wait_for_several_descriptors_in_turn(
    world: World, pair: Pair, other: Pair, keep: int
) -> None:
    def both() -> Operation[bytes]:
        got = b""
        for number in range(3):
            for each in (pair, other, other):
                each.far.send(b"%d" % number)
                yield from until(Wait(each.fd, READ))
                got += each.read()
        return got

    assert world.play(both(), keep=keep) == [b"000111222"]


def test_operations_wait_side_by_side(world: World, pair: Pair, other: Pair) -> None:
    def answer() -> Operation[bytes]:
        yield from until(Wait(pair.fd, READ))
        other.far.send(b"asked")
        return pair.read()

    def ask() -> Operation[bytes]:
        pair.far.send(b"question")
        yield from until(Wait(other.fd, READ))
        return other.read()

    assert world.together(answer(), ask()) == [b"question", b"asked"]


# -- time ------------------------------------------------------------------------------


def test_a_deadline_passes(world: World, pair: Pair, keep: int) -> None:
    deadline = soon(0.05)

    def late() -> Operation[tuple[int, float]]:
        mask = yield from until(Wait(pair.fd, READ, deadline))
        return mask, time.monotonic()

    ((mask, now),) = world.play(late(), keep=keep)
    assert mask == TIMEOUT
    assert now >= deadline


@pytest.mark.parametrize("ago", [0.0, 1000.0])
def test_a_deadline_that_has_passed_ends_a_wait(
    world: World, pair: Pair, keep: int, ago: float
) -> None:
    wait = Wait(pair.fd, READ, soon(-ago))
    assert world.play(asking(wait, wait, wait), keep=keep) == [[TIMEOUT] * 3]


def test_what_is_ready_comes_before_a_later_deadline(
    world: World, pair: Pair, keep: int
) -> None:
    pair.far.send(b"x")
    for deadline in (soon(60), soon(1e9), float("inf")):
        wait = Wait(pair.fd, READ, deadline)
        assert world.play(asking(wait, wait), keep=keep) == [[READ, READ]]


def test_each_wait_has_its_own_deadline(world: World, pair: Pair, keep: int) -> None:
    def scene() -> Operation[list[int]]:
        masks = []
        # Shorter after longer, longer after shorter, none after one.
        for seconds, data in ((60, b"x"), (0.02, b""), (30, b"x"), (0.1, b"")):
            deadline = soon(seconds)
            pair.far.send(data)
            masks.append((yield from until(Wait(pair.fd, READ, deadline))))
            if data:
                pair.read()
            else:
                assert time.monotonic() >= deadline
        masks.append((yield from until(Wait(pair.fd, WRITE))))
        return masks

    expected = [READ, TIMEOUT, READ, TIMEOUT, WRITE]
    assert world.play(scene(), scene(), keep=keep) == [expected, expected]


def test_a_wait_outlives_the_deadline_of_an_earlier_one(
    world: World, pair: Pair, other: Pair
) -> None:
    def waits() -> Operation[list[int]]:
        pair.far.send(b"x")
        masks = [TIMEOUT]
        while masks == [TIMEOUT]:  # as long as it is the machine that is late
            masks = [(yield from until(Wait(pair.fd, READ, soon(0.02))))]
        pair.read()
        masks.append((yield from until(Wait(pair.fd, READ))))
        return masks

    def writes() -> Operation[None]:
        yield from until(Wait(-1, 0, soon(0.1)))
        pair.far.send(b"x")

    assert world.together(waits(), writes())[0] == [READ, READ]


def test_a_pause_lasts_until_its_deadline(world: World) -> None:
    def pause() -> Operation[tuple[int, float]]:
        mask = yield from until(Wait(-1, 0, deadline))
        return mask, time.monotonic()

    deadline = soon(0.05)
    ((mask, now),) = world.play(pause())
    assert mask == TIMEOUT
    assert now >= deadline


def test_a_pause_without_deadline_is_answered_with_nothing(world: World) -> None:
    def pause() -> Operation[list[int]]:
        return [(yield PAUSE), (yield PAUSE)]

    assert world.play(pause()) == [[0, 0]]


def test_who_pauses_lets_the_others_run(world: World, pair: Pair) -> None:
    seen: list[bytes] = []

    def busy() -> Operation[None]:
        # Until the other has had its turn: without fairness this never ends.
        limit = soon(10)
        while not seen and time.monotonic() < limit:
            yield PAUSE

    def waits() -> Operation[None]:
        yield from until(Wait(pair.fd, READ))
        seen.append(pair.read())

    pair.far.send(b"x")
    world.together(busy(), waits())
    assert seen == [b"x"]


# -- descriptors that come and go ------------------------------------------------------


def test_another_descriptor_may_have_the_same_number(
    world: World, pair: Pair, other: Pair
) -> None:
    def scene() -> Operation[bytes]:
        yield Wait(pair.fd, WRITE)
        yield from until(Wait(pair.fd, READ, soon(0.01)))
        got = b""
        for number in range(3):
            near, far = socket.socketpair()
            with near, far:
                os.dup2(near.fileno(), pair.fd)
                far.send(b"%d" % number)
                yield from until(Wait(pair.fd, READ))
                got += pair.read()
        return got

    assert world.play(scene()) == [b"012"]


@pytest.mark.parametrize("waits", [0, 1])
def test_an_operation_that_fails_may_have_closed_the_descriptor(
    world: World, keep: int, pair: Pair, waits: int
) -> None:
    def dies() -> Operation[None]:
        yield from reading(pair, waits)
        pair.near.close()
        raise ConnectionError("lost")

    def again() -> Operation[None]:
        """Use a new descriptor with the old number, and close it again."""
        near, far = socket.socketpair()
        if near.fileno() == pair.fd:
            near.detach()
        else:
            os.dup2(near.fileno(), pair.fd)
            near.close()
        with far:
            masks = yield from asking(Wait(pair.fd, READ, soon(0.02)))
            far.send(b"x")
            masks += yield from asking(Wait(pair.fd, READ))
            os.close(pair.fd)
        raise ConnectionError(masks)

    pair.far.send(b"x")
    first = [] if waits else [reading(pair)]
    lost, *more = world.play(*first, dies(), again(), again(), keep=keep)[-3:]
    assert lost.args == ("lost",)
    assert [error.args for error in more] == [([TIMEOUT, READ],)] * 2


def test_a_descriptor_may_be_closed_after_forget(world: World) -> None:
    for _ in range(3):
        pair = Pair()
        pair.far.send(b"x")
        assert world.play(reading(pair), keep=pair.fd) == [[READ]]
        pair.close()


@pytest.mark.parametrize("events", [READ, WRITE, READ | WRITE])
def test_a_closed_descriptor_ends_the_operation(
    world: World, pair: Pair, events: int
) -> None:
    def wait() -> Operation[None]:
        assert (yield Wait(fd, events)) == events
        os.read(fd, 1)

    fd = os.dup(pair.fd)
    os.close(fd)
    operation = wait()
    (error,) = world.play(operation)
    assert isinstance(error, OSError)
    assert operation.gi_frame is None  # type: ignore[attr-defined]


# -- errors and interruptions ----------------------------------------------------------


@pytest.mark.parametrize("waits", [0, 1])
def test_an_operations_error_comes_out(world: World, pair: Pair, waits: int) -> None:
    def fail() -> Operation[None]:
        yield from reading(pair, waits)
        raise LookupError("mine")

    pair.far.send(b"x")
    error, masks = world.play(fail(), reading(pair, 0), keep=pair.fd)
    assert isinstance(error, LookupError)
    assert error.__context__ is None
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert frames[-1] == "fail"
    assert "_clean_up" not in frames
    assert masks == []


def cleaning(
    wait: Wait, clean_up: Callable[[], Operation[object]], log: list[object]
) -> Operation[None]:
    """Wait without an end; when that is interrupted, do ``clean_up``."""
    try:
        while True:
            yield wait
    except GeneratorExit:
        log.append("closed")
        raise
    except BaseException as error:
        log.append(type(error))
        try:
            yield from clean_up()
        except GeneratorExit:
            log.append("closed")
            raise
        log.append("clean")
        raise


@pytest.fixture(params=["read", "write", "both", "pause", "sleep", "deadline"])
def waiting(request: pytest.FixtureRequest, pair: Pair) -> Wait:
    """All kinds of waits that do not end by themselves."""
    if request.param in ("write", "both"):
        pair.fill()
    return {
        "read": Wait(pair.fd, READ),
        "write": Wait(pair.fd, WRITE),
        "both": Wait(pair.fd, READ | WRITE),
        "pause": PAUSE,
        "sleep": Wait(-1, 0, soon(60)),
        "deadline": Wait(pair.fd, READ, soon(60)),
    }[request.param]


def test_an_interrupted_operation_cleans_up_and_waits(
    world: World, pair: Pair, other: Pair, waiting: Wait, keep: int
) -> None:
    log: list[object] = []

    def clean_up() -> Operation[None]:
        yield PAUSE
        yield Wait(other.fd, WRITE)
        yield from until(Wait(-1, 0, soon(0.01)))
        yield from until(Wait(other.fd, READ))
        log.append(other.read())
        log.append((yield from until(Wait(other.fd, READ, soon(0.01)))))
        yield from until(Wait(pair.fd, READ, soon(0.01)))

    operation = cleaning(waiting, clean_up, log)
    error = world.interrupt(operation, then=lambda: other.far.send(b"ok"), keep=keep)
    assert type(error) is world.interruption
    assert log == [world.interruption, b"ok", TIMEOUT, "clean"]


def test_an_interruption_comes_out_even_if_the_operation_returns(
    world: World, pair: Pair
) -> None:
    def returns() -> Operation[str]:
        try:
            yield Wait(pair.fd, READ)
        except BaseException:
            yield PAUSE
        return "done"

    assert type(world.interrupt(returns())) is world.interruption


def test_an_interruption_comes_out_even_if_the_clean_up_fails(
    world: World, pair: Pair
) -> None:
    def clean_up() -> Operation[None]:
        yield PAUSE
        raise LookupError("mine")

    log: list[object] = []
    error = world.interrupt(cleaning(Wait(pair.fd, READ), clean_up, log))
    assert type(error) is world.interruption
    assert isinstance(error.__context__, LookupError)
    assert log == [world.interruption]


def test_an_error_that_no_one_may_catch_by_accident_replaces_the_interruption(
    world: World, pair: Pair
) -> None:
    class Fatal(BaseException):
        pass

    def clean_up() -> Operation[None]:
        yield PAUSE
        raise Fatal

    assert type(world.interrupt(cleaning(Wait(pair.fd, READ), clean_up, []))) is Fatal


def test_a_second_interruption_waits_or_ends_it_at_once(
    world: World, pair: Pair, other: Pair
) -> None:
    def clean_up() -> Operation[None]:
        yield from until(Wait(other.fd, READ, soon(10)))
        log.append(other.read())

    log: list[object] = []
    error = world.interrupt(
        cleaning(Wait(pair.fd, READ), clean_up, log),
        times=2,
        then=(lambda: other.far.send(b"ok")) if world.shields else None,
    )
    assert type(error) is world.interruption
    cleaned = [b"ok", "clean"] if world.shields else ["closed"]
    assert log == [world.interruption, *cleaned]


def test_a_clean_up_that_cannot_wait_is_closed(
    world: World, pair: Pair, other: Pair
) -> None:
    def clean_up() -> Operation[None]:
        yield Wait(fd, READ, soon(10))
        os.read(fd, 1)

    fd = os.dup(pair.fd)
    os.close(fd)
    operation = cleaning(Wait(pair.fd, READ), clean_up, [])
    error = world.interrupt(operation)
    assert type(error) is world.interruption
    assert isinstance(error.__context__, OSError)
    assert operation.gi_frame is None  # type: ignore[attr-defined]
