"""Ranges without outliers, and what the converter's quantizer makes of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from compressed import images, zoo_network
from pipeline import calibration
from pipeline.calibration import least_error_range, percentile_range
from pipeline.graph import DType
from pipeline.spec import QuantizationSpec
from pipeline.tflite_reader import read_tflite


def test_a_percentile_leaves_out_half_of_the_rest_at_either_end():
    counts = np.zeros(1000, np.int64)
    counts[:] = 10  # uniform from -1 to 1
    assert percentile_range(counts, (-1.0, 1.0), 100) == (-1.0, 1.0)
    low, high = percentile_range(counts, (-1.0, 1.0), 90)
    assert (low, high) == (pytest.approx(-0.9, abs=0.003), pytest.approx(0.9, abs=0.003))
    # All values above 0: the range begins there, since 0 must be in it.
    assert percentile_range(counts, (1.0, 3.0), 90)[0] == 0.0


def test_the_range_of_least_error_clips_a_rare_outlier_and_nothing_else():
    generator = np.random.default_rng(1)
    values = generator.normal(0, 1, 200_000)
    bounds = (float(values.min()), float(values.max()))
    counts, _ = np.histogram(values, 4096, bounds)
    assert least_error_range(counts, bounds)[1] > 0.8 * bounds[1]
    counts, _ = np.histogram(np.append(values, 40.0), 4096, (bounds[0], 40.0))
    found = least_error_range(counts, (bounds[0], 40.0))

    def error(high: float) -> float:
        """Independent: on the values themselves, with numpy's own rounding to a grid."""
        low = bounds[0] * high / 40
        step = (high - low) / 255
        clipped = np.clip(np.append(values, 40.0), low, high)
        return float(np.square(np.rint(clipped / step) * step - np.append(values, 40.0)).sum())

    assert found[1] < 40.0
    assert error(found[1]) < error(40.0)
    assert error(found[1]) <= 1.01 * min(error(high) for high in np.linspace(8, 40, 129))


@pytest.mark.training
@pytest.mark.parametrize("name", ["conv_mnist", "mobilenet_v2", "squeezenet"])
def test_with_the_widest_ranges_the_second_half_gives_what_the_converter_gives(name, monkeypatch):
    from pipeline.convert import convert_network

    network = zoo_network(name)
    inputs = images(network, 8)
    widest = QuantizationSpec(calibration="percentile", calibration_percentile=100)
    # Bins are as wide as a 4096th of the range, so the converter's own ends are given back.
    monkeypatch.setattr(calibration, "percentile_range", lambda counts, ends, percentile: ends)
    ours = read_tflite(convert_network(network, inputs, widest).content)
    theirs = read_tflite(convert_network(network, inputs).content)
    assert [op.kind for op in ours.operators] == [op.kind for op in theirs.operators]
    for mine, other in zip(ours.operators, theirs.operators, strict=True):
        for a, b in zip(
            (*mine.inputs, *mine.outputs), (*other.inputs, *other.outputs), strict=True
        ):
            assert (a is None) == (b is None)
            if a is not None and b is not None:
                assert a.quantization == b.quantization
                np.testing.assert_array_equal(np.asarray(a.data), np.asarray(b.data))


@pytest.mark.training
def test_an_outlier_in_the_calibration_set_no_longer_widens_the_ranges():
    from pipeline.convert import convert_network

    network = zoo_network("conv_mnist")
    inputs = images(network, 20)
    outlying = inputs.copy()
    outlying[3, 9, 9, 0] = 500.0

    def first_output_scale(data, **settings) -> float:
        spec = QuantizationSpec(calibration_percentile=99.5, **settings)
        graph = read_tflite(convert_network(network, data, spec).content)
        assert {t.dtype for t in graph.tensors} <= {DType.INT8, DType.INT32}
        return float(graph.operators[0].outputs[0].scale)

    clean, widened = first_output_scale(inputs), first_output_scale(outlying)
    assert widened > 10 * clean
    assert first_output_scale(outlying, calibration="percentile") < 1.5 * clean
    # What clipping 500 costs is squared: the range of least error stays wide, but not as wide.
    assert clean < first_output_scale(outlying, calibration="error") < widened


@pytest.mark.training
def test_convolutions_have_one_scale_where_that_is_asked_for():
    from pipeline.convert import convert_network

    network = zoo_network("mobilenet_v1")
    inputs = images(network, 4)
    scales = {}
    for per_channel in (True, False):
        settings = dataclasses.replace(QuantizationSpec(), per_channel=per_channel)
        graph = read_tflite(convert_network(network, inputs, settings).content)
        scales[per_channel] = [
            len(op.inputs[1].quantization.scales)
            for op in graph.operators
            if op.kind in {"CONV_2D", "DEPTHWISE_CONV_2D"}
        ]
    assert set(scales[False]) == {1}
    assert len(scales[True]) == len(scales[False])
    assert min(scales[True]) > 1


@pytest.mark.training
@pytest.mark.parametrize("name", ["conv_mnist", "mobilenet_v2"])
def test_with_activations_of_16_bits_tflm_computes_nearly_what_float_does(name):
    from compressed import outputs
    from pipeline.convert import convert_network
    from pipeline.golden import golden_outputs
    from pipeline.quantize import quantize

    network = zoo_network(name)
    inputs = images(network, 4)
    model = convert_network(network, inputs, QuantizationSpec(mode="16x8"))
    graph = read_tflite(model.content)
    (entry,), (result,) = graph.inputs, graph.outputs
    assert (entry.dtype, result.dtype) == (DType.INT16, DType.INT16)
    stored = quantize(inputs, entry.scale, entry.zero_point, entry.dtype)
    found = golden_outputs(model.content, [(image[np.newaxis],) for image in stored])
    real = np.concatenate([one * result.scale for (one,) in found])
    np.testing.assert_allclose(real, outputs(network, inputs), atol=0.005)


def test_16x8_is_calibrated_by_minimum_and_maximum_only(tmp_path):
    from pipeline.errors import SpecError
    from pipeline.spec import parse_spec
    from pipeline.target import known_names

    text = '[model]\nname = "linear_mnist"\n[data]\nname = "mnist"\n[quantization]\n'
    text += 'mode = "16x8"\ncalibration = "error"'
    with pytest.raises(
        SpecError, match=r'x\.toml:7: \[quantization\] calibration = "error" needs mode = "ptq"'
    ):
        parse_spec(text, tmp_path / "x.toml", known_names())


@pytest.mark.training
def test_hard_swish_has_no_form_with_16_bits():
    from pipeline.convert import convert_network
    from pipeline.errors import ModelError

    network = zoo_network("mobilenet_v3")
    with pytest.raises(ModelError, match=r"^convert: mobilenet_v3: [^\n]*HARD_SWISH[^\n]*$"):
        convert_network(network, images(network, 2), QuantizationSpec(mode="16x8"))
