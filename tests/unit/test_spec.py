"""Specs: what is refused, on which line, and that a resolved spec reads back as itself."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SpecError
from pipeline.spec import (
    AugmentationSpec,
    BenchmarkSpec,
    BoardSpec,
    DataSpec,
    ExperimentSpec,
    KnownNames,
    ModelSpec,
    Optimize,
    QuantizationSpec,
    TrainingSpec,
    dump_spec,
    parse_spec,
    read_spec,
    with_overrides,
)
from pipeline.spec.own_files import data_file, model_file
from pipeline.spec.toml_text import key_lines, toml_value

# Dotted keys, so that keys of the top level and sections can both follow, from line 3 on.
MINIMAL = 'model.name = "m"\ndata.name = "d"\n'
KNOWN = KnownNames(
    models={
        "sepconv_mnist": {
            "filters": lambda value: None if value > 0 else f"filters = {value} is below 1",
            "pools": lambda value: None,
        }
    },
    data_sets=["mnist"],
    boards={"nano33ble_sim": ["aot"], "host": ["aot", "tflm"]},
)


def refusal(text: str, known: KnownNames | None = None) -> str:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, Path("x.toml"), known)
    return str(caught.value)


def test_defaults_fill_what_is_not_given() -> None:
    spec = parse_spec(MINIMAL, Path("runs/my spec.v2.toml"))
    assert spec == ExperimentSpec("my-spec.v2", ModelSpec("m"), DataSpec("d"))
    assert (spec.board.id, spec.board.runtime) == ("nano33ble_sim", None)


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (
            "# epoch = 1\n[training]\nseed = 1\nepoch = 3\n",
            '6: [training] unknown key "epoch"; did you mean "epochs"?',
        ),
        (
            "[benchmark]\nruns = 1\nqqqqqqqq = 3\n",
            '5: [benchmark] unknown key "qqqqqqqq"; known: runs, samples, warmups',
        ),
        (  # the same key in two sections, after a text that looks like a header and a key
            'model.parameters.note = """\n[quantization]\nseed = 7 # \\"""" #"""\n'
            "[training]\nseed = 1\n[quantization]\nseed = -1\n",
            "9: [quantization] seed must be an integer from 0 to 4294967295, it is -1",
        ),
        (
            "model.parameters = { sizes = [\n1, # ]\n2],\tnote = '[[' }\n[training]\nepochs = 0",
            "7: [training] epochs must be an integer from 1 to 100000, it is 0",
        ),
        (
            "board = { id = 'host', runtim = 'aot' }",
            '3: [board] unknown key "runtim"; did you mean "runtime"?',
        ),
        (
            "\nbenchmark.samples = 10\r\n\r\nbenchmark . 'run' = 3",
            '6: [benchmark] unknown key "run"; did you mean "runs"?',
        ),
        (
            '[training]\noptimizer = "adma"',
            '4: [training] optimizer must be "adam" or "sgd", it is "adma"; did you mean "adam"?',
        ),
        (
            "[training]\nepochs = true",
            "4: [training] epochs must be an integer from 1 to 100000, it is true",
        ),
        (
            "[training]\nlearning_rate = nan",
            "4: [training] learning_rate must be a number above 0 and at most 1000, it is nan",
        ),
        (
            "[training]\nlearning_rate = 0",
            "4: [training] learning_rate must be a number above 0 and at most 1000, it is 0",
        ),
        (
            "[training]\ndropout = 1",
            "4: [training] dropout must be a number from 0 to 0.95, it is 1",
        ),
        (
            "[training]\nmomentum = 0.9",
            '4: [training] momentum needs optimizer = "sgd"',
        ),
        (
            "[training]\npatience = 3",
            "4: [training] patience needs validation_split",
        ),
        (
            "[augmentation]\nflip = 1",
            "4: [augmentation] flip must be true or false, it is 1",
        ),
        (  # the serial protocol has 16 bits for it
            "[benchmark]\nruns = 65536",
            "4: [benchmark] runs must be an integer from 1 to 65535, it is 65536",
        ),
        (
            '[quantization]\nmode = "qta"',
            '4: [quantization] mode must be "ptq" or "qat" or "16x8", it is "qta"; '
            'did you mean "qat"?',
        ),
        (
            "[benchmark]\nsamples = 0",
            '4: [benchmark] samples must be an integer from 1 to 10000000, or "all", it is 0',
        ),
        (
            "\nmodel.parameters.alpha = 1979-05-27",
            "4: [model] parameters must be a table of finite numbers, texts, switches or lists "
            "of these, it is {alpha = 1979-05-27}",
        ),
        (
            "name = '../x'",
            "3: name must be letters, digits and _ . + - (it names the run's folder), "
            'it is "../x"',
        ),
        ("nmae = 'x'", '3: unknown key "nmae"; did you mean "name"?'),
        ("[trainig]\n", '3: unknown section [trainig]; did you mean "training"?'),
        ("[[training]]\n", "3: [training] must be a table, once"),
        ("[board\n", "3: not TOML: Expected ']' at the end of a table declaration"),
        ("[board]\nid = [1,\n", "4: not TOML: Invalid value"),
    ],
)
def test_refusal_names_file_line_and_nearest_name(tail: str, message: str) -> None:
    assert refusal(MINIMAL + tail) == f"x.toml:{message}"


@pytest.mark.parametrize("value", ["[" * 5000, "1" * 5000])
def test_what_python_cannot_read_is_refused(value: str) -> None:
    assert refusal(f"x = {value}") == "x.toml: not a spec: nested too deep, or a number too long"


def test_missing_keys_are_named_at_their_section() -> None:
    assert refusal("# empty\n") == 'x.toml:1: [model] lacks the key "name"'
    assert refusal('model.name = "m"\n\n[data]\n') == 'x.toml:3: [data] lacks the key "name"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'data.name = "mnist"\nmodel.name = "sepconv_mnits"',
            '2: [model] unknown model "sepconv_mnits"; did you mean "sepconv_mnist"?',
        ),
        (
            'data.name = "mnist"\n[model]\nname = "sepconv_mnist"\n'
            "[model.parameters]\npools = 1\nfilter = 8",
            '6: [model] unknown parameter of sepconv_mnist "filter"; did you mean "filters"?',
        ),
        (
            'data.name = "mnist"\n[model]\nname = "sepconv_mnist"\n'
            "parameters.pools = 1\nparameters.filters = 0",
            "5: [model] filters = 0 is below 1",
        ),
        (
            'data.name = "mnist"\nmodel.name = "net.py"',
            '2: [model] name lacks the function that builds the model; name = "net.py:build"',
        ),
        (
            'data.name = "mnist"\nmodel.name = "/nowhere/net.py:build"',
            "2: [model] there is no file /nowhere/net.py",
        ),
        (
            'model.name = "sepconv_mnist"\n\n[data]\nname = "/nowhere/x.npz"',
            "4: [data] there is no file /nowhere/x.npz",
        ),
        (
            'model.name = "sepconv_mnist"\n[data]\nname = "qqq"',
            '3: [data] unknown data set "qqq"; known: mnist',
        ),
        (
            'data.name = "mnist"\nmodel.name = "sepconv_mnist"\n[board]\nid = "nano33"',
            '4: [board] unknown board "nano33"; did you mean "nano33ble_sim"?',
        ),
        (
            'data.name = "mnist"\nmodel.name = "sepconv_mnist"\nboard.runtime = "tflm"',
            '3: [board] unknown runtime of nano33ble_sim "tflm"; known: aot',
        ),
    ],
)
def test_names_are_held_against_the_registries(text: str, message: str) -> None:
    assert refusal(text, KNOWN) == f"x.toml:{message}"


def test_paths_start_at_the_folder_of_the_spec(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "net.py").touch()
    (tmp_path / "specs" / "digits.npz").touch()
    path = tmp_path / "specs" / "x.toml"
    path.write_text(
        'model.name = "../net.py:build"\nmodel.parameters.x = 1\ndata.name = "digits.npz"'
    )
    monkeypatch.chdir(tmp_path)
    spec = read_spec(Path("specs/x.toml"), KNOWN)
    own = model_file(spec.model.name)
    assert own is not None
    assert own.path.samefile(tmp_path / "net.py")
    assert own.function == "build"
    assert spec.data.name == str(tmp_path / "specs" / "digits.npz")
    # A resolved spec lies in another folder and still means the same files.
    assert parse_spec(dump_spec(spec), Path("runs/x/spec.toml"), KNOWN) == spec


def test_a_saved_model_takes_no_parameters(tmp_path: Path) -> None:
    saved = tmp_path / "m.keras"
    saved.touch()
    text = f'data.name = "mnist"\nmodel.name = "{saved}"\nmodel.parameters.alpha = 1'
    assert refusal(text, KNOWN) == "x.toml:3: [model] a saved model takes no parameters"


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    with pytest.raises(SpecError, match=r"cannot be read: No such file or directory$"):
        read_spec(path)
    path.write_bytes(b"# 1\nname = '\xff'\n")
    with pytest.raises(SpecError, match=r"x\.toml:2: not UTF-8 text$"):
        read_spec(path)
    path.write_bytes(b"#" * 65_537)
    with pytest.raises(SpecError, match="at most 65536 bytes"):
        read_spec(path)


def test_overrides() -> None:
    spec = parse_spec(MINIMAL + '[board]\nid = "host"\nruntime = "tflm"\n', Path("x.toml"))
    assert with_overrides(spec) == spec
    assert with_overrides(spec, board="host").board == BoardSpec("host", "tflm")
    # Another board's default runtime, not the one chosen for the spec's board.
    assert with_overrides(spec, board="nano33ble_sim").board == BoardSpec("nano33ble_sim", None)
    seeded = with_overrides(spec, runtime="aot", seed=7)
    assert (seeded.board.runtime, seeded.training.seed, seeded.quantization.seed) == ("aot", 7, 7)


def test_reading_specs_imports_nothing_heavy() -> None:
    code = "import pipeline.spec, sys; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "tomllib" in loaded
    assert not {"numpy", "tensorflow", "keras", "platformio", "rich"} & set(loaded)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALAR = st.booleans() | st.integers() | TEXT | st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)
SEED = st.integers(0, 2**32 - 1)
FIELDS: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    ModelSpec: {
        "name": TEXT.filter(lambda name: name and model_file(name) is None),
        "parameters": st.dictionaries(TEXT, VALUE, max_size=4),
    },
    DataSpec: {
        # A path reads back as an absolute one.
        "name": TEXT.filter(lambda name: name and data_file(name) is None),
        "image_size": st.none() | st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
        "grayscale": st.booleans(),
        "test_split": st.floats(0.01, 0.99),
    },
    TrainingSpec: {
        "epochs": st.integers(1, 100_000),
        "batch_size": st.integers(1, 1_000_000),
        "optimizer": st.sampled_from(["adam", "sgd"]),
        "decay": st.sampled_from(["none", "step", "cosine"]),
        "momentum": st.floats(0, 0.9999),
        "decay_every": st.integers(1, 100_000),
        "decay_factor": st.floats(0, 1),
        "warmup_epochs": st.integers(0, 100_000),
        "patience": st.integers(0, 100_000),
        "curve_every": st.integers(0, 10_000_000),
        "l2": st.floats(0, 1000),
        "learning_rate": st.floats(0, 1000, exclude_min=True),
        "loss_reduction": st.sampled_from(["mean", "sum"]),
        "clip_norm": st.none() | st.floats(1e-6, 1e6),
        "dropout": st.floats(0, 0.95),
        "validation_split": st.floats(0, 0.9),
        "start_from": st.sampled_from([None, "/runs/first", "/m.keras"]),
        "freeze_until": st.none() | TEXT.filter(bool),
        "tensorboard": st.booleans(),
        "seed": SEED,
    },
    AugmentationSpec: {
        "shift": st.floats(0, 1000),
        "rotate": st.floats(0, 180),
        "zoom": st.floats(0, 0.9),
        "noise": st.floats(0, 100),
        "flip": st.booleans(),
        "cutout": st.integers(0, 10_000),
    },
    QuantizationSpec: {
        "mode": st.sampled_from(["ptq", "qat", "16x8"]),
        "qat_epochs": st.integers(1, 100_000),
        "qat_learning_rate": st.floats(0, 1000, exclude_min=True),
        "calibration_samples": st.integers(1, 1_000_000),
        "calibration": st.sampled_from(["min-max", "percentile", "error"]),
        "calibration_percentile": st.floats(50, 100),
        "per_channel": st.booleans(),
        "per_channel_dense": st.booleans(),
        "seed": SEED,
    },
    BoardSpec: {
        "id": TEXT.filter(bool),
        "runtime": st.sampled_from([None, "aot", "tflm"]),
        "optimize": st.sampled_from(get_args(Optimize)),
    },
    BenchmarkSpec: {
        "runs": st.integers(1, 65_535),
        "warmups": st.integers(0, 65_535),
        "samples": st.just("all") | st.integers(1, 10_000_000),
    },
}


def consistent(section: Any) -> Any:
    """Without keys that are refused beside the others."""
    if not isinstance(section, TrainingSpec):
        return section
    return dataclasses.replace(
        section,
        momentum=section.momentum if section.optimizer == "sgd" else 0.0,
        warmup_epochs=min(section.warmup_epochs, section.epochs - 1),
        patience=section.patience if section.validation_split > 0 else 0,
    )


SPECS = st.builds(
    ExperimentSpec,
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,8}", fullmatch=True),
    *(st.builds(section, **fields).map(consistent) for section, fields in FIELDS.items()),
)


@given(SPECS)
def test_a_resolved_spec_reads_back_as_itself(spec: ExperimentSpec) -> None:
    again = parse_spec(dump_spec(spec), Path("other.toml"))
    assert again == spec
    # == takes 1, 1.0 and true for equal; their texts differ.
    assert dump_spec(again) == dump_spec(spec)


@pytest.mark.parametrize("section", FIELDS)
def test_the_property_above_draws_every_key(section: type[Any]) -> None:
    assert {key.name for key in dataclasses.fields(section)} == set(FIELDS[section])


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[tuple[str, ...], int]]:
    """A TOML document in mixed styles with the true line of every key."""
    text = ""
    truth: dict[tuple[str, ...], int] = {}
    for number in range(draw(st.integers(1, 4))):
        section = f"s{number}"
        text += draw(st.sampled_from(["", "\n", "# a = [\n", "  \n# '''\n"]))
        truth[(section,)] = text.count("\n") + 1
        text += draw(st.sampled_from([f"[{section}] # [x]\n", f' [ "{section}" ]\n']))
        for index in range(draw(st.integers(0, 4))):
            text += draw(st.sampled_from(["", "\n", '  # """\n']))
            here = text.count("\n") + 1
            key = f"k{index}"
            content = draw(st.text(st.characters(exclude_categories=["C"]), max_size=9))
            quoted = toml_value(content)
            statements = {
                f"{key} = {quoted} # {content}": (),
                f'"{key}"="""{quoted[1:-1]}\n[{section}]\n{key} = 1\n""\\""""""': (),
                f"{key} = '''\n{content.replace(chr(39), '')}\n[z]'''''": (),
                f"{key} = [\n  {quoted}, # ] {content}\n  [1, 2],\n]": (),
                f"{key}.'in' . ner = 1e5": (("in",), ("in", "ner")),
                f"{key} = {{ a = '{{', b.c = {quoted} }}": (("a",), ("b",), ("b", "c")),
            }
            statement = draw(st.sampled_from(list(statements)))
            text += statement + "\n"
            for inner in ((), *statements[statement]):
                truth[(section, key, *inner)] = here
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))), truth


@given(documents())
def test_every_key_is_found_on_its_line(document: tuple[str, dict[tuple[str, ...], int]]) -> None:
    text, truth = document
    assert tomllib.loads(text).keys() == {path[0] for path in truth}
    assert key_lines(text) == truth
