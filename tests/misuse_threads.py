"""Several threads on one handle; a case each.

Run in a process of its own by test_misuse.py, like misuse_cases.py.
"""

from __future__ import annotations

import os
import socket
import threading

from capi_support import error, rows, unpack
from case_table import Cases
from misuse_cases import OUT_OF_SYNC, at_once, connect

from mariadb_nb.capi import ffi, lib

CASES = Cases()


@CASES
def two_threads_on_one_handle(transport: str) -> None:
    mysql, other = connect(transport), connect(transport)
    thread_id = lib.mysql_thread_id(mysql)
    outcome: list[int] = []
    lock = f"thread_{os.getpid()}"
    assert rows(other, f"SELECT GET_LOCK('{lock}', 0)") == [(b"1",)]
    sql = f"SELECT GET_LOCK('{lock}', 60), 'of the first'".encode()

    def first() -> None:
        outcome.append(lib.mysql_real_query(mysql, sql, len(sql)))

    thread = threading.Thread(target=first)
    thread.start()
    while not rows(
        other,
        f"SELECT 1 FROM information_schema.processlist "
        f"WHERE id = {thread_id} AND info LIKE '%of the first%'",
    ):
        pass
    with at_once():
        assert lib.mysql_query(mysql, b"SELECT 'of the second'") != 0
        assert lib.mysql_errno(mysql) == OUT_OF_SYNC
        assert b"another thread" in ffi.string(lib.mysql_error(mysql))
        assert lib.mysql_thread_id(mysql) == thread_id
        assert lib.mysql_get_socket(mysql) >= 0
        lib.mysql_close(mysql)
        assert lib.mysql_errno(mysql) == OUT_OF_SYNC
    assert rows(other, f"SELECT RELEASE_LOCK('{lock}')") == [(b"1",)]
    thread.join()
    assert outcome == [0]
    result = lib.mysql_store_result(mysql)
    assert unpack(result, lib.mysql_fetch_row(result)) == (b"1", b"of the first")
    lib.mysql_free_result(result)
    for handle in (mysql, other):
        lib.mysql_close(handle)


@CASES
def cancel_from_another_thread(transport: str) -> None:
    mysql = connect(transport)
    outcome: list[tuple[int, int]] = []
    started = threading.Event()

    def first() -> None:
        started.set()
        failed = lib.mysql_query(mysql, b"SELECT SLEEP(30)")
        outcome.append((failed, lib.mysql_errno(mysql)))

    thread = threading.Thread(target=first)
    thread.start()
    started.wait()
    while thread.is_alive():
        assert lib.mariadb_cancel(mysql) in (-1, 1)
        thread.join(0.05)
    ((failed, number),) = outcome
    assert failed
    assert number in (
        lib.CR_SERVER_LOST,
        lib.CR_SERVER_GONE_ERROR,
        lib.CR_SSL_CONNECTION_ERROR,
    )
    lib.mysql_close(mysql)


@CASES
def cancel_of_a_number_that_is_anothers(transport: str) -> None:
    """Also in a forked child: what has the socket's number now is left alone."""
    mysql = connect(transport)
    fd = lib.mysql_get_socket(mysql)
    saved = os.dup(fd)
    mine, peer = socket.socketpair()
    os.dup2(mine.fileno(), fd)
    assert lib.mariadb_cancel(mysql) == 1
    child = os.fork()
    if child == 0:
        os._exit(0 if os.fstat(fd) == os.fstat(mine.fileno()) else 1)
    assert os.waitpid(child, 0)[1] == 0
    mine.send(b"alive")
    assert peer.recv(5) == b"alive"
    os.dup2(saved, fd)
    assert rows(mysql, "SELECT 'same socket again'") == [(b"same socket again",)]
    assert lib.mariadb_cancel(mysql) == -1
    lib.mysql_close(mysql)


@CASES
def many_threads_on_one_handle(transport: str) -> None:
    mysql = connect(transport)
    wrong: list[object] = []
    answered = [0] * 4

    def hammer(me: int) -> None:
        for turn in range(3000):
            secret = f"{me}:{turn}".encode()
            sql = b"SELECT '" + secret + b"'"
            if lib.mysql_real_query(mysql, sql, len(sql)) != 0:
                if lib.mysql_errno(mysql) != OUT_OF_SYNC:
                    wrong.append(error(mysql))
                continue
            while (result := lib.mysql_store_result(mysql)) == ffi.NULL:
                if "another thread" not in error(mysql):
                    wrong.append(error(mysql))
                    return
            found = unpack(result, lib.mysql_fetch_row(result))
            if found != (secret,):
                wrong.append((secret, found))
            answered[me] += 1
            lib.mysql_free_result(result)

    threads = [threading.Thread(target=hammer, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    assert sum(answered) > 0
    assert rows(mysql, "SELECT 'alive'") == [(b"alive",)]
    lib.mysql_close(mysql)


if __name__ == "__main__":
    CASES.main()
