# SPDX-License-Identifier: Apache-2.0
"""The wire formats as a codec for numcodecs, and so for zarr (version 2 arrays)."""

try:
    from numcodecs.abc import Codec
    from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy
except ImportError as error:
    raise ImportError(
        "opencdma.golden.zarr needs numcodecs; install it with: pip install 'opencdma[zarr]'"
    ) from error

import numpy as np

from . import formats
from .elements import SIZES

_HEADER_BYTES = 8


class OpenCDMA(Codec):
    """Encodes buffers as the hardware does, with the raw length in front.

    A chunk has no place beside it for the raw length, which a decoder needs, so 8 bytes of it,
    little endian, come before the encoding.

    Parameters
    ----------
    format : :class:`int` or :class:`str`
        Number or name of the format.
    element_size : :class:`int`
        Bytes per element: 1, 2 or 4, as in the arrays to be stored.

    Raises
    ------
    UnknownFormatError
        If there is no such format.
    ValueError
        If the element size is another one.
    """

    codec_id = "opencdma"

    def __init__(self, format: int | str = 1, element_size: int = 4):
        if element_size not in SIZES:
            raise ValueError(f"Element size must be 1, 2 or 4 bytes, not {element_size!r}")
        # numcodecs makes the configuration of the public attributes.
        self.format = int(formats.get(format).id)
        self.element_size = int(element_size)

    def encode(self, buf) -> bytes:
        """Return the encoding of any contiguous buffer, its raw length in front.

        Raises
        ------
        ValueError
            If the length is no multiple of the element size.
        """
        raw = ensure_contiguous_ndarray(buf).view(np.uint8)
        self._check_length(raw.size)
        header = raw.size.to_bytes(_HEADER_BYTES, "little")
        return header + formats.get(self.format).encode(raw.view(self._word))

    def decode(self, buf, out=None):
        """Return the bytes that were encoded.

        Parameters
        ----------
        buf : buffer
            What :meth:`encode` returned.
        out : writable buffer, optional
            Where to put them.

        Returns
        -------
        :class:`numpy.ndarray` of :class:`numpy.uint8`, or ``out`` if there is one

        Raises
        ------
        FormatError
            If the encoding is malformed; positions count from behind the raw length.
        ValueError
            If the raw length is missing or no multiple of the element size, or if ``out`` has
            another size.
        """
        data = ensure_contiguous_ndarray(buf).view(np.uint8)
        if data.size < _HEADER_BYTES:
            raise ValueError(
                f"Encoded data must begin with {_HEADER_BYTES} bytes of raw length, "
                f"but there are only {data.size}"
            )
        length = int.from_bytes(data[:_HEADER_BYTES].tobytes(), "little")
        self._check_length(length)
        if out is not None:
            room = ensure_contiguous_ndarray(out).nbytes
            if room != length:
                raise ValueError(f"Output must have room for {length} bytes, not for {room}")
        raw = formats.get(self.format).decode(
            data[_HEADER_BYTES:], dtype=self._word, count=length // self.element_size
        )
        return ndarray_copy(raw.view(np.uint8), out)

    @property
    def _word(self) -> np.dtype:
        return np.dtype(f"<u{self.element_size}")

    def _check_length(self, length: int) -> None:
        if length % self.element_size:
            raise ValueError(
                f"Raw length must be a multiple of the element size of {self.element_size} bytes, "
                f"not {length}; set element_size to the size of the array's elements"
            )
