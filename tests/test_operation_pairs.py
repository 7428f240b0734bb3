"""Pairs of the C API in the form in which operations are driven."""

from __future__ import annotations

import pytest
from capi_support import Connect

from mariadb_nb.capi import ffi, lib, wait_for_mysql
from mariadb_nb.operations import Pair
from mariadb_nb.wait import READ


def test_pair_tells_a_result_from_a_wait(connector: Connect) -> None:
    mysql = connector()
    for sql, result in ((b"DO 1", 0), (b"no SQL", 1)):
        pair = Pair("mysql_real_query", mysql)
        outcome = pair.start(sql, len(sql))
        while outcome.__class__ is int:
            assert outcome == READ
            outcome = pair.resume(wait_for_mysql(mysql, outcome))
        assert outcome == (result,)


def test_pair_delivers_pointers(connector: Connect) -> None:
    mysql = connector()
    assert lib.mysql_real_query(mysql, b"SELECT 1", 8) == 0
    pair = Pair("mysql_store_result", mysql)
    outcome = pair.start()
    while outcome.__class__ is int:
        outcome = pair.resume(wait_for_mysql(mysql, outcome))
    (result,) = outcome
    assert ffi.typeof(result) is ffi.typeof("MYSQL_RES *")
    assert lib.mysql_num_rows(result) == 1
    lib.mysql_free_result(result)


def test_pair_that_there_is_not() -> None:
    with pytest.raises(AttributeError):
        Pair("mysql_nothing", ffi.NULL)


def test_two_operations_do_not_share_a_result(connector: Connect) -> None:
    one, two = connector(), connector()
    pairs = [Pair("mysql_real_query", mysql) for mysql in (one, two)]
    outcomes = [pairs[0].start(b"no SQL", 6), pairs[1].start(b"DO 1", 4)]
    for i, mysql in enumerate((one, two)):
        while outcomes[i].__class__ is int:
            outcomes[i] = pairs[i].resume(wait_for_mysql(mysql, outcomes[i]))
    assert outcomes == [(1,), (0,)]
