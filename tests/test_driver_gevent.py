"""In a process that gevent has patched, plain ``connect`` waits as a greenlet does."""

from __future__ import annotations

import subprocess
import sys

from server_place import environment

from mariadb_nb.server import TemporaryServer

#: Each greenlet waits for a lock that the next one holds. Whoever blocks the process
#: in a wait of the first one never comes to the end.
SCRIPT = """
from gevent import monkey
monkey.patch_all()
import gevent, threading
import mariadb_nb
from server_place import place

server = place()
def connect():
    return mariadb_nb.connect(
        unix_socket=server.socket, user="root", database="test", autocommit=True
    )

connections = [connect() for _ in range(4)]
for number, conn in enumerate(connections):
    conn.execute("DO GET_LOCK(?, 10)", (f"patched {number}",))

def work(number):
    conn = connections[number]
    if number:
        cur = conn.execute("SELECT GET_LOCK(?, 20)", (f"patched {number - 1}",))
        assert cur.fetchone() == (1,)
    conn.execute("DO RELEASE_LOCK(?)", (f"patched {number}",))
    return number

# The first one, which frees the others, runs last.
with gevent.Timeout(30):
    tasks = [gevent.spawn(work, number) for number in (3, 2, 1, 0)]
    assert [task.get() for task in tasks] == [3, 2, 1, 0]
    # A thread is a greenlet here.
    seen = []
    def ask():
        with connect() as conn:
            seen.append(conn.execute("SELECT 'thread'").fetchone())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert seen == [("thread",)]
    # A killed greenlet leaves a connection that works.
    victim = gevent.spawn(connections[0].execute, "SELECT SLEEP(20)")
    watch = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE ?"
    while connections[1].execute(watch, ("SELECT SLEEP(20)%",)).fetchone() == (0,):
        pass
    victim.kill()
    assert connections[0].execute("SELECT 'a secret'").fetchone() == ("a secret",)
for conn in connections:
    conn.close()
print("done")
"""


def test_patched_process(mariadb_server: TemporaryServer) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env={
            **environment(mariadb_server),
            "PYTHONPATH": ":".join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
