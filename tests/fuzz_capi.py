"""Random sequences of C API calls: no crash, no hang, and no row of another query.

``python fuzz_capi.py [SECONDS] [FIRST_SEED]`` starts a server and runs seeds, each in
a process of its own, over unix socket, TCP and TLS. It owns time and processes;
what a seed does is in fuzz_steps.py.
"""

from __future__ import annotations

import faulthandler
import os
import random
import subprocess
import sys
import time
from typing import Final

from fuzz_steps import WEIGHTS, Fuzzer
from server_place import environment

from mariadb_nb.server import TemporaryServer

STEPS: Final = 400
#: Seconds for one seed: what waits here would wait for ever.
TIME_LIMIT: Final = 20
TRANSPORTS: Final = ("unix", "tcp", "tls")


def run(seed: int, transport: str) -> None:
    """The steps of one seed; each call is told before it is made."""
    fuzzer = Fuzzer(seed, transport)
    faulthandler.dump_traceback_later(TIME_LIMIT - 2, exit=True)
    steps = fuzzer.random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STEPS)
    for step in steps:
        step(fuzzer)


def run_apart(seed: int, server: TemporaryServer) -> str:
    """Run a seed in a process of its own; returns what went wrong, or nothing."""
    transport = TRANSPORTS[seed % len(TRANSPORTS)]
    command = [sys.executable, __file__, "--one", str(seed), transport]
    done = subprocess.run(
        command,
        env=environment(server),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    told = done.stdout.decode(errors="replace")
    return f"seed {seed} {transport}: {done.returncode}\n{told}" * (
        done.returncode != 0
    )


def main() -> int:
    """Run seeds until the time is over; returns how many failed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    first = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
    seed, failed = first, 0
    with TemporaryServer() as server:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if wrong := run_apart(seed, server):
                failed += 1
                print(wrong, flush=True)
            seed += 1
    print(f"{seed - first} seeds from {first}, {failed} failed")
    return min(failed, 100)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        faulthandler.enable()
        run(int(sys.argv[2]), sys.argv[3])
        sys.stdout.flush()
        os._exit(0)
    sys.exit(main())
