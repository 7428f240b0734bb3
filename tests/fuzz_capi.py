"""Random sequences of C API calls: no crash, no hang, and no row of another query.

``python fuzz_capi.py [--seconds N | --seeds N] [--first SEED]`` starts a server and
runs seeds, each in a process of its own, over unix socket, TCP and TLS. It owns
processes, and what is told of those that fail or hang; what a seed does is in
fuzz_steps.py.
"""

from __future__ import annotations

import argparse
import faulthandler
import fcntl
import os
import random
import subprocess
import sys
import termios
import threading
import time
from array import array
from typing import Final, NoReturn

from capi_support import connect, rows
from fuzz_steps import WEIGHTS, Fuzzer
from server_place import environment, place

from mariadb_nb.capi import ffi, lib
from mariadb_nb.server import TemporaryServer

STEPS: Final = 400
#: Seconds for one step, which takes milliseconds: what waits longer waits for ever.
TIME_LIMIT: Final = 30
TRANSPORTS: Final = ("unix", "tcp", "tls")


def run(seed: int, transport: str) -> None:
    """The steps of one seed; each call is told before it is made."""
    fuzzer = Fuzzer(seed, transport)
    threading.Thread(target=watch, args=(fuzzer,), daemon=True).start()
    steps = fuzzer.random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STEPS)
    for step in steps:
        step(fuzzer)
        fuzzer.steps += 1


def watch(fuzzer: Fuzzer) -> None:
    """End the process, and tell what can be known, when a step does not end."""
    seen = -1
    while fuzzer.steps != seen:
        seen = fuzzer.steps
        # Should a call keep the interpreter, this thread cannot tell anything.
        faulthandler.dump_traceback_later(3 * TIME_LIMIT, exit=True)
        time.sleep(TIME_LIMIT)
    tell_hang(fuzzer)


def tell_hang(fuzzer: Fuzzer) -> NoReturn:
    """Tell who waits for whom, as the server sees it and as the socket does."""
    number, fd = lib.mysql_thread_id(fuzzer.mysql), lib.mysql_get_socket(fuzzer.mysql)
    print(f"hangs in step {fuzzer.steps} on connection {number}:", flush=True)
    faulthandler.dump_traceback(sys.stdout)
    if fd >= 0:
        unread = array("i", [0])
        fcntl.ioctl(fd, termios.FIONREAD, unread)
        print(f"{unread[0]} bytes have come and have not been read", flush=True)
    for row in rows(connect(place()), "SHOW FULL PROCESSLIST"):
        print(*row, flush=True)
    os._exit(1)


def run_apart(seed: int, server: TemporaryServer) -> bool:
    """Run a seed in a process of its own; tells all about it if it fails."""
    transport = TRANSPORTS[seed % len(TRANSPORTS)]
    command = [sys.executable, __file__, "--one", str(seed), transport]
    done = subprocess.run(
        command,
        env=environment(server),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        result = f"seed {seed} over {transport} ended with {done.returncode}"
        told = done.stdout.decode(errors="replace")
        print(f"{result}:\n{told}{result}", flush=True)
    return done.returncode == 0


def main() -> int:
    """Run seeds, as many or as long as is asked for; returns how many failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=60)
    length.add_argument("--seeds", type=int)
    parser.add_argument("--first", type=int, default=random.randrange(1 << 30))
    asked = parser.parse_args()
    library = ffi.string(lib.mysql_get_client_info()).decode()
    print(f"Seeds from {asked.first}, on Connector/C {library}", flush=True)
    seed, failed = asked.first, []
    with TemporaryServer() as server:
        end = time.monotonic() + asked.seconds
        while (
            seed < asked.first + asked.seeds
            if asked.seeds is not None
            else time.monotonic() < end
        ):
            if not run_apart(seed, server):
                failed.append(seed)
            seed += 1
    print(
        f"{seed - asked.first} seeds from {asked.first} on Connector/C {library}:",
        f"failed: {failed}" if failed else "none failed",
    )
    return min(len(failed), 100)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        faulthandler.enable(sys.stdout)
        run(int(sys.argv[2]), sys.argv[3])
        sys.stdout.flush()
        os._exit(0)
    sys.exit(main())
