"""The commands that README and docs show are ones that the command line and the Makefile take."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from page_files import page_files
from pipeline import boards
from pipeline.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")]
)
_PROGRAM = r"(?:\S*/)?mcu-pipeline|(?:\S*/)?python3? -m pipeline"
_FENCED = re.compile(r"^ *```.*?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^(?:    |\t)(.*)$", re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
# What a shell does with the rest of a line is not the command's.
_SHELL = re.compile(r"\s(?:[|>;]|2>|&&)")


def shown(text: str) -> Iterator[str]:
    """Every line of code of a page, without its prompt and with continued lines joined."""
    blocks = [*_FENCED.findall(text), "\n".join(_INDENTED.findall(text)), *_INLINE.findall(text)]
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            yield re.sub(r"^[$#] ", "", line.strip())


def pipeline_commands(text: str) -> list[list[str]]:
    """Arguments of every command of this program on a page."""
    found = []
    for line in shown(text):
        match = re.match(rf"(?:{_PROGRAM})(?: |$)(.*)", line)
        if match:
            found.append(shlex.split(_SHELL.split(match[1])[0], comments=True))
    return [arguments for arguments in found if arguments and arguments[0][0] not in "<(,"]


def make_targets(text: str) -> set[str]:
    """Targets of every `make` on a page."""
    return {
        target
        for line in shown(text)
        if re.match(r"make( |$)", line)
        for target in shlex.split(_SHELL.split(line)[0], comments=True)[1:]
        if "=" not in target and not target.startswith("-")
    }


def provide(arguments: list[str]) -> None:
    """Makes the files and folders that a reader is meant to have; examples are the project's."""
    for argument in arguments[1:]:
        path = Path(argument)
        if path.parts[:1] == ("examples",) or argument.startswith("-") or path.exists():
            continue
        if path.parts[:1] == ("runs",) or argument.startswith("RUN"):
            path.mkdir(parents=True, exist_ok=True)
        elif path.suffix in (".toml", ".tflite", ".npy", ".npz", ".json") or argument.isupper():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def parse(arguments: list[str]) -> None:
    """Parses without executing. Raises click.ClickException where the program would refuse."""
    context = click.Context(cli)
    name, *rest = arguments
    if name in ("--help", "--version"):
        return
    command = cli.get_command(context, name)
    if command is None:
        raise click.UsageError(f"no command {name!r}")
    if rest:  # a name alone is prose
        with contextlib.suppress(click.exceptions.Exit):  # of --help
            command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_on_a_page_is_one(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("examples").symlink_to(ROOT / "examples")
    text = page.read_text()
    added = tuple(
        boards.parse_board(content, Path(name).stem)
        for name, content in page_files(text).items()
        if name.startswith("pipeline/boards/")
    )
    known_boards = boards.boards()
    monkeypatch.setattr(boards, "boards", lambda: (*known_boards, *added))
    for arguments in pipeline_commands(text):
        provide(arguments)
        try:
            parse(arguments)
        except click.ClickException as error:
            pytest.fail(f"{page.name}: mcu-pipeline {shlex.join(arguments)}: {error.message}")
    known = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert make_targets(text) - known == set()


def test_the_readme_shows_commands_at_all() -> None:
    text = (ROOT / "README.md").read_text()
    assert {arguments[0] for arguments in pipeline_commands(text)} >= {
        "run",
        "benchmark",
        "validate",
    }
    assert make_targets(text) >= {"demo", "test"}


@pytest.mark.parametrize(
    "block",
    [
        "    $ mcu-pipeline run examples/no_such_model.toml\n",
        "```sh\n.venv/bin/mcu-pipeline run SPEC \\\n  --bord host | jq .kind  # typo\n```\n",
        "type `mcu-pipeline validate m.tflite --board no_such_board`.",
        "`python -m pipeline frobnicate`",
    ],
)
def test_a_wrong_command_is_found(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("examples").symlink_to(ROOT / "examples")
    (arguments,) = pipeline_commands(block)
    provide(arguments)
    with pytest.raises(click.UsageError):
        parse(arguments)
