"""docs/api.md and the example that it shows."""

from __future__ import annotations

import importlib
import inspect
import re
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/api.py"
ROWS = re.findall(
    r"^\| `(pipeline[\w.]+)` \| .* \| (.*) \|$", (ROOT / "docs/api.md").read_text(), re.MULTILINE
)


@pytest.mark.parametrize(("name", "gives"), ROWS, ids=lambda value: value.rpartition(".")[2])
def test_every_function_of_the_page_is_there_typed_and_explained(name: str, gives: str) -> None:
    module, _, attribute = name.rpartition(".")
    function = getattr(importlib.import_module(module), attribute)
    signature = inspect.signature(function)
    assert inspect.getdoc(function)
    assert inspect.Signature.empty not in [p.annotation for p in signature.parameters.values()]
    result = signature.return_annotation
    classes = re.findall(r"`(\w+)`", gives)
    assert classes == [] or result in classes or result == "Score", (result, classes)


def test_the_page_has_the_stages_of_the_example() -> None:
    imported = re.findall(r"^from (pipeline\.\S+) import (.*)$", EXAMPLE.read_text(), re.MULTILINE)
    functions = {
        f"{module}.{name}"
        for module, names in imported
        for name in names.split(", ")
        if name.islower()
    }
    assert functions <= {name for name, _ in ROWS}
    assert len(functions) > 8


@pytest.mark.training
def test_the_example_runs_to_the_end(tmp_path: Path) -> None:
    main = runpy.run_path(str(EXAMPLE))["main"]
    done = CliRunner().invoke(main, [str(tmp_path / "out"), "--epochs", "1"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert [line.split()[0] for line in lines[:5]] == [
        *("trained", "converted", "int8", "compiled", "device")
    ]
    assert "100 outputs, all bytes TensorFlow Lite Micro's" in lines[4]
    assert (tmp_path / "out" / "generated" / "model.c").is_file()
