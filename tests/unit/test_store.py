"""Run folders: what counts as current, what is written when, and who may write."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import store
from pipeline.errors import PipelineError
from pipeline.spec import BenchmarkSpec, DataSpec, TrainingSpec
from pipeline.store import (
    RunFolder,
    canonical_key,
    code_hash,
    files_hash,
    open_run,
    write_if_changed,
)

KEY = canonical_key("settings")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def finish(run: RunFolder) -> None:
    run.write("model.bin", b"weights")
    run.write_folder("generated", {"model.c": "int x;\n", "data/a.h": "\n"})
    run.finish_stage("convert", KEY, ["model.bin", "generated/"], result={"accuracy": 0.5})


def is_current(path: Path, key: str = KEY) -> bool:
    """Asks as the next process would, from what is on disk."""
    return RunFolder(path).stage_is_current("convert", key, ["model.bin", "generated/"])


def test_a_finished_stage_is_current_for_the_next_process(run: RunFolder) -> None:
    assert not is_current(run.path)
    finish(run)
    assert is_current(run.path)
    assert RunFolder(run.path).stage("convert").result == {"accuracy": 0.5}


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: (path / "model.bin").unlink(),
        lambda path: (path / "model.bin").write_bytes(b"weightz"),
        lambda path: (path / "generated/data/a.h").unlink(),
        lambda path: (path / "generated/stray.c").write_text("int y;\n"),
        lambda path: (path / "manifest.json").unlink(),
        lambda path: (path / "manifest.json").write_text('{"format": 1, "stages": ['),
        lambda path: (path / "manifest.json").write_text('{"format": 1, "stages": 3}'),
        lambda path: (path / "manifest.json").write_text("[]"),
        lambda path: (path / "manifest.json").write_text(
            (path / "manifest.json").read_text().replace('"format": 1', '"format": 2')
        ),
    ],
)
def test_a_stage_whose_artifacts_or_record_changed_runs_again(run: RunFolder, harm) -> None:
    finish(run)
    harm(run.path)
    assert not is_current(run.path)
    finish(RunFolder(run.path))
    assert is_current(run.path)


def test_another_key_or_other_outputs_are_not_current(run: RunFolder) -> None:
    finish(run)
    assert not is_current(run.path, canonical_key("other settings"))
    assert not run.stage_is_current("convert", KEY, ["model.bin"])
    assert not run.stage_is_current("train", KEY, ["model.bin", "generated/"])


def test_finishing_without_an_output_is_refused(run: RunFolder) -> None:
    with pytest.raises(FileNotFoundError, match=r"stage train did not write model\.keras"):
        run.finish_stage("train", KEY, ["model.keras"])


def test_the_manifest_says_what_was_made_from_what(run: RunFolder) -> None:
    run.record_seed(7)
    run.write("history.json", "{}\n")
    run.finish_stage(
        "train", KEY, ["history.json"], inputs={"epochs": 5}, versions={"tensorflow": "2"}
    )
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert manifest == {
        "format": 1,
        "seed": 7,
        "versions": {"tensorflow": "2"},
        "artifacts": {"history.json": hashlib.sha256(b"{}\n").hexdigest()},
        "stages": {
            "train": {
                "key": KEY,
                "inputs": {"epochs": 5},
                "outputs": ["history.json"],
                "result": {},
            }
        },
    }


def test_only_what_changed_is_written(run: RunFolder) -> None:
    path = run.write("a/b.txt", "text")
    before = path.stat().st_mtime_ns, path.stat().st_ino
    run.write("a/b.txt", "text")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    run.write("a/b.txt", "tixt")
    assert path.read_text() == "tixt"
    assert path.stat().st_ino != before[1]


def test_a_folder_holds_exactly_what_was_last_written(run: RunFolder) -> None:
    run.write_folder("generated", {"a.c": "1", "old/b.c": "2"})
    run.write_folder("generated", {"a.c": "1", "c.c": "3"})
    files = (path for path in run.file("generated").rglob("*") if path.is_file())
    assert {path.name for path in files} == {"a.c", "c.c"}


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "manifest.json", ".lock"])
def test_names_stay_in_the_folder(run: RunFolder, name: str) -> None:
    with pytest.raises(ValueError, match="names no artifact"):
        run.write(name, "x")


def test_a_write_that_fails_says_so_and_leaves_the_old_file(run: RunFolder) -> None:
    run.write("a", "file")
    with pytest.raises(PipelineError, match=r"a/b: cannot be written: (File exists|Not a dir)"):
        run.write("a/b", "x")
    run.write("folder/x", "x")
    with pytest.raises(PipelineError, match=r"folder: cannot be written: Is a directory"):
        run.write("folder", "x")
    assert sorted(path.name for path in run.path.iterdir()) == ["a", "folder"]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    hold = (
        "import sys; from pathlib import Path; from pipeline.store import open_run\n"
        "with open_run(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        message = f"run: in use by process {other.pid}; wait for it to end, or choose another"
        with pytest.raises(PipelineError, match=message), open_run(tmp_path / "run"):
            pass
        other.kill()
    with open_run(tmp_path / "run") as run:  # the lock dies with its process
        assert run.path == tmp_path / "run"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(PipelineError, match=r"file/run: cannot be written: Not a directory; choose"),
        open_run(tmp_path / "file" / "run"),
    ):
        pass


def test_a_killed_writer_leaves_a_whole_file_and_nothing_else(tmp_path: Path) -> None:
    write_for_ever = (
        "import sys; from pathlib import Path; from pipeline.store import open_run\n"
        "with open_run(Path(sys.argv[1])) as run:\n"
        "    for n in range(10**9):\n"
        "        run.write('a.bin', bytes([n % 251]) * 500_000)\n"
        "        if n == 20: print('well under way', flush=True)\n"
    )
    command = [sys.executable, "-c", write_for_ever, str(tmp_path)]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        content = (tmp_path / "a.bin").read_bytes()
        assert len(content) == 500_000
        assert len(set(content)) == 1
    with open_run(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {".lock", "a.bin"}


@dataclass(frozen=True)
class TwinSpec:
    name: str


def test_keys_differ_exactly_where_their_parts_do() -> None:
    parts = [
        (TrainingSpec(),),
        (TrainingSpec(epochs=6),),
        (TrainingSpec(), "hash"),
        (TrainingSpec(), None),
        (BenchmarkSpec(),),
        (DataSpec("mnist"),),
        (TwinSpec("mnist"),),
        ("mnist",),
        ("mnist", ""),
        (("mnist", ""),),
        (1,),
        (1.0,),
        (True,),
        ({"a": 1, "b": 2},),
        ({"a": 2, "b": 1},),
        ([["a", 1], ["b", 2]],),
    ]
    keys = [canonical_key(*part) for part in parts]
    assert len(set(keys)) == len(parts)
    assert canonical_key({"b": 2, "a": 1}) == canonical_key({"a": 1, "b": 2})
    assert canonical_key((1, 2)) == canonical_key([1, 2])


def test_what_has_no_canonical_form_is_refused() -> None:
    for part in (Path("x"), object(), {1, 2}, b"x"):
        with pytest.raises(TypeError):
            canonical_key(part)
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_key(float("nan"))


def test_files_hash_sees_names_and_contents_but_not_places(tmp_path: Path) -> None:
    def folder(name: str, files: dict[str, str]) -> Path:
        for path, content in files.items():
            write_if_changed(tmp_path / name / path, content.encode())
        return tmp_path / name

    same = files_hash(folder("1", {"a": "x", "b/c": "y"}))
    assert (
        files_hash(folder("2", {"b/c": "y", "a": "x", "__pycache__/z": "", ".a.swp": ""})) == same
    )
    others = [{"a": "x", "b/d": "y"}, {"a": "xy", "b/c": ""}, {"a": "x"}, {"a": "y", "b/c": "x"}]
    hashes = {files_hash(folder(f"o{n}", files)) for n, files in enumerate(others)}
    assert len(hashes | {same}) == len(others) + 1


def test_code_hash_covers_modules_and_packages_without_importing_them() -> None:
    assert code_hash("pipeline.store") != code_hash("pipeline.spec")
    assert code_hash("pipeline.ops") == files_hash(Path(store.__file__).parent / "ops")
    with pytest.raises(FileNotFoundError):
        code_hash("pipeline.no_such_module")
    code = "from pipeline.store import code_hash; code_hash('pipeline.ops'); import sys"
    command = [sys.executable, "-c", f"{code}; print('pipeline.ops' in sys.modules)"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"False\n"
