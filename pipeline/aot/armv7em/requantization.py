"""Requantization in two instructions: constants, and the proof that they are TensorFlow Lite's.

The kernels hold a sum T as 256 T and compute, with SMMLA and SSAT ..., ASR #shift,

    g(T) = saturate8((floor(256 T * multiplier / 2^32) + offset) >> shift)

where the offset is lower by a step for T < 0 in the signed form. TensorFlow Lite rounds
twice: r = floor(T m / 2^31 + 1/2), then r / 2^e half away from zero, then adds the zero point. Both
functions never fall, so they are equal for all T if and only if they pass every output value at the
same T. That is what `fits` computes with: for every output value n, the smallest T at which
TensorFlow Lite reaches n must be the smallest at which g does. Each n bounds the offset from both
sides; an offset within all bounds is exact for every T.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]

SUM_BITS = 24  # 256 T fits 32 bits
_INT8_MIN, _INT8_MAX = -128, 127
_LEVELS = np.arange(_INT8_MIN + 1, _INT8_MAX + 1, dtype=np.int64)
_LARGEST_MULTIPLIER = (1 << 31) - 1
_LARGEST_OFFSET = 1 << 30  # the product's upper half is below 2^30, so their sum fits 32 bits
# Multipliers tried beside the nearest: rounding may leave no room for an offset.
_NEIGHBOURS = tuple(sorted(range(-24, 25), key=abs))
_HOPELESS = 0.3  # share of channels without an offset beside the nearest: others will not do
_WAYS = 6  # final shifts to offer
_FAR = 1 << 40  # beyond any offset
# In order of preference: a kernel may be rendered for one shift, so layers should agree on it.
_SHIFTS = (12, 11, 13, 10, 14, 9, 15, 8, 16, 7, 17, 6, 18, 5, 19, 20, 21, 22)


@dataclass(frozen=True, eq=False)
class Requantization:
    """Constants of one layer; arrays have the shape (output channels,).

    Attributes:
        shift: of all channels, 5..22.
        multipliers: 0..2^31 - 1.
        offsets: zero point and rounding, in units of 2^-shift.
        negative_steps: what the offset is less for a negative sum; None where the zero point is
            -128, so that negative sums give -128 whichever way they are rounded.
    """

    shift: int
    multipliers: Int64Array
    offsets: Int64Array
    negative_steps: Int64Array | None


def fits(
    multipliers: npt.NDArray[np.int32],
    shifts: npt.NDArray[np.int8],
    zero_point: int,
    sums: tuple[Int64Array, Int64Array],
) -> list[Requantization]:
    """Constants that equal TensorFlow Lite's for every sum, for some final shifts that have any.

    Args:
        multipliers: Q0.31 per channel, as `quantize_multiplier` gives them.
        shifts: per channel, positive to the left; those make the answer empty.
        zero_point: of the output; the output's range must be the whole of int8.
        sums: the smallest and the largest sum of each channel; within SUM_BITS bits.
    """
    low, high = sums
    return list(
        _fits(
            multipliers.astype(np.int64).tobytes(),
            shifts.astype(np.int64).tobytes(),
            zero_point,
            low.astype(np.int64).tobytes(),
            high.astype(np.int64).tobytes(),
        )
    )


@functools.lru_cache(maxsize=1024)  # a layer is asked about for every number of rows it may have
def _fits(
    multipliers: bytes, shifts: bytes, zero_point: int, lowest: bytes, highest: bytes
) -> tuple[Requantization, ...]:
    m: Int64Array = np.frombuffer(multipliers, np.int64)
    e: Int64Array = -np.frombuffer(shifts, np.int64)
    sums = np.frombuffer(lowest, np.int64), np.frombuffer(highest, np.int64)
    if (e < 0).any() or (e > 20).any() or ((m != 0) & (m < 1 << 30)).any():
        return ()
    dead = m == 0  # such a channel's output is the zero point
    m = np.where(dead, 1 << 30, m)
    thresholds = _thresholds(m, e, zero_point)
    found = (_fit_shift(m, e, zero_point, shift, thresholds, sums) for shift in _SHIFTS)
    exact = (_silence(each, dead, zero_point) for each in found if each is not None)
    return tuple(itertools.islice(exact, _WAYS))


def _silence(found: Requantization, dead: npt.NDArray[np.bool_], zero_point: int) -> Requantization:
    steps = found.negative_steps
    return Requantization(
        found.shift,
        np.where(dead, 0, found.multipliers),
        np.where(dead, zero_point << found.shift, found.offsets),
        None if steps is None else np.where(dead, 0, steps),
    )


def _thresholds(m: Int64Array, e: Int64Array, zero_point: int) -> Int64Array:
    """Smallest T whose TensorFlow Lite output is n; (channels, 255) for n = -127..127."""
    steps = _LEVELS - zero_point
    half = np.where(e > 0, 1 << np.maximum(e - 1, 0), 0)[:, np.newaxis]
    rounded = (steps << e[:, np.newaxis]) - half
    # A tie of a negative value is rounded away from zero, so it does not reach the step.
    rounded += ((steps <= 0) & (e[:, np.newaxis] > 0)).astype(np.int64)
    # floor(T m / 2^31 + 1/2) >= rounded
    return _ceil_divide((rounded << 31) - (1 << 30), m[:, np.newaxis])


def _fit_shift(
    m: Int64Array,
    e: Int64Array,
    zero_point: int,
    shift: int,
    thresholds: Int64Array,
    sums: tuple[Int64Array, Int64Array],
) -> Requantization | None:
    # T * 256 * scaled / 2^(32 + shift) = T * m / 2^(31 + e)
    up, down = np.maximum(shift - 7 - e, 0), np.maximum(e + 7 - shift, 0)
    nearest = np.asarray(((m << up) + ((1 << down) >> 1)) >> down, np.int64)
    if int(nearest.max()) > _LARGEST_MULTIPLIER - max(_NEIGHBOURS):
        return None
    signed = zero_point != _INT8_MIN
    # Both ranges contain at least one sum, so that bounds exist.
    first, last = np.minimum(sums[0], -1), np.maximum(sums[1], 0)
    scaled, offsets, below = nearest.copy(), np.zeros_like(m), np.zeros_like(m)
    missing = np.ones(m.shape, np.bool_)
    for step in _NEIGHBOURS:
        trial = np.maximum(nearest + step, 0)[missing]
        ranges = [(first[missing], last[missing])]
        if signed:
            zeros = np.zeros_like(trial)
            ranges = [(zeros, last[missing]), (first[missing], zeros - 1)]
        found = [_offsets(trial, shift, thresholds[missing], *bounds) for bounds in ranges]
        exact = np.logical_and.reduce([ok for _, ok in found])
        where = np.flatnonzero(missing)[exact]
        scaled[where] = trial[exact]
        offsets[where], below[where] = found[0][0][exact], found[-1][0][exact]
        missing[where] = False
        if not missing.any() or (abs(step) > 1 and missing.mean() > _HOPELESS):
            break
    if missing.any() or max(int(abs(offsets).max()), int(abs(below).max())) >= _LARGEST_OFFSET:
        return None
    return Requantization(shift, scaled, offsets, offsets - below if signed else None)


def _offsets(
    multipliers: Int64Array, shift: int, thresholds: Int64Array, first: Int64Array, last: Int64Array
) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """Offsets that are exact for every T from `first` to `last`, and which channels have one."""
    levels = _LEVELS << shift
    first, last = first[:, np.newaxis], last[:, np.newaxis]
    reaching = np.maximum(thresholds, first)  # here g must be at least the level
    missing = np.minimum(thresholds - 1, last)  # here it must be below
    products = multipliers[:, np.newaxis]
    lower = np.where(reaching <= last, levels - ((products * reaching) >> SUM_BITS), -_FAR)
    upper = np.where(missing >= first, levels - 1 - ((products * missing) >> SUM_BITS), _FAR)
    low, high = lower.max(axis=1), upper.min(axis=1)
    exact = low <= high
    # Where all T give the smallest or the largest output only one side is bounded.
    low, high = np.where(low == -_FAR, high, low), np.where(high == _FAR, low, high)
    return np.asarray((low + high) >> 1, np.int64), exact


def _ceil_divide(value: Int64Array, divisor: Int64Array) -> Int64Array:
    return -((-value) // divisor)
