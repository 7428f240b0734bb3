"""Write what is generated from ``csrc/cdef`` and kept in the repository.

``python csrc/gen`` writes the stub and the reference page; with ``--check`` it
writes nothing, and exits with 1 if a file is not what it should be. The guard's
wrappers are not kept: ``build_ffi.py`` makes them at every build.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
if not __package__:
    sys.path.insert(0, str(ROOT / "csrc"))

from gen import declarations, reference, stubs  # noqa: E402

#: What to run when a file is out of date.
COMMAND = "python csrc/gen"


def generate(root: Path = ROOT) -> dict[Path, str]:
    """The text of each generated file."""
    declared = declarations.read()
    return {
        root / "mariadb_nb" / "_ffi.pyi": stubs.render(declared),
        root / "docs" / "reference.md": reference.render(declared),
    }


def drifted(files: Mapping[Path, str]) -> list[Path]:
    """The files that are missing or have another text."""
    return [
        path
        for path, text in files.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line.

    Returns:
        The exit status: 1 if ``--check`` found a difference.
    """
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail on a difference"
    )
    check = parser.parse_args(arguments).check
    files = generate(root)
    for path in (found := drifted(files)):
        name = path.relative_to(root).as_posix()
        if check:
            print(f"{name} is out of date; run: {COMMAND}", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
            print(f"{name} written")
    return int(check and bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
