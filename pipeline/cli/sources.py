"""What SOURCE on the command line means, and the run that it opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Options

if TYPE_CHECKING:
    from pipeline.stages.run import Run
    from pipeline.target import Target


def is_model(source: Path) -> bool:
    """Whether it is a model file, neither a spec nor a run folder."""
    return source.is_file() and source.suffix != ".toml"


@contextmanager
def opened(source: Path, options: Options) -> Iterator[Run]:
    """The run that SOURCE means, with its folder locked, and the model or spec in it."""
    from pipeline import target as targets
    from pipeline.shared_stages import SharedStages
    from pipeline.spec import dump_spec
    from pipeline.stages.run import Run
    from pipeline.store import canonical_key, open_run, sha256_hex
    from pipeline.terminal import Terminal

    target, folder = _resolve(source, options)
    content = targets.read_model(source) if is_model(source) else None
    with open_run(folder) as artifacts:
        if target.spec is not None:
            artifacts.write(targets.SPEC, dump_spec(target.spec))
        elif content is not None:
            artifacts.write(targets.MODEL, content)
            artifacts.finish_stage(
                targets.IMPORT,
                canonical_key(sha256_hex(content)),
                (targets.MODEL,),
                result=targets.import_record(target),
            )
        shared = None if options.share is None else SharedStages(options.share)
        yield Run(artifacts, target, Terminal(options.quiet), options.force, shared)


def _resolve(source: Path, options: Options) -> tuple[Target, Path]:
    """Target and run folder."""
    from pipeline import target as targets

    if source.is_dir():
        if options.output_dir is not None and options.output_dir.resolve() != source.resolve():
            raise click.UsageError("a run folder is its own --output-dir")
        target, folder = targets.target_of_folder(source, options.overrides), source
    else:
        of_source = targets.target_of_spec if source.suffix == ".toml" else targets.target_of_model
        target = of_source(source, options.overrides)
        folder = options.output_dir or target.default_folder
    if options.overrides.fit_arena:
        from pipeline.stages.arena_fit import require_fitting

        require_fitting(target)
        target = replace(target, fit_arena=True)
    return targets.reached_at(target, options.overrides.port), folder
