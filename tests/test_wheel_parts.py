"""What wheels are made of: pinned sources, and what a finished one has to have."""

from __future__ import annotations

import hashlib
import re
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import one_wheel
import pytest

import bundle
import sources

GOOD = "mariadb_nb-1.0-cp311-cp311-manylinux_2_26_x86_64.manylinux_2_28_x86_64.whl"
INFO = "mariadb_nb-1.0.dist-info"
BILL = f"{INFO}/sboms/libmariadb.cdx.json"


def source(published: Path, content: bytes) -> sources.Source:
    """A pinned source whose content is published in a file."""
    published.write_bytes(content)
    checksum = hashlib.sha256(content).hexdigest()
    return sources.Source("it", "1.0", checksum, "it.tar.gz", "", (published.as_uri(),))


def test_every_source_is_pinned() -> None:
    pins = sources.read_pins()
    assert pins.keys() == {"mariadb", "openssl", "zstd"}
    for pin in pins.values():
        assert re.fullmatch(r"[0-9a-f]{64}", pin.sha256)
        assert pin.version in pin.archive
        # The name of a file that is kept by its checksum is that checksum.
        assert all(
            pin.version in url or re.search(r"/file/[0-9a-f]{40}$", url)
            for url in pin.urls
        )
        assert all(url.startswith("https://") for url in pin.urls)


def test_every_tool_is_pinned() -> None:
    lines = one_wheel.REQUIREMENTS.read_text().splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    assert wanted
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in wanted)


def test_a_source_is_fetched_once(tmp_path: Path) -> None:
    published = tmp_path / "published"
    pin = source(published, b"what was pinned")
    archive = sources.fetch(pin, tmp_path / "cache")
    assert archive.read_bytes() == b"what was pinned"
    published.unlink()
    assert sources.fetch(pin, tmp_path / "cache") == archive


def test_a_source_with_another_checksum_is_refused(tmp_path: Path) -> None:
    published = tmp_path / "published"
    pin = source(published, b"what was pinned")
    published.write_bytes(b"what somebody else put there")
    with pytest.raises(sources.SourceError, match="another SHA-256") as caught:
        sources.fetch(pin, tmp_path / "cache")
    assert "put it into" in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_spoilt_file_in_the_cache_is_fetched_anew(tmp_path: Path) -> None:
    pin = source(tmp_path / "published", b"what was pinned")
    archive = sources.fetch(pin, tmp_path)
    archive.write_bytes(b"spoilt")
    assert sources.fetch(pin, tmp_path).read_bytes() == b"what was pinned"


def test_where_a_source_was_looked_for_is_said(tmp_path: Path) -> None:
    pin = source(tmp_path / "published", b"")
    gone = replace(pin, urls=("file:///nonexistent/1", "file:///nonexistent/2"))
    with pytest.raises(sources.SourceError) as caught:
        sources.fetch(gone, tmp_path / "cache")
    assert all(url in str(caught.value) for url in gone.urls)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [("", {"README", "library", "library/a.c"}), ("library", {"a.c"})],
)
def test_unpacking(tmp_path: Path, inner: str, expected: set[str]) -> None:
    top = tmp_path / "it-1.0"
    (top / "library").mkdir(parents=True)
    (top / "README").touch()
    (top / "library" / "a.c").touch()
    with tarfile.open(tmp_path / "it.tar.gz", "w:gz") as archive:
        archive.add(top, top.name)
    target = sources.unpack(tmp_path / "it.tar.gz", tmp_path / "target", inner)
    found = {str(path.relative_to(target)) for path in target.rglob("*")}
    assert found == expected


def make_wheel(folder: Path, name: str, changes: Mapping[str, bytes | None]) -> Path:
    """A file like a finished wheel, with changes; None leaves a file out."""
    usual: dict[str, bytes | None] = {
        "mariadb_nb.libs/libmariadb-0123.so.3": b"",
        f"{INFO}/METADATA": b"",
        BILL: b"",
        **{f"{INFO}/licenses/{text}": b"" for text in ("LICENSE", *bundle.LICENSES)},
    }
    with zipfile.ZipFile(folder / name, "w") as archive:
        for path, content in {**usual, **changes}.items():
            if content is not None:
                archive.writestr(path, content)
    return folder / name


def test_a_good_wheel(tmp_path: Path) -> None:
    one_wheel.check(make_wheel(tmp_path, GOOD, {}))
    musl = "mariadb_nb-1.0-cp311-cp311-musllinux_1_2_aarch64.whl"
    one_wheel.check(make_wheel(tmp_path, musl, {}))


@pytest.mark.parametrize(
    ("name", "changes", "complaint"),
    [
        ("mariadb_nb-1.0-cp311-cp311-manylinux_2_34_x86_64.whl", {}, "newer systems"),
        ("mariadb_nb-1.0-cp311-cp311-linux_x86_64.whl", {}, "newer systems"),
        (GOOD, {"large": bytes(one_wheel.LARGEST)}, "bytes"),
        (GOOD, {"mariadb_nb.libs/libssl-0123.so.3": b""}, "not one libmariadb"),
        (GOOD, {f"{INFO}/licenses/openssl-LICENSE.txt": None}, "openssl-LICENSE"),
        (GOOD, {BILL: None}, "no bill of materials"),
    ],
)
def test_a_bad_wheel_is_refused(
    tmp_path: Path, name: str, changes: dict[str, bytes | None], complaint: str
) -> None:
    bad = make_wheel(tmp_path, name, changes)
    with pytest.raises(one_wheel.WheelError, match=complaint):
        one_wheel.check(bad)
