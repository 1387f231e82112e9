"""Writes a package as a folder and as an archive: whole or not at all, and over nothing foreign."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.store import json_text, sha256_hex, write_if_changed

RECORD = "export.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that a .zip knows


def recorded(files: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, str]:
    """The files with a record of themselves, by which a later export knows them again."""
    hashes = {path: sha256_hex(text.encode()) for path, text in sorted(files.items())}
    return {**files, RECORD: json_text({**facts, "files": hashes})}


def write_package(folder: Path, files: Mapping[str, str]) -> None:
    """Puts `files` into `folder` in place of those of an earlier export; a build there stays.

    Raises:
        PipelineError: the folder is not empty and no export's, or a file of the export was changed
            since or would replace another; or it cannot be written.
    """
    folder = folder.resolve()
    beside, before = (folder.with_name(f".{folder.name}.{end}") for end in ("part", "before"))
    if before.is_dir() and not folder.exists():
        before.rename(folder)  # an earlier export was killed between its two renames
    kept = _kept(folder, files)
    try:
        for leaving in (beside, before):
            shutil.rmtree(leaving, ignore_errors=True)
        for path, text in files.items():
            place = beside / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        for other in kept:
            place = beside / other.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(other, place, follow_symlinks=False)
        if folder.exists():
            folder.rename(before)
        beside.rename(folder)
        shutil.rmtree(before, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise PipelineError(f"export: {folder} cannot be written: {error.strerror}") from error


def require_replaceable(archive: Path) -> None:
    """Raises PipelineError where a file of that name is no archive of an export."""
    if archive.exists() and not _is_export(archive):
        raise PipelineError(f"export: {archive} exists and was not exported", "move it away")


def write_archive(path: Path, top: str, files: Mapping[str, str]) -> None:
    """Writes a .zip with all files below the folder `top`; equal files give equal archives."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(f"{top}/{name}", _EPOCH)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, files[name])
    write_if_changed(path, buffer.getvalue())


def _kept(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """What lies in the folder and is of no export. Raises PipelineError as `write_package`."""
    present = sorted(path for path in folder.rglob("*") if not path.is_dir())
    record = _record(folder)
    if present and not record:
        raise PipelineError(
            f"export: {folder} is not empty and was not exported",
            "name an empty folder with --output-dir",
        )
    kept = []
    for path in present:
        name = path.relative_to(folder).as_posix()
        if name in record and record[name] != sha256_hex(path.read_bytes()):
            raise PipelineError(
                f"export: {path} was changed since it was exported",
                "move it away, or name another folder with --output-dir",
            )
        if name not in record and name != RECORD:
            if name in files:
                raise PipelineError(f"export: {path} is in the way", "move it away")
            kept.append(path)
    return kept


def _record(folder: Path) -> dict[str, str]:
    try:
        return dict(json.loads((folder / RECORD).read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _is_export(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(f"/{RECORD}") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
