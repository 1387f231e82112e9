"""Run folders that share a training: one does it, and what is damaged is not taken."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pipeline.shared_stages import SharedStages
from pipeline.store import RunFolder, open_run

KEY = "0" * 64


def train(shared: SharedStages, folder: RunFolder, made: list[str]) -> object:
    """What `Run` does with a stage."""
    with shared.held(KEY):
        result = shared.take(KEY, folder)
        if result is None:
            made.append(folder.path.name)
            folder.write("model.keras", b"weights")
            folder.write("deep/curve.json", b"[1]")
            outputs = ("model.keras", "deep/curve.json")
            folder.finish_stage("train", KEY, outputs, result={"accuracy": 0.5})
            shared.put(KEY, folder, "train")
            return {"accuracy": 0.5}
        return result


def test_of_several_at_once_one_trains_and_the_others_have_the_same_files(tmp_path: Path) -> None:
    made: list[str] = []

    def one(name: str) -> None:
        with open_run(tmp_path / name) as folder:
            assert train(SharedStages(tmp_path / "shared"), folder, made) == {"accuracy": 0.5}

    threads = [threading.Thread(target=one, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    for name in "abcd":
        assert (tmp_path / name / "model.keras").read_bytes() == b"weights"
        assert (tmp_path / name / "deep" / "curve.json").read_bytes() == b"[1]"


@pytest.mark.parametrize("damage", ["model.keras", "record.json"])
def test_what_was_damaged_is_made_again(damage: str, tmp_path: Path) -> None:
    shared, made = SharedStages(tmp_path / "shared"), []
    for name in ("a", "b", "c"):
        with open_run(tmp_path / name) as folder:
            train(shared, folder, made)
        if name == "a":
            (tmp_path / "shared" / KEY / damage).write_bytes(b"[1]")
    assert made == ["a", "b"]


def test_a_process_that_is_killed_leaves_the_key_to_the_next(
    tmp_path: Path,
) -> None:
    shared, made = SharedStages(tmp_path / "shared"), []
    pid = os.fork()
    if pid == 0:
        with shared.held(KEY):
            os._exit(9)
    os.waitpid(pid, 0)
    with open_run(tmp_path / "a") as folder:
        train(shared, folder, made)
    assert made == ["a"]
