"""The run folder: the only writer of artifacts, and the memory of which stages are current.

A stage is current when the manifest has its key and every artifact it wrote is unchanged. The key
is a hash of all that the stage depends on (`canonical_key`); so a stage whose code, settings or
inputs changed runs again, and one that was interrupted was never recorded.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import PipelineError

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 1
_LOCK = ".lock"
_TEMPORARY_SUFFIX = ".part"


def sha256_hex(content: bytes) -> str:
    """SHA-256 of `content`, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _canonical(part: Any) -> Any:
    """`part` as JSON can have it; a dataclass keeps its type's name."""
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        fields = {f.name: _canonical(getattr(part, f.name)) for f in dataclasses.fields(part)}
        return {"type": type(part).__name__, "fields": fields}
    if isinstance(part, Mapping):
        return {"map": [[_canonical(key), _canonical(part[key])] for key in sorted(part)]}
    if isinstance(part, list | tuple):
        return [_canonical(item) for item in part]
    if isinstance(part, str | int | float | bool | None):
        return part
    if isinstance(part, Path):
        raise TypeError(f"a key must not depend on a place: hash what {part} holds instead")
    raise TypeError(f"no canonical form of a {type(part).__name__}")


def canonical_key(*parts: Any) -> str:
    """SHA-256 over dataclasses, mappings, sequences, numbers, texts and None, in order.

    The same for equal parts in every process; different where a type's name, a field or the
    order differs. Mappings are taken without order.

    Raises:
        TypeError: a part of another type, whose text could differ between processes.
        ValueError: NaN or infinity.
    """
    text = json.dumps(_canonical(parts), allow_nan=False, separators=(",", ":"))
    return sha256_hex(text.encode())


def files_hash(*paths: Path) -> str:
    """SHA-256 over files and whole folders: names below each path and contents, not places.

    Bytecode and files whose name begins with a dot are left out.
    """
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(_files_below(path)) if path.is_dir() else [path]:
            name = file.relative_to(path).as_posix() if file != path else path.name
            content = file.read_bytes()
            digest.update(f"{len(name)} {name} {len(content)} ".encode() + content)
    return digest.hexdigest()


def _files_below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if path.is_file() and not hidden:
            yield path


def code_hash(*modules: str) -> str:
    """SHA-256 of the sources of modules of this package; of all modules below, for a package.

    A stage's key includes it, so that changed code runs again. Nothing is imported.

    Args:
        modules: dotted names, such as "pipeline.convert" or "pipeline.ops".
    """
    root = Path(__file__).resolve().parent.parent
    paths = []
    for module in modules:
        path = root.joinpath(*module.split("."))
        paths.append(path if path.is_dir() else path.with_suffix(".py"))
    return files_hash(*paths)


def write_if_changed(path: Path, content: bytes) -> bool:
    """Writes a file whole or not at all, and only where its content differs.

    Returns:
        whether it was written. An unchanged file keeps its time stamp, so that build tools see no
        change.

    Raises:
        PipelineError: no space, no permission, or a folder of that name.
    """
    if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return False
    temporary = path.with_name(f".{path.name}{_TEMPORARY_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise PipelineError(f"{path}: cannot be written: {error.strerror}") from error
    return True


def json_text(value: Any) -> str:
    """JSON for people and for diffs: indented, non-ASCII as it is, a newline at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


@dataclasses.dataclass(frozen=True)
class StageRecord:
    """What a finished stage left in the manifest.

    Attributes:
        key: `canonical_key` of all it depended on.
        inputs: the same for people: names of settings and artifacts -> value or hash.
        outputs: path within the run folder -> SHA-256.
        result: small facts that later stages and reports want without running it again.
    """

    key: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, str]
    result: Mapping[str, Any]


class RunFolder:
    """One run's artifacts; open it with `open_run`, which holds its lock.

    Names of artifacts are relative to the folder, with "/" between parts. A name that ends in "/"
    stands for all files below that folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stages: dict[str, StageRecord] = {}
        self._versions: dict[str, str] = {}
        self._seed: int | None = None
        self._read_manifest()

    @property
    def shell_name(self) -> str:
        """The folder as an argument of a command that a message gives."""
        return shlex.quote(str(self.path))

    def file(self, name: str) -> Path:
        """Where an artifact lies, or would.

        Raises:
            ValueError: the name leads out of the folder or into its bookkeeping.
        """
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or name in (MANIFEST, _LOCK):
            raise ValueError(f"{name!r} names no artifact")
        return self.path.joinpath(*parts)

    def write(self, name: str, content: bytes | str) -> Path:
        """Writes an artifact atomically, only where it changed; text as UTF-8."""
        path = self.file(name)
        write_if_changed(path, content.encode() if isinstance(content, str) else content)
        return path

    def write_json(self, name: str, value: Any) -> Path:
        """`write` of a value as indented JSON."""
        return self.write(name, json_text(value))

    def write_folder(self, name: str, files: Mapping[str, bytes | str]) -> Path:
        """Makes a folder hold exactly `files` (path below it -> content).

        Files that are no longer among them are removed: a build would take them along.
        """
        folder = self.file(name)
        for below, content in files.items():
            self.write(f"{name.rstrip('/')}/{below}", content)
        for path in list(folder.rglob("*")):
            if path.is_file() and path.relative_to(folder).as_posix() not in files:
                path.unlink()
        return folder

    def stage_is_current(self, stage: str, key: str, outputs: Iterable[str]) -> bool:
        """Whether a stage finished with this key and left these outputs, and they are unchanged."""
        record = self.unchanged_stage(stage, outputs)
        return record is not None and record.key == key

    def unchanged_stage(self, stage: str, outputs: Iterable[str]) -> StageRecord | None:
        """A finished stage's record; None where it has none or left other outputs than there are
        now."""
        record = self._stages.get(stage)
        if record is None or record.outputs != self._hashes(self._files(outputs)):
            return None
        return record

    def stage(self, stage: str) -> StageRecord:
        """A finished stage's record. Raises KeyError where it has none."""
        return self._stages[stage]

    def finish_stage(
        self,
        stage: str,
        key: str,
        outputs: Iterable[str],
        *,
        inputs: Mapping[str, Any] | None = None,
        result: Mapping[str, Any] | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        """Records a stage as finished and writes the manifest.

        Args:
            outputs: names of what it wrote, all of them there.
            versions: tool -> version of the tools that the stage used.

        Raises:
            FileNotFoundError: an output is missing.
        """
        hashes = {}
        for name, found in self._hashes(self._files(outputs)).items():
            if found is None:
                raise FileNotFoundError(f"stage {stage} did not write {name}")
            hashes[name] = found
        self._stages[stage] = StageRecord(key, dict(inputs or {}), hashes, dict(result or {}))
        self._versions.update(versions or {})
        self._write_manifest()

    def record_seed(self, seed: int) -> None:
        """Notes the seed in the manifest, written with the next stage."""
        self._seed = seed

    @property
    def versions(self) -> Mapping[str, str]:
        """Tool -> version, of all finished stages."""
        return dict(sorted(self._versions.items()))

    def _files(self, outputs: Iterable[str]) -> Iterator[str]:
        """The names with folders replaced by the files that are there now."""
        for name in outputs:
            if name.endswith("/"):
                for file in sorted(_files_below(self.file(name))):
                    yield file.relative_to(self.path).as_posix()
            else:
                yield name

    def _hashes(self, names: Iterable[str]) -> dict[str, str | None]:
        """Name -> SHA-256, None where there is no such file."""
        paths = {name: self.file(name) for name in names}
        return {
            name: sha256_hex(path.read_bytes()) if path.is_file() else None
            for name, path in paths.items()
        }

    def _read_manifest(self) -> None:
        """One that is missing, damaged or of another format records nothing: all stages run."""
        try:
            manifest = json.loads((self.path / MANIFEST).read_bytes())
            if manifest["format"] != MANIFEST_FORMAT:
                return
            stages = {
                name: StageRecord(
                    record["key"],
                    record["inputs"],
                    {output: manifest["artifacts"][output] for output in record["outputs"]},
                    record["result"],
                )
                for name, record in manifest["stages"].items()
            }
            versions, seed = dict(manifest["versions"]), manifest["seed"]
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return
        self._stages, self._versions, self._seed = stages, versions, seed

    def _write_manifest(self) -> None:
        artifacts: dict[str, str] = {}
        for record in self._stages.values():
            artifacts |= record.outputs
        manifest = {
            "format": MANIFEST_FORMAT,
            "seed": self._seed,
            "versions": self.versions,
            "artifacts": dict(sorted(artifacts.items())),
            "stages": {
                name: {
                    "key": record.key,
                    "inputs": record.inputs,
                    "outputs": list(record.outputs),
                    "result": record.result,
                }
                for name, record in self._stages.items()
            },
        }
        write_if_changed(self.path / MANIFEST, json_text(manifest).encode())


@contextlib.contextmanager
def open_run(path: Path) -> Iterator[RunFolder]:
    """The run folder at `path`, made where it is missing, locked against other processes.

    Raises:
        PipelineError: another process has it open, or it cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / _LOCK).open("a+")
    except OSError as error:
        raise PipelineError(
            f"run folder {path}: cannot be written: {error.strerror}",
            "choose another with --output-dir",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read().strip()
            raise PipelineError(
                f"run folder {path}: in use by process {owner or 'unknown'}",
                "wait for it to end, or choose another folder with --output-dir",
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        _remove_leavings(path)
        yield RunFolder(path)


def _remove_leavings(path: Path) -> None:
    """Removes what a process that was killed between writing and renaming left behind."""
    for leaving in path.rglob(f".*{_TEMPORARY_SUFFIX}"):
        if leaving.is_file():
            leaving.unlink()
