"""Check built distributions: ``python check_dist.py FILE...``.

Owns what can be said of a file alone, whoever built it: its metadata, what is in a
wheel, and that the module for the limited API keeps to it. What an sdist has to have is
in tests/test_sdist.py.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: The oldest Python that there are wheels for.
OLDEST = "3.11"


def run(*command: str) -> None:
    """Run a tool; end with its output if it has found anything."""
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def check_limited_api(wheel: Path) -> None:
    """Let abi3audit look at ``mariadb_nb._ffi``, which is built for the limited API.

    The wheel as a whole is not, so abi3audit would not look into it. Free-threaded
    Python before 3.15 has no limited API.
    """
    free_threaded = wheel.name.split("-")[-2].endswith("t")
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        found = [
            name
            for name in archive.namelist()
            if name in ("mariadb_nb/_ffi.abi3.so", "mariadb_nb/_ffi.pyd")
        ]
        if len(found) != (not free_threaded):
            sys.exit(f"{wheel.name}: {found or 'no module'} for the limited API")
        for name in found:
            module = archive.extract(name, folder)
            options = ("--strict", "--assume-minimum-abi3", OLDEST)
            run(sys.executable, "-m", "abi3audit", *options, module)


def main(files: list[Path]) -> None:
    """Check them all; end at the first that is not as it should be."""
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
    for wheel in files:
        if wheel.suffix == ".whl":
            run(sys.executable, "-m", "check_wheel_contents", str(wheel))
            check_limited_api(wheel)
    print("Checked:", *(file.name for file in files), sep="\n  ")


if __name__ == "__main__":
    main([Path(name).resolve() for name in sys.argv[1:]] or sys.exit(__doc__))
