"""The listed costs and the networks for accounting, against published and hand-counted figures."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from command import run
from pipeline.analysis.accounting import (
    FACTORISATIONS,
    accounts,
    factorisation,
    inception_block,
    weights_of,
)
from pipeline.analysis.analyze import analyze
from pipeline.analysis.model_costs import account_costs, costs
from pipeline.models import models


def test_every_architecture_and_every_account_is_listed() -> None:
    listed = costs()
    assert list(listed) == [*models(), *accounts()]
    for name, definition in models().items():
        assert listed[name].summary == definition.summary
        assert listed[name].input_shape == definition.image_shape
    for found in account_costs():
        plain = json.loads(json.dumps(asdict(found)))
        assert plain == json.loads(json.dumps(asdict(listed[found.name])))


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        # 28 * 28 * 6 * 25; 10 * 10 * 16 * 150, 900 * 100 of them by zeros; 400 * 120; 120 * 84;
        # 84 * 10
        ("lenet5", 117_600 + 240_000 + 48_000 + 10_080 + 840),
        # stem; 16 * 16 and two of 9 * 16 * 16; ...: 12.5 million in the MLPerf Tiny paper
        (
            "resnet8",
            1024 * 9 * (3 * 16 + 16 * 16 + 16 * 16)
            + 256 * (9 * 16 * 32 + 9 * 32 * 32 + 16 * 32)
            + 64 * (9 * 32 * 64 + 9 * 64 * 64 + 32 * 64)
            + 640,
        ),
        ("ds_cnn", 125 * (40 * 64 + 4 * (9 * 64 + 64 * 64)) + 64 * 12),
        ("autoencoder", 2 * 640 * 128 + 6 * 128 * 128 + 2 * 128 * 8),
        ("dilated_mnist", 784 * 9 * (8 + 64 + 64) + 392 * 10),
        (
            "vgg_mini",
            9 * (784 * (8 + 64) + 196 * (128 + 256) + 49 * (512 + 1024)) + 288 * 64 + 640,
        ),
        (
            "sepconv_slim_mnist",
            784 * 72 + 196 * (72 + 128) + 49 * (144 + 512) + 288 * 10,
        ),
        (
            "inception_mini",
            sum(
                pixels * (16 * c + (16 * c + 9 * 16 * 24) + (4 * c + 25 * 4 * 12) + 8 * c)
                for pixels, c in ((196, 16), (49, 60))
            )
            + 196 * 9 * 16
            + 600,
        ),
    ],
)
def test_macs_are_those_counted_by_hand(name: str, macs: int) -> None:
    assert costs()[name].macs == macs


def test_c1_of_lenet5_has_the_papers_connections() -> None:
    c1 = costs()["lenet5"].layers[0]
    assert c1["output_shape"] == [1, 28, 28, 6]
    biases = 28 * 28 * 6
    assert c1["macs"] + biases == 122_304
    assert c1["parameters"] == 156


def test_vgg16_has_the_published_weights() -> None:
    graph = accounts()["vgg16"].graph()
    assert weights_of(graph) == 138_344_128
    cost = analyze(graph)
    assert cost.parameters == 138_357_544  # Keras's VGG16, with biases
    assert cost.macs == 15_470_264_320
    fields = {layer.op: layer.receptive_field for layer in cost.layers}  # of the last of each
    assert (fields["CONV_2D"], fields["MAX_POOL_2D"]) == ((196, 196), (212, 212))
    assert listed_fits("vgg16") == []


def listed_fits(name: str) -> list[str]:
    return costs()[name].fits()


@pytest.mark.parametrize(("reduction", "macs"), [(False, 1_115_684_864), (True, 397_410_304)])
def test_an_inception_block_has_the_courses_macs(reduction: bool, macs: int) -> None:
    cost = analyze(inception_block(reduction))
    assert cost.macs == macs
    assert cost.layers[-1].receptive_field == (5, 5)


@pytest.mark.parametrize(
    ("name", "per_square"),
    [
        ("7x7", 49),
        ("1x7_7x1", 14),
        ("two_4x4", 32),
        ("three_3x3", 27),
        ("three_bottlenecks", 9.75),
    ],
)
@pytest.mark.parametrize("channels", [2, 64, 130])
def test_factorisations_see_7x7_at_the_courses_cost(
    name: str, per_square: float, channels: int
) -> None:
    graph = factorisation(name, channels)
    assert weights_of(graph) == per_square * channels**2
    assert analyze(graph).layers[-1].receptive_field == (7, 7)
    assert set(FACTORISATIONS) == {
        account.removeprefix("field_7x7_") for account in accounts() if "field" in account
    }


def test_what_fits_is_flash_and_ram() -> None:
    assert {"esp32_sim", "nano33ble", "nano33ble_sim"} <= set(listed_fits("lenet5"))
    assert "host" not in listed_fits("lenet5")  # which has no limits
    # Its weights fit every board's flash, its activations no board's RAM.
    assert listed_fits("inception_reduced") == []


def test_models_lists_all_and_shows_one_with_its_layers(monkeypatch, tmp_path, capsys) -> None:
    assert run(monkeypatch, tmp_path, "models") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in costs())
    assert "138,344,128" in shown
    assert run(monkeypatch, tmp_path, "models", "inception_mini") == 0
    shown = capsys.readouterr().out
    assert all(p.help in shown for p in models()["inception_mini"].parameter_list())
    assert "29x29" in shown  # the 5x5 of the second block: 3 + 2 * 4 + 2 + 4 * 4
    assert run(monkeypatch, tmp_path, "models", "inceptoin_mini") == 1
    assert 'did you mean "inception_mini"' in capsys.readouterr().err


def test_models_answers_without_tensorflow_and_without_reading_a_model() -> None:
    code = (
        "import sys; from pipeline.cli import cli\n"
        "cli(['models', 'resnet8'], standalone_mode=False)\n"
        "assert not {'tensorflow', 'tf_keras', 'ai_edge_litert', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
