"""Pipelines of anything, ended anywhere: each answer is that of its own statement."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from channel_support import Wire, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from mariadb_nb.errors import DataError, Error
from mariadb_nb.rows import make_reading
from mariadb_nb.server import TemporaryServer

READING = make_reading(invalid_dates="error")

#: What a statement is made of, by its number, and what each of its replies has: the
#: rows, None, or the number of an error.
KINDS: dict[str, tuple[str, Any]] = {
    "one": ("SELECT {0}", lambda n: [[(n,)]]),
    "none": ("SELECT {0} WHERE FALSE", lambda n: [[]]),
    "do": ("DO {0}", lambda n: [None]),
    "rows": (
        "SELECT {0}, seq FROM seq_1_to_400",
        lambda n: [[(n, seq) for seq in range(1, 401)]],
    ),
    "long text": ("SELECT {0}, '" + "x" * 9000 + "'", lambda n: [[(n, "x" * 9000)]]),
    "longer text": (
        "SELECT {0}, '" + "y" * 70_000 + "'",
        lambda n: [[(n, "y" * 70_000)]],
    ),
    "long row": ("SELECT {0}, REPEAT('z', 70000)", lambda n: [[(n, "z" * 70_000)]]),
    "several": (
        "SELECT {0}; DO 1; SELECT {0} + 1",
        lambda n: [[(n,)], None, [(n + 1,)]],
    ),
    "date": (
        "SELECT DATE '2024-01-31', {0}",
        lambda n: [[(datetime.date(2024, 1, 31), n)]],
    ),
    "bad date": ("SELECT {0}, CAST('0000-00-00' AS DATE)", lambda n: DataError),
    "no table": ("SELECT {0} FROM nosuch", lambda n: 1146),
    "no sense": ("nonsense {0}", lambda n: 1064),
    "late error": ("SELECT {0}; SELECT 1 FROM nosuch", lambda n: 1146),
    "error behind rows": (
        "SELECT IF(seq = 99, (SELECT 1 UNION SELECT {0}), seq) FROM seq_2_to_100",
        lambda n: 1242,
    ),
}


@pytest.fixture(scope="module", params=["unix", "tcp", "tls"])
def wire(
    request: pytest.FixtureRequest, mariadb_server: TemporaryServer
) -> Iterator[Wire]:
    """A connection over each transport."""
    with opened(mariadb_server, request.param) as made:
        yield made


def found(answer: Any) -> Any:
    """What an answer is, as ``KINDS`` has it."""
    if isinstance(answer, list):
        return [reply.rows for reply in answer]
    assert isinstance(answer, Error)
    return answer.errno or type(answer)


@settings(max_examples=60)
@given(
    kinds=st.lists(st.sampled_from(sorted(KINDS)), max_size=60),
    waits=st.one_of(st.none(), st.integers(0, 30)),
)
def test_each_answer_is_that_of_its_statement(
    wire: Wire, kinds: list[str], waits: int | None
) -> None:
    answers: list[Any] = []
    texts = [KINDS[kind][0].format(n).encode() for n, kind in enumerate(kinds, 7)]
    outcome = wire.channel.pipeline(texts, READING, answers)
    if waits is None:
        assert wire.finish(outcome) is None
        assert len(answers) == len(kinds)
    elif wire.go(outcome, waits) is not None:
        assert wire.finish(wire.channel.discard()) is None
        assert len(answers) < len(kinds)
    for number, (kind, answer) in enumerate(zip(kinds, answers, strict=False), 7):
        assert found(answer) == KINDS[kind][1](number), kind
    wire.works()
