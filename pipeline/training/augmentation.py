"""Images changed at random as they are trained on; calibration and test images never are.

All randomness is a function of (seed, update), so that a training that is taken up again goes on
as it would have.
"""

from __future__ import annotations

import math
from typing import Any

from pipeline.spec import AugmentationSpec
from pipeline.training.tensorflow_setup import tensorflow


def augment(images: Any, augmentation: AugmentationSpec, seed: int, update: Any) -> Any:
    """Changes every image of a batch in its own way.

    Args:
        images: float32 tensor (samples, height, width, channels), as the model sees them.
        update: int tensor, the number of the update.

    Returns:
        A tensor of the same shape. What moves in from beyond the border is 0.
    """
    tf = tensorflow()
    draw = _Draw(tf, seed, update, tf.shape(images)[0])
    images = _moved(tf, images, augmentation, draw)
    if augmentation.noise > 0:
        images += augmentation.noise * draw.normal(tf.shape(images))
    if augmentation.cutout > 0:
        images *= _cutout(tf, images, augmentation.cutout, draw)
    return images


class _Draw:
    """Random numbers of one update, each use with a stream of its own."""

    def __init__(self, tf: Any, seed: int, update: Any, samples: Any) -> None:
        self._tf, self._samples, self._uses = tf, samples, 0
        self._seed = (seed, update)

    def _stream(self) -> Any:
        self._uses += 1
        seed, update = self._seed
        words = self._tf.stack(
            [self._tf.constant(seed, self._tf.int64), self._tf.cast(update, self._tf.int64)]
        )
        return self._tf.random.experimental.stateless_fold_in(words, self._uses)

    def uniform(self, limit: float) -> Any:
        """(samples,), within +-limit."""
        return self._tf.random.stateless_uniform((self._samples,), self._stream(), -limit, limit)

    def normal(self, shape: Any) -> Any:
        return self._tf.random.stateless_normal(shape, self._stream())


def _moved(tf: Any, images: Any, augmentation: AugmentationSpec, draw: _Draw) -> Any:
    """Rotated, zoomed, flipped and shifted about the image's centre in one interpolation."""
    shift, zoom = augmentation.shift, augmentation.zoom
    if not (shift > 0 or zoom > 0 or augmentation.rotate > 0 or augmentation.flip):
        return images
    height, width = images.shape[1], images.shape[2]
    angle = draw.uniform(math.radians(augmentation.rotate))
    scale = 1 / (1 + draw.uniform(zoom))
    mirror = tf.sign(draw.uniform(1.0)) if augmentation.flip else tf.ones_like(angle)
    # Output pixel (x, y) is taken from (a0 x + a1 y + a2, b0 x + b1 y + b2) of the input.
    cosine, sine = scale * tf.cos(angle), scale * tf.sin(angle)
    a0, a1, b0, b1 = mirror * cosine, -mirror * sine, sine, cosine
    x, y = (width - 1) / 2, (height - 1) / 2
    a2 = x - a0 * x - a1 * y + draw.uniform(shift)
    b2 = y - b0 * x - b1 * y + draw.uniform(shift)
    none = tf.zeros_like(angle)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a0, a1, a2, b0, b1, b2, none, none], axis=1),
        output_shape=tf.constant([height, width]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _cutout(tf: Any, images: Any, side: int, draw: _Draw) -> Any:
    """1, and 0 in a square of every image that lies anywhere, partly outside too (DeVries and
    Taylor, arXiv:1708.04552)."""

    def outside(size: int) -> Any:
        centre = (draw.uniform(0.5) + 0.5) * size
        distance = tf.abs(tf.range(size, dtype=tf.float32) + 0.5 - centre[:, tf.newaxis])
        return distance > side / 2

    rows, columns = outside(images.shape[1]), outside(images.shape[2])
    kept = tf.logical_or(rows[:, :, tf.newaxis], columns[:, tf.newaxis, :])
    return tf.cast(kept, images.dtype)[..., tf.newaxis]
