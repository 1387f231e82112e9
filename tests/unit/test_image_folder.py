"""Data sets from folders of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import data
from pipeline.data import cifar10, idx_family
from pipeline.errors import DataError


def draw(path: Path, value: int, size: tuple[int, int] = (4, 6)) -> None:
    """A picture of (height, width) whose red is `value`, green 0 and blue 255."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = value, 255
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split, count in (("train", 3), ("test", 2)):
        for label, name in enumerate(("cat", "dog")):
            for number in range(count):
                draw(tmp_path / split / name / f"{number}.png", 100 * label + number)
    return tmp_path


def test_folders_are_classes_in_the_order_of_their_names(folder: Path) -> None:
    found = data.load(f"{folder}/")
    assert found.class_names == ("cat", "dog")
    assert found.train_images.shape == (6, 4, 6, 3)
    assert found.train_images[:, 0, 0].tolist() == [[v, 0, 255] for v in (0, 1, 2, 100, 101, 102)]
    assert found.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.test_labels.tolist() == [0, 0, 1, 1]
    assert found.scaling.apply(np.uint8(255)) == 1


def test_grayscale_is_the_weighted_sum_that_itu_r_601_gives(folder: Path) -> None:
    gray = data.load(f"{folder}/", grayscale=True)
    assert gray.image_shape == (4, 6, 1)
    luma = 0.299 * np.array([0, 1, 2, 100, 101, 102]) + 0.114 * 255
    np.testing.assert_allclose(gray.train_images[:, 0, 0, 0], luma, atol=1)


def test_without_test_folder_a_share_of_every_class_is_kept(tmp_path: Path) -> None:
    for name, count in (("a", 10), ("b", 5)):
        for number in range(count):
            draw(tmp_path / name / f"{number}.jpg", number)
    found = data.load(f"{tmp_path}/", test_split=0.2)
    assert np.bincount(found.test_labels).tolist() == [2, 1]
    assert np.bincount(found.train_labels).tolist() == [8, 4]
    again = data.load(f"{tmp_path}/", test_split=0.2)
    np.testing.assert_array_equal(again.test_images, found.test_images)


def test_images_of_several_sizes_need_one_to_be_scaled_to(folder: Path) -> None:
    draw(folder / "train" / "dog" / "9.png", 7, size=(8, 12))
    with pytest.raises(DataError, match=r"9\.png has 8 x 12 pixels, the first image 4 x 6; set"):
        data.load(f"{folder}/")
    assert data.load(f"{folder}/", image_size=(5, 5)).train_images.shape == (7, 5, 5, 3)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "train" / "dog" / "1.png").write_bytes(b"no"), r"1\.png: no image"),
        (lambda f: (f / "test" / "emu").mkdir(), "emu has no image"),
        (lambda f: draw(f / "test" / "emu" / "1.png", 1), "differ in their class folders"),
    ],
)
def test_what_is_no_data_set_is_refused_in_one_line(folder: Path, damage, message: str) -> None:
    damage(folder)
    with pytest.raises(DataError, match=message):
        data.load(f"{folder}/")


def test_cifar10_out_of_reach_is_told_and_another_file_is_not_taken(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(idx_family, "keras_archive", lambda *_: (None, "no network"))
    with pytest.raises(DataError, match=r"cannot be fetched \(no network\); connect"):
        cifar10.load(tmp_path)
    images, labels = np.zeros((3, 32, 32, 3), np.uint8), np.arange(3)
    cached = tmp_path / "cifar10" / "cifar10.npz"
    cached.parent.mkdir()
    np.savez(cached, x_train=images, y_train=labels, x_test=images, y_test=labels)
    with pytest.raises(DataError, match="is not CIFAR-10"):
        cifar10.load(tmp_path)
