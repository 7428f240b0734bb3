"""What it costs to have each driver: on the disk, in memory, at import.

    python -m benchmarks.footprint [WHEEL]

It runs in the environment of requirements.txt. With a wheel of ours it makes an
environment of its own for that, and measures what is installed from it; without one it
measures what is there. Each import is in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.progress import track

#: How often each is imported.
ROUNDS: Final = 15

#: Runs in the process that is measured, with the module's name.
MEASURE: Final = """\
import json, os, sys, time
page = os.sysconf("SC_PAGESIZE")
def resident():
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * page
before, begun = resident(), time.perf_counter()
__import__(sys.argv[1], fromlist=["connect"])
seconds = time.perf_counter() - begun
print(json.dumps([seconds, resident() - before]))
"""

#: Runs in the environment that is measured, with the names of its distributions.
SIZES: Final = """\
import json, sys
from importlib import metadata
print(json.dumps({
    name: [metadata.version(name), sum(
        path.stat().st_size for file in metadata.files(name) or ()
        if (path := file.locate()).is_file() and path.suffix != ".pyc"
    )] for name in sys.argv[1:]
}))
"""


class Driver(NamedTuple):
    """What is measured.

    Attributes:
        module: what a program imports.
        distributions: what has to be installed for it.
    """

    module: str
    distributions: tuple[str, ...]


OURS: Final = Driver("mariadb_nb", ("mariadb-nb", "cffi", "pycparser"))
PEERS: Final = (
    Driver("mariadb", ("mariadb", "mariadb-binary")),
    Driver("MySQLdb", ("mysqlclient",)),
    Driver("asyncmy", ("asyncmy",)),
    Driver("pyro_mysql", ("pyro-mysql",)),
    Driver("pymysql", ("PyMySQL",)),
    Driver("aiomysql", ("aiomysql", "PyMySQL")),
)


class Cost(NamedTuple):
    """What a driver costs.

    Attributes:
        name: of its first distribution, with the version.
        disk: bytes of all that is installed for it.
        seconds: that ``import`` takes, the median.
        memory: bytes by which it makes the process larger, the median.
    """

    name: str
    disk: int
    seconds: float
    memory: int


def ask(python: str, program: str, *arguments: str) -> Any:
    """What a program prints as JSON, run far from the sources of this project."""
    done = subprocess.run(
        [python, "-I", "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    return json.loads(done.stdout)


def cost(python: str, driver: Driver) -> Cost:
    """Measure a driver in an environment that has it."""
    sizes = ask(python, SIZES, *driver.distributions)
    first = driver.distributions[0]
    runs = [ask(python, MEASURE, driver.module) for _ in range(ROUNDS)]
    return Cost(
        f"{first} {sizes[first][0]}",
        sum(size for _, size in sizes.values()),
        statistics.median(seconds for seconds, _ in runs),
        int(statistics.median(memory for _, memory in runs)),
    )


def costs(ours: str) -> list[Cost]:
    """Measure all; ``ours`` is the interpreter that has our package."""
    measured = [cost(ours, OURS)]
    for driver in track(PEERS, "drivers", transient=True, console=Console(stderr=True)):
        try:
            measured.append(cost(sys.executable, driver))
        except subprocess.CalledProcessError:
            print(f"{driver.module} is not installed: see requirements.txt")
    return measured


def show(measured: list[Cost]) -> None:
    """Print it, as a table of Markdown."""
    print("| | on disk | `import` | memory |\n|---|---|---|---|")
    for one in measured:
        print(
            f"| {one.name} | {one.disk / 1e6:.1f} MB | {one.seconds * 1e3:.0f} ms "
            f"| {one.memory / 1e6:.1f} MB |"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.footprint", description=__doc__
    )
    parser.add_argument("wheel", nargs="?", type=Path, help="of ours")
    wheel = parser.parse_args().wheel
    if wheel is None:
        show(costs(sys.executable))
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True)
        show(costs(python))


if __name__ == "__main__":
    main()
