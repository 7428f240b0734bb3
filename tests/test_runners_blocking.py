"""The runners that block the thread: signals above all."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest
from runner_worlds import LONG, Pair, cleaning, python, reading, until

from mariadb_nb.runners.poll import PollRunner, SelectRunner
from mariadb_nb.wait import EXCEPT, READ, TIMEOUT, WRITE, Operation, Wait

pytest_plugins = ["runner_fixtures"]
pytestmark = pytest.mark.parametrize("kind", [PollRunner, SelectRunner])

Kind = type[PollRunner | SelectRunner]


@pytest.fixture
def alarm() -> Iterator[None]:
    """A SIGALRM that a test sets does not outlive it."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_a_signal_whose_handler_returns_does_not_end_a_wait(
    kind: Kind, pair: Pair
) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        calls.append(number)
        if len(calls) == 3:
            pair.far.send(b"x")

    calls: list[int] = []
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    assert kind().run(reading(pair)) == [READ]
    assert len(calls) >= 3


def ring() -> None:
    """Have SIGALRM come soon: called where it may come from now on."""
    signal.setitimer(signal.ITIMER_REAL, 0.02)


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("error", [TimeoutError, SystemExit])
def test_what_a_signal_handler_raises_interrupts(
    kind: Kind, pair: Pair, error: type[BaseException]
) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        raise error("mine")

    log: list[object] = []
    signal.signal(signal.SIGALRM, handle)
    with pytest.raises(error, match="mine"):
        kind().run(cleaning(pair, log, begin=ring))
    assert log == ["started", "clean"]


@pytest.mark.usefixtures("alarm")
def test_an_ordinary_error_gives_way_to_what_the_clean_up_raises(
    kind: Kind, pair: Pair
) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    def fail() -> Operation[None]:
        try:
            ring()
            yield from until(Wait(pair.fd, READ))
        except TimeoutError:
            yield from until(Wait(pair.fd, WRITE))
            raise LookupError from None

    signal.signal(signal.SIGALRM, handle)
    with pytest.raises(LookupError) as raised:
        kind().run(fail())
    assert isinstance(raised.value.__context__, TimeoutError)


def test_urgent_data_is_an_exceptional_event(kind: Kind) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as near,
        server.accept()[0] as far,
    ):
        runner = kind()
        wait = Wait(near.fileno(), READ | EXCEPT, time.monotonic() + LONG)
        far.send(b"!", socket.MSG_OOB)
        assert runner.run(until(wait)) == EXCEPT
        assert near.recv(1, socket.MSG_OOB) == b"!"
        far.send(b"x")
        assert runner.run(until(wait)) & READ


def test_it_works_in_any_thread(kind: Kind, pair: Pair) -> None:
    masks: list[int] = []

    def late() -> None:
        masks.append(runner.run(until(Wait(pair.fd, READ, time.monotonic() + 0.02))))

    runner = kind()
    thread = threading.Thread(target=late)
    thread.start()
    thread.join()
    pair.far.send(b"x")
    assert masks + runner.run(reading(pair)) == [TIMEOUT, READ]


CHILD = """
import signal, socket
from mariadb_nb.runners.poll import {kind}
from mariadb_nb.wait import READ, WRITE, Wait

# What runs in the background of a shell has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
near, far = socket.socketpair()
stage, told = "waiting", ""

def tell(wait):
    global told
    if told != stage:
        told = stage
        print(stage, flush=True)
    return wait

def query():
    global stage
    try:
        while True:
            yield tell(Wait(near.fileno(), READ))
    except KeyboardInterrupt:
        stage = "cleaning"
        try:
            {cleaning}
            while not (yield tell(Wait(near.fileno(), READ))):
                pass
        except (GeneratorExit, KeyboardInterrupt):  # or it came before the wait
            print("closed")
            raise
        print(near.recv(10).decode())
        raise

def again():
    global stage
    stage = "again"
    far.send(b"usable")
    yield tell(Wait(near.fileno(), WRITE))
    return near.recv(10).decode()

runner = {kind}()
try:
    runner.run(query())
except KeyboardInterrupt as error:
    print(type(error).__name__, "after", type(error.__context__).__name__)
print(runner.run(again()))
"""


def test_ctrl_c_interrupts(kind: Kind) -> None:
    code = CHILD.format(kind=kind.__name__, cleaning="far.send(b'killed')")
    with python(code) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "waiting\n"
            child.send_signal(signal.SIGINT)
            told, _ = child.communicate(timeout=LONG)
        finally:
            child.kill()
    assert told.split("\n") == [
        "cleaning",
        "killed",
        "KeyboardInterrupt after NoneType",
        "again",
        "usable",
        "",
    ]


def test_a_second_ctrl_c_ends_it_at_once(kind: Kind) -> None:
    with python(CHILD.format(kind=kind.__name__, cleaning="pass")) as child:
        try:
            assert child.stdout is not None
            for stage in ("waiting\n", "cleaning\n"):
                assert child.stdout.readline() == stage
                child.send_signal(signal.SIGINT)
            told, _ = child.communicate(timeout=LONG)
        finally:
            child.kill()
    assert told.split("\n") == [
        "closed",
        "KeyboardInterrupt after KeyboardInterrupt",
        "again",
        "usable",
        "",
    ]
