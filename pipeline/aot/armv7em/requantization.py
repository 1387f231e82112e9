"""Requantization in two instructions: constants, and the proof that they are TensorFlow Lite's.

The kernels hold a sum T as 256 T + phase and compute, with SMMLA and SSAT ..., ASR #shift,

    g(T) = saturate8((floor((256 T + phase) multiplier / 2^32) + offset) >> shift)

where in the signed form the offset is more by half of `negative_steps(multiplier)` for T >= 0 and
less by the other half for T < 0. Multiplier and phase are a channel's, offset and shift are the
layer's.

TensorFlow Lite rounds twice: r = floor(T m / 2^31 + 1/2), then r / 2^e half away from zero, then
adds the zero point. Both functions never fall, so they are equal for all T if and only if they
pass every output value at the same T. That is what `fits` proves: for every output value n, the
smallest T at which TensorFlow Lite reaches n must be the smallest at which g does.

Where they come from: as real numbers both are lines in T, rounded. The second rounding's half is in
the offset. The first rounding's half is 1/2 of 2^-e; a tie of a negative value is rounded away
from zero, so that negative sums are behind by 2^-e: +-1/2 of 2^-e is what the signed form adds, and
since m has 31 bits it is the multiplier's highest bit alone, shifted. In the other form it is the
phase, 128..256: 2^-e is between 1 and 2 of what T grows by.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]

SUM_BITS = 24  # 256 T fits 32 bits
_INT8_MIN, _INT8_MAX = -128, 127
_LEVELS = np.arange(_INT8_MIN + 1, _INT8_MAX + 1, dtype=np.int64)
_LARGEST_MULTIPLIER = (1 << 31) - 1
# Multipliers tried beside the nearest, in units that move the farthest thresholds by some 1/1000 of
# one more in T, and offsets beside the half: rounding may leave no room for a phase.
_NEIGHBOURS = tuple(sorted((*range(-8, 0), *range(1, 9)), key=abs))
_IN_VAIN = 6  # steps that helped no channel: more will not
_SLOPE_BITS = 18
_OFFSETS = (0, 1, -1, 3, 8)
_LARGEST_PHASE = 255
_FAR = 1 << 62
_HOPELESS = 0.5  # share of channels without constants at the nearest: others will not do
_WAYS = 6  # final shifts to offer
# In order of preference: a kernel may be rendered for one shift, so layers should agree on it.
_SHIFTS = (12, 11, 13, 10, 14, 9, 15, 8, 16, 7, 17, 6, 18, 5, 19, 20, 21, 22)


@dataclass(frozen=True, eq=False)
class Requantization:
    """Constants of one layer; arrays have the shape (output channels,).

    Attributes:
        shift: of all channels, 5..22.
        offset: of all channels: zero point and rounding, in units of 2^-shift.
        multipliers: 0..2^31 - 1.
        phases: 0..255.
        signed: the form.
    """

    shift: int
    offset: int
    multipliers: Int64Array
    phases: Int64Array
    signed: bool


def negative_steps(multipliers: Int64Array) -> Int64Array:
    """What the offset is less for a negative sum: 256 >> CLZ(multiplier); its half is rounded down
    where it is added.
    """
    return np.asarray((1 << np.frexp(multipliers)[1].astype(np.int64)) >> 24, np.int64)


def fits(
    multipliers: npt.NDArray[np.int32],
    shifts: npt.NDArray[np.int8],
    zero_point: int,
    sums: tuple[Int64Array, Int64Array],
    signed: bool,
    granule: int = 1,
) -> list[Requantization]:
    """Constants that equal TensorFlow Lite's for every sum, for some final shifts that have any.

    Args:
        multipliers: Q0.31 per channel, as `quantize_multiplier` gives them.
        shifts: per channel, positive to the left; those make the answer empty.
        zero_point: of the output; the output's range must be the whole of int8.
        sums: the smallest and the largest sum of each channel; within SUM_BITS bits.
        signed: the form; the other one is for a zero point of -128 alone.
        granule: what all multipliers of the answer are multiples of.
    """
    low, high = sums
    return list(
        _fits(
            multipliers.astype(np.int64).tobytes(),
            shifts.astype(np.int64).tobytes(),
            zero_point,
            low.astype(np.int64).tobytes(),
            high.astype(np.int64).tobytes(),
            signed,
            granule,
        )
    )


@functools.lru_cache(maxsize=1024)  # a layer is asked about for every number of rows it may have
def _fits(
    multipliers: bytes,
    shifts: bytes,
    zero_point: int,
    lowest: bytes,
    highest: bytes,
    signed: bool,
    granule: int,
) -> tuple[Requantization, ...]:
    m: Int64Array = np.frombuffer(multipliers, np.int64)
    e: Int64Array = -np.frombuffer(shifts, np.int64)
    # Sums of either sign exist.
    first = np.minimum(np.frombuffer(lowest, np.int64), -1)
    last = np.maximum(np.frombuffer(highest, np.int64), 0)
    if (e < 0).any() or (e > 20).any() or ((m != 0) & (m < 1 << 30)).any():
        return ()
    dead = m == 0  # such a channel's output is the zero point
    m, e = np.where(dead, 1 << 30, m), np.where(dead, 7, e)  # constants that exist
    thresholds = _thresholds(m, e, zero_point)
    ranges = [_range(thresholds, first, last, 0)]
    if signed:
        zeros = np.zeros_like(m)
        ranges = [_range(thresholds, zeros, last, 1), _range(thresholds, first, zeros - 1, -1)]
    found = (_fit_shift(m, e, zero_point, ranges, shift, granule) for shift in _SHIFTS)
    exact = (
        replace(each, multipliers=np.where(dead, 0, each.multipliers))
        for each in found
        if each is not None
    )
    return tuple(itertools.islice(exact, _WAYS))


@dataclass(frozen=True, eq=False)
class _Range:
    """What TensorFlow Lite gives for the sums of one sign, or for all; (channels, 255) each.

    Attributes:
        reached: 256 times the smallest sum of the range whose output is at least n, n = -127..127.
        missed: 256 times the largest whose output is less.
        reaches, misses: where there is one.
        side: 1 where the sums are not negative, -1 where they are, 0 for all.
    """

    reached: Int64Array
    missed: Int64Array
    reaches: npt.NDArray[np.bool_]
    misses: npt.NDArray[np.bool_]
    side: int

    def of(self, channels: Int64Array) -> _Range:
        """Of some channels."""
        return _Range(
            self.reached[channels],
            self.missed[channels],
            self.reaches[channels],
            self.misses[channels],
            self.side,
        )


def _range(thresholds: Int64Array, first: Int64Array, last: Int64Array, side: int) -> _Range:
    """Args: thresholds: smallest T whose output is n; first, last: of the sums; (channels,)."""
    first, last = first[:, np.newaxis], last[:, np.newaxis]
    return _Range(
        reached=256 * np.maximum(thresholds, first),
        missed=256 * np.minimum(thresholds - 1, last),
        reaches=thresholds <= last,
        misses=thresholds > first,
        side=side,
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
    m: Int64Array, e: Int64Array, zero_point: int, ranges: list[_Range], shift: int, granule: int
) -> Requantization | None:
    # T * 256 * scaled / 2^(32 + shift) = T * m / 2^(31 + e)
    up, down = np.maximum(shift - 7 - e, 0), np.maximum(e + 7 - shift, 0)
    nearest = np.asarray(((m << up) + ((1 << down) >> 1)) >> down, np.int64)
    nearest = (nearest + granule // 2) // granule * granule
    unit = np.maximum(nearest >> (e + _SLOPE_BITS), 1)
    unit = (unit + granule - 1) // granule * granule
    if int((nearest + _NEIGHBOURS[-1] * unit).max()) > _LARGEST_MULTIPLIER:
        return None
    for beside in _OFFSETS:
        offset = (zero_point << shift) + (1 << (shift - 1)) + beside
        fitted = _fit_multipliers(nearest, unit, offset, shift, ranges)
        if fitted is not None:
            return Requantization(shift, offset, *fitted, signed=len(ranges) > 1)
    return None


def _fit_multipliers(
    nearest: Int64Array, unit: Int64Array, offset: int, shift: int, ranges: list[_Range]
) -> tuple[Int64Array, Int64Array] | None:
    """Multipliers, whole units beside the nearest, and their phases."""
    multipliers = nearest.copy()
    phases, exact = _phases(nearest, offset, shift, ranges)
    missing = np.flatnonzero(~exact)
    if missing.size > _HOPELESS * nearest.size:
        return None
    steps, in_vain = iter(_NEIGHBOURS), 0
    while missing.size and in_vain < _IN_VAIN:
        step = next(steps, None)
        if step is None:
            return None
        trial = np.maximum(nearest[missing] + step * unit[missing], 0)
        found, exact = _phases(trial, offset, shift, [r.of(missing) for r in ranges])
        multipliers[missing[exact]], phases[missing[exact]] = trial[exact], found[exact]
        missing = missing[~exact]
        in_vain = 0 if exact.any() else in_vain + 1
    return None if missing.size else (multipliers, phases)


def _phases(
    multipliers: Int64Array, offset: int, shift: int, ranges: list[_Range]
) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """A phase for each channel, and whether it is exact for every sum.

    A level is reached at 256 T if phase * multiplier >= need, missed if phase * multiplier < need,
    where need = 2^32 (level - offset) - 256 T * multiplier.
    """
    scale = multipliers[:, np.newaxis]
    least = np.zeros_like(multipliers)  # of phase * multiplier
    beyond = (_LARGEST_PHASE + 1) * np.maximum(multipliers, 1)
    steps = negative_steps(multipliers)
    half = steps >> 1
    more = (np.zeros_like(steps), half, half - steps)  # of the offset, by side
    for each in ranges:
        levels = ((_LEVELS << shift) - offset - more[each.side][:, np.newaxis]) << 32
        need = levels - each.reached * scale
        least = np.maximum(least, need.max(axis=1, where=each.reaches, initial=0))
        need = levels - each.missed * scale
        beyond = np.minimum(beyond, need.min(axis=1, where=each.misses, initial=_FAR))
    divisor = np.maximum(multipliers, 1)
    low, high = _ceil_divide(least, divisor), _ceil_divide(beyond, divisor) - 1
    phases = np.clip((low + high) >> 1, 0, _LARGEST_PHASE)
    return phases, low <= high


def _ceil_divide(value: Int64Array, divisor: Int64Array) -> Int64Array:
    return -((-value) // divisor)
