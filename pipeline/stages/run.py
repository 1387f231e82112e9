"""The stages in order, each done again only where what it depends on has changed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import PipelineError
from pipeline.resources import project_dir
from pipeline.shared_stages import SharedStages
from pipeline.store import (
    RunFolder,
    StageRecord,
    canonical_key,
    code_hash,
    files_hash,
    sha256_hex,
)
from pipeline.target import Target
from pipeline.terminal import Terminal


@dataclass(frozen=True)
class Stage:
    """One step of the way.

    Attributes:
        takes: artifacts that must be there, and the command that makes each.
        gives: artifacts it writes; a name that ends in "/" is a folder.
        settings: what else its result depends on, for its key.
        code: modules whose source its result depends on.
        resources: read-only source folders its result depends on.
        versions: tools it uses, with their versions.
        execute: does the work and returns small facts for reports.
        summary: those facts on one line.
        cacheable: False where the same inputs may give another result (real time).
        is_training: it takes long and gives few files, so that runs share it (`Run`).
        applies: False where the target has no use for the stage: it is passed over then.
        takes_if: like `takes`, of artifacts that only some targets have.
    """

    name: str
    takes: Mapping[str, str]
    gives: tuple[str, ...]
    settings: Callable[[Run], tuple[Any, ...]]
    code: tuple[str, ...]
    versions: Callable[[Target], Mapping[str, str]]
    execute: Callable[[Run], Mapping[str, Any]]
    summary: Callable[[Mapping[str, Any]], str]
    resources: tuple[str, ...] = ()
    cacheable: Callable[[Target], bool] = lambda target: True
    is_training: bool = False
    applies: Callable[[Target], bool] = lambda target: True
    takes_if: Callable[[Target], Mapping[str, str]] = lambda target: {}

    def taken(self, target: Target) -> Mapping[str, str]:
        """All that the stage takes for this target."""
        return {**self.takes, **self.takes_if(target)}


class Run:
    """A run folder that is brought up to date stage by stage."""

    def __init__(
        self,
        folder: RunFolder,
        target: Target,
        progress: Terminal,
        force: bool = False,
        shared: SharedStages | None = None,
    ) -> None:
        """`shared`: where other runs' trainings are taken from, and this run's are put."""
        self.folder = folder
        self.target = target
        self.progress = progress
        self._force = force
        self._shared = shared

    def bring(self, stage: Stage) -> Mapping[str, Any]:
        """The stage's result: of an earlier run where nothing it depends on has changed.

        Empty where the stage does not apply.
        """
        if not stage.applies(self.target):
            return {}
        settings = stage.settings(self)
        inputs = self._inputs(stage)
        versions = dict(stage.versions(self.target))
        key = canonical_key(stage.name, inputs, versions, settings)
        if self._is_current(stage, key):
            result = self.folder.stage(stage.name).result
            self.progress.kept(stage.name, stage.summary(result))
            return result
        self.progress.started(stage.name)
        finish = functools.partial(
            self.folder.finish_stage, stage.name, key, stage.gives, inputs=inputs, versions=versions
        )
        if self._shared is None or not stage.is_training:
            result = stage.execute(self)
            finish(result=result)
        else:
            result = self._once(self._shared, stage, key, finish)
        self.progress.finished(stage.summary(result))
        return result

    def _once(
        self, shared: SharedStages, stage: Stage, key: str, finish: Callable[..., None]
    ) -> Mapping[str, Any]:
        """Of all runs that share their stages, one executes this one."""
        with shared.held(key):
            result = None if self._force else shared.take(key, self.folder)
            if result is not None:
                finish(result=result)
                return result
            result = stage.execute(self)
            finish(result=result)
            shared.put(key, self.folder, stage.name)
            return result

    def result(self, stage: str) -> Mapping[str, Any] | None:
        """What a stage left in the manifest, or None where it never ran."""
        try:
            return self.folder.stage(stage).result
        except KeyError:
            return None

    def standing(self, stage: Stage) -> StageRecord | None:
        """What a stage left in the manifest; None where it never ran, or where an artifact that it
        took or gave has changed since: its result is not about what is there now."""
        record = self.folder.unchanged_stage(stage.name, stage.gives)
        taken = stage.taken(self.target)
        if record is None or any(record.inputs.get(name) != self._hash(name) for name in taken):
            return None
        return record

    def read(self, artifact: str) -> bytes:
        return self.folder.file(artifact).read_bytes()

    def _is_current(self, stage: Stage, key: str) -> bool:
        return (
            not self._force
            and stage.cacheable(self.target)
            and self.folder.stage_is_current(stage.name, key, stage.gives)
        )

    def require(self, stage: Stage) -> None:
        """Raises PipelineError where an artifact that the stage takes is missing."""
        for artifact, command in stage.taken(self.target).items():
            if not self.folder.file(artifact.rstrip("/")).exists():
                raise PipelineError(
                    f"{stage.name}: {self.folder.path} has no {artifact}",
                    f"make it with: mcu-pipeline {command} {self.folder.shell_name}",
                )

    def _inputs(self, stage: Stage) -> dict[str, str | None]:
        """Artifact or source -> hash."""
        self.require(stage)
        hashes: dict[str, str | None] = {"code": code_hash(*stage.code)}
        for artifact in stage.taken(self.target):
            hashes[artifact] = self._hash(artifact)
        for resource in stage.resources:
            hashes[resource] = files_hash(project_dir() / resource)
        return hashes

    def _hash(self, artifact: str) -> str | None:
        """None where it is not there."""
        path = self.folder.file(artifact.rstrip("/"))
        if path.is_dir():
            return files_hash(path)
        return sha256_hex(path.read_bytes()) if path.is_file() else None
