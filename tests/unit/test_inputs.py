"""Input vectors: drawn by seed, read from files, refused with one clear line."""

import io

import numpy as np
import pytest

from pipeline.errors import DataError, UsageError
from pipeline.graph import DType, Graph, Operator, Quantization, Tensor
from pipeline.inputs import load_inputs, outputs_npz, pack, unpack


def graph_of(*inputs, operators=()):
    return Graph(tensors=inputs, operators=operators, inputs=inputs, outputs=())


IMAGE = Tensor(0, "image", (1, 4, 4, 1), DType.INT8)
FEATURE = Tensor(1, "feature", (1, 3), DType.FLOAT32)


def test_random_vectors_hold_both_extremes_and_follow_the_seed():
    vectors = load_inputs("random:32", graph_of(IMAGE), seed=5)
    assert len(vectors) == 32
    assert all(x.shape == (1, 4, 4, 1) and x.dtype == np.int8 for (x,) in vectors)
    assert (vectors[0][0] == -128).all()
    assert (vectors[1][0] == 127).all()
    assert len({x.tobytes() for (x,) in vectors}) == 32
    again = load_inputs("random:32", graph_of(IMAGE), seed=5)
    assert [pack(v) for v in again] == [pack(v) for v in vectors]
    assert pack(load_inputs("random:32", graph_of(IMAGE), seed=6)[2]) != pack(vectors[2])


def test_random_floats_reach_beyond_what_the_model_quantizes_them_to():
    quantized = Tensor(2, "q", (1, 3), DType.INT8, Quantization((0.5,), (-100,)))
    quantize = Operator(0, "QUANTIZE", 1, (FEATURE,), (quantized,))
    vectors = load_inputs("random:200", graph_of(FEATURE, operators=(quantize,)))
    values = np.concatenate([x for (x,) in vectors])
    # -128 stands for (-128 + 100) * 0.5 = -14 and 127 for 113.5; a tenth of 127.5 beyond each
    assert values.min() == pytest.approx(-26.75)
    assert values.max() == pytest.approx(126.25)


@pytest.mark.parametrize("shape", [(5, 4, 4, 1), (5, 1, 4, 4, 1)])
def test_an_array_with_or_without_the_batch_axis(tmp_path, shape):
    values = np.arange(80, dtype=np.int8).reshape(shape)
    np.save(tmp_path / "x.npy", values)
    vectors = load_inputs(str(tmp_path / "x.npy"), graph_of(IMAGE))
    assert [x.shape for (x,) in vectors] == [(1, 4, 4, 1)] * 5
    assert b"".join(pack(v) for v in vectors) == values.tobytes()


def test_several_inputs_come_by_name_in_the_models_order(tmp_path):
    features = np.array([[0.5, -1, 2], [3, 4, 5]], np.float32)
    images = np.arange(32, dtype=np.int8).reshape(2, 4, 4, 1)
    np.savez(tmp_path / "x.npz", x1=features, x0=images)
    vectors = load_inputs(str(tmp_path / "x.npz"), graph_of(IMAGE, FEATURE))
    assert pack(vectors[1]) == images[1].tobytes() + features[1].tobytes()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x0": np.zeros((2, 4, 4, 1), np.uint8)}, "x0 has dtype uint8, the model takes int8"),
        (
            {"x0": np.zeros((2, 16), np.int8)},
            "x0 has shape (2, 16), the model takes (N, 4, 4, 1)",
        ),
        ({"x0": np.int8(3)}, "x0 has shape (), the model takes (N, 4, 4, 1)"),
        ({"image": np.zeros((2, 4, 4, 1), np.int8)}, "holds image, x1; the model needs x0, x1"),
        (
            {"x0": np.zeros((3, 4, 4, 1), np.int8)},
            "holds 3, 2 vectors for x0, x1; give each input the same number, at least one",
        ),
        (
            {"x0": np.zeros((2, 4, 4, 1), np.int8), "x1": np.full((2, 3), np.nan, np.float32)},
            "x1 holds values that are not finite",
        ),
        (
            {"x0": np.array([{}]), "x1": np.zeros((2, 3), np.float32)},
            "neither random:N nor a readable .npy or .npz file of numbers",
        ),
    ],
)
def test_an_npz_that_does_not_fit_is_refused(tmp_path, arrays, message):
    path = tmp_path / "x.npz"
    np.savez(path, **{"x1": np.zeros((2, 3), np.float32), **arrays})
    with pytest.raises(DataError) as error:
        load_inputs(str(path), graph_of(IMAGE, FEATURE))
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "neither random:N nor a readable .npy or .npz file of numbers"),
        (b"PK\x03\x04 no archive", "neither random:N nor a readable .npy or .npz file of numbers"),
        (b"\x93NUMPY\x01\x00\x46\x00{", "neither random:N nor a readable .npy or .npz file"),
    ],
)
def test_a_file_that_is_no_array_is_refused(tmp_path, content, message):
    path = tmp_path / "x.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_inputs(str(path), graph_of(IMAGE))


@pytest.mark.parametrize("source", ["random:0", "random:", "random:-1", "random:x", "random:1e9"])
def test_a_bad_count_is_refused(source):
    with pytest.raises(UsageError, match="N in random:N must be 1 to 100000"):
        load_inputs(source, graph_of(IMAGE))


def test_outputs_travel_as_bytes_and_are_saved_without_the_batch_axis():
    scores = Tensor(2, "scores", (1, 2), DType.INT8)
    content = np.array([1, -2], np.int8).tobytes() + np.array([0.5, 1, 2], np.float32).tobytes()
    outputs = unpack(content, (scores, FEATURE))
    saved = np.load(io.BytesIO(outputs_npz([outputs] * 4)))
    assert saved["y0"].tolist() == [[1, -2]] * 4
    assert saved["y1"].tolist() == [[0.5, 1, 2]] * 4
    with pytest.raises(DataError, match="13 bytes of tensors, the model has 14"):
        unpack(content[:-1], (scores, FEATURE))
