"""Measuring again: one good attempt is enough, and without one the test fails."""

from __future__ import annotations

import pytest
from attempts import ATTEMPTS, attempts


def test_the_first_good_attempt_is_the_last() -> None:
    numbers = []
    for attempt in attempts(0.5):
        numbers.append(attempt.number)
        attempt.measured = 0.5 if attempt.number == 2 else 0.6
    assert numbers == [0, 1, 2]


def measure(*results: float) -> None:
    for attempt in attempts(0.5):
        if attempt.number < len(results):
            attempt.measured = results[attempt.number]


def test_without_a_good_attempt_it_fails_and_tells_them_all() -> None:
    with pytest.raises(AssertionError, match=", ".join(["0.6"] * ATTEMPTS)):
        measure(*[0.6] * ATTEMPTS)


def test_an_attempt_that_measures_nothing_is_not_good() -> None:
    with pytest.raises(AssertionError, match="inf"):
        measure()
