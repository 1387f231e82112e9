"""The IDX file format of the MNIST family.

Layout, as published with MNIST: two zero bytes, one byte for the element type (0x08: unsigned
byte), one byte for the number of dimensions, each dimension as a big-endian 32-bit integer, then
the elements in row-major order.
"""

from __future__ import annotations

import math
import struct

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError

_UNSIGNED_BYTE = 0x08


def read_idx(content: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Parses an IDX file of unsigned bytes into a read-only array of the shape it declares.

    Args:
        name: what to call the file in messages.

    Raises:
        DataError: another element type, or more or fewer elements than the header declares.
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(f"data: {name} is not an IDX file")
    if content[2] != _UNSIGNED_BYTE:
        raise DataError(f"data: {name} has IDX element type 0x{content[2]:02x}, 0x08 is supported")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"data: {name} ends within its IDX header")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    elements = len(content) - start
    if elements != math.prod(shape):
        raise DataError(f"data: {name} holds {elements} elements, its header declares {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def write_idx(values: npt.NDArray[np.uint8]) -> bytes:
    """The IDX file of an array of unsigned bytes."""
    header = struct.pack(f">2xBB{values.ndim}I", _UNSIGNED_BYTE, values.ndim, *values.shape)
    return header + values.astype(np.uint8, casting="equiv").tobytes()
