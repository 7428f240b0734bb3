"""Get the sources that versions.toml pins, and believe nothing but their checksums.

Owns where the archives come from: the cache, else Debian's source packages where there
is apt, else the addresses in versions.toml. Knows nothing of how they are built.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PINS: Final = Path(__file__).with_name("versions.toml")

# Debian's release that has the pinned versions, and who signs it.
_SUITE: Final = "trixie"
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SECONDS: Final = 600


class SourceError(Exception):
    """A source could not be fetched, or is not the one that was pinned."""


@dataclass(frozen=True, slots=True)
class Source:
    """One pinned archive; its Debian package is empty if Debian has it not."""

    name: str
    version: str
    sha256: str
    archive: str
    package: str
    urls: tuple[str, ...]


def read_pins(path: Path = PINS) -> dict[str, Source]:
    """Return the pinned sources by name."""
    pins = {}
    for name, pin in tomllib.loads(path.read_text("utf-8")).items():
        version = pin["version"]
        pins[name] = Source(
            name,
            version,
            pin["sha256"],
            pin["archive"].format(version=version),
            pin.get("package", ""),
            tuple(url.format(version=version) for url in pin["urls"]),
        )
    return pins


def fetch(source: Source, cache: Path) -> Path:
    """Return the archive of a source, from the cache or fetched into it.

    Raises:
        SourceError: none of the places has it, or has it as it was pinned.
    """
    archive = cache / source.archive
    if _is_genuine(archive, source):
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    failures = []
    for place in [*(["Debian"] if source.package else []), *source.urls]:
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            try:
                if place == "Debian":
                    fetched = _from_debian(source, Path(folder))
                else:
                    fetched = _from_url(place, Path(folder))
            except (OSError, subprocess.SubprocessError, SourceError) as error:
                failures.append(f"{place}: {error}")
                continue
            if _is_genuine(fetched, source):
                return fetched.replace(archive)
            failures.append(f"{place}: another SHA-256 than {PINS.name} says")
    raise SourceError(
        "\n    ".join([f"{source.archive} could not be fetched:", *failures])
        + f"\nFetch it in another way and put it into {cache}."
    )


def unpack(archive: Path, target: Path, inner: str = "") -> Path:
    """Unpack an archive, or one folder that is in its top folder.

    Args:
        archive: a compressed tar file with one folder at its top.
        target: the folder to make.
        inner: a folder below the top one; nothing else is unpacked then.

    Returns:
        ``target``, with what was in the folder.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        # The checksum vouches for it, so its modes and links may be as they are.
        tar.extraction_filter = lambda member, path: member
        for member in tar:
            below = member.name.partition("/")[2]
            if inner and not below.startswith(f"{inner}/"):
                continue
            member.name = below.removeprefix(f"{inner}/") if inner else below
            if member.name:
                tar.extract(member, target)
    return target


def _is_genuine(archive: Path, source: Source) -> bool:
    try:
        with archive.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == source.sha256
    except FileNotFoundError:
        return False


def _from_url(url: str, folder: Path) -> Path:
    print(f"  fetching {url}", flush=True)
    target = folder / "archive"
    request = urllib.request.urlopen(url, timeout=_SECONDS)
    with request as answer, target.open("wb") as file:
        shutil.copyfileobj(answer, file)
    return target


def _from_debian(source: Source, folder: Path) -> Path:
    """Fetch the file of a source package that has the pinned checksum.

    A private configuration of apt: of the machine's own only the archives' addresses
    are taken, in whatever form it has them, and nothing of it is changed.
    """
    if shutil.which("apt-get") is None or not _KEYRING.is_file():
        raise SourceError("this machine has no apt with Debian's keys")
    (folder / "lists" / "partial").mkdir(parents=True)
    addresses = re.findall(
        r"^'(?!cdrom:)(\S+?)/dists/\S+/InRelease'",
        _run("apt-get", "--print-uris", "update"),
        re.MULTILINE,
    )
    (folder / "sources").write_text(
        "".join(
            f"deb-src [signed-by={_KEYRING}] {address} {_SUITE} main\n"
            for address in dict.fromkeys(addresses)
        )
    )
    (folder / "conf").write_text(
        f'Dir::Etc::SourceList "{folder}/sources";\nDir::Etc::SourceParts "-";\n'
        f'Dir::State::Lists "{folder}/lists";\nDir::Cache "{folder}";\n'
        'APT::Sandbox::User "root";\n#clear APT::Update;\n'
    )
    print(f"  fetching {source.archive} from Debian's source packages", flush=True)
    private = ("-c", str(folder / "conf"))
    # This fails if any archive lacks the release, but one that has it is enough.
    _run("apt-get", *private, "update", may_fail=True)
    for package in _run("apt-cache", *private, "showsrc", source.package).split("\n\n"):
        file = re.search(rf"^ {source.sha256} \d+ (\S+)$", package, re.MULTILINE)
        version = re.search(r"^Version: (\S+)$", package, re.MULTILINE)
        if file and version:
            wanted = f"{source.package}={version[1]}"
            options = ("--download-only", "--tar-only", "--only-source")
            _run("apt-get", *private, "source", *options, wanted, folder=folder)
            return folder / file[1]
    raise SourceError(f"{_SUITE} has no source package with the file that was pinned")


def _run(*command: str, folder: Path | None = None, may_fail: bool = False) -> str:
    """Run a program; return what it prints, or raise what it says of its failure."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS
    )
    if done.returncode and not may_fail:
        said = (done.stderr.strip() or "it says nothing").splitlines()[-1]
        raise SourceError(f"{' '.join(command[:1])} failed: {said}")
    return done.stdout
