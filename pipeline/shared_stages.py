"""Finished stages that run folders share: one trains, the others take what it left.

A folder has, for every stage's key, a folder of its artifacts beside a record of their hashes. What
has the same key is the same (decision 4), so that it does not matter who made it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.store import RunFolder, json_text, sha256_hex

_RECORD = "record.json"


class SharedStages:
    """The folder; several processes may use it at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def held(self, key: str) -> Iterator[None]:
        """Holds a key: another process that wants to work on it waits until this one is done with
        it or has ended, however it ended.

        Raises:
            PipelineError: the folder cannot be written.
        """
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            lock = (self._path / f"{key}.lock").open("ab")
        except OSError as error:
            raise PipelineError(
                f"shared stages {self._path}: cannot be written: {error.strerror}"
            ) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def take(self, key: str, folder: RunFolder) -> Mapping[str, Any] | None:
        """Copies a stage's artifacts into a run folder.

        Returns:
            the stage's result; None where there is none of this key, or where an artifact is no
            longer what was put there.
        """
        kept = self._path / key
        try:
            record = json.loads((kept / _RECORD).read_bytes())
            contents = {name: (kept / name).read_bytes() for name in record["outputs"]}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if any(sha256_hex(contents[name]) != record["outputs"][name] for name in contents):
            return None
        for name, content in contents.items():
            folder.write(name, content)
        result: Mapping[str, Any] = record["result"]
        return result

    def put(self, key: str, folder: RunFolder, stage: str) -> None:
        """Copies a finished stage's artifacts from a run folder, all or none. The key is held."""
        record = folder.stage(stage)
        kept, begun = self._path / key, self._path / f".{key}"
        for leaving in (kept, begun):  # of damage, and of a process that was killed here
            shutil.rmtree(leaving, ignore_errors=True)
        try:
            for name in record.outputs:
                copy = begun / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder.file(name), copy)
            text = json_text({"stage": stage, "outputs": record.outputs, "result": record.result})
            (begun / _RECORD).write_text(text)
            begun.replace(kept)
        except OSError as error:
            raise PipelineError(f"shared stages {self._path}: {error.strerror}") from error
        finally:
            shutil.rmtree(begun, ignore_errors=True)
