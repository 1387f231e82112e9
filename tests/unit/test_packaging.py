"""What is installed: the lock is that of pyproject.toml, and a wheel carries its resources."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from wheel import RESOURCES, ROOT, build_wheel, source_copy


def pins(lines: list[str]) -> set[tuple[str, str]]:
    """(normalized name, version) of `name==version` lines, comments left out."""
    pinned = (line.split("==") for line in lines if not line.startswith("#"))
    return {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in pinned}


def test_the_lock_has_every_direct_dependency_at_its_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = pins(project["dependencies"] + project["optional-dependencies"]["dev"])
    locked = pins((ROOT / "requirements.lock").read_text().splitlines())
    assert direct - locked == set()
    assert len({name for name, _ in locked}) == len(locked)


def test_the_lock_names_no_place_to_get_it_from() -> None:
    assert re.search(r"https?:|file:|--|@", (ROOT / "requirements.lock").read_text()) is None


def test_a_wheel_brings_its_resources(tmp_path: Path) -> None:
    source = source_copy(tmp_path)
    # A file of an earlier build that has no source any more.
    stale = source / "build" / "lib" / "pipeline" / "_resources" / "firmware" / "stale.c"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    wheel = build_wheel(source, tmp_path)
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    assert not list(unpacked.rglob("stale.c"))
    for name in RESOURCES:
        original = ROOT / name
        files = [path for path in original.rglob("*") if path.is_file()] or [original]
        for path in files:
            relative = path.relative_to(ROOT)
            if not {"__pycache__", ".pio"} & set(relative.parts):
                assert (unpacked / "pipeline" / "_resources" / relative).is_file(), relative
    where = (
        "from pipeline import boards, resources\n"
        "print(boards.__file__, *map(resources.resource, ('firmware', 'platformio.ini')))\n"
        "assert boards.board('nano33ble_sim')"
    )
    # Isolated from the checkout: only the wheel's folder is added to the path.
    code = f"import sys; sys.path.insert(0, {str(unpacked)!r})\n{where}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(place.startswith(str(unpacked)) for place in done.stdout.split())
