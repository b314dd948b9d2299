# SPDX-License-Identifier: Apache-2.0
"""The driver's front door: arrays in, compressed arrays out, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from opencdma.spec import (
    GROUP_BYTES,
    MAX_RAW_LENGTH,
    Channel,
    Descriptor,
    Flag,
    FormatId,
    Opcode,
    Record,
    element_type_of,
)

from .arrays import Compressed, DeviceArray
from .buffers import Buffer
from .engine import Engine

__all__ = ["Device"]


class Device(Engine):
    """An engine that moves arrays. Parameters and errors are those of its base class."""

    def free(self, item: Buffer | DeviceArray | Compressed) -> None:
        """Give memory back. What waits for the engine must not use it any more."""
        super().free(item if isinstance(item, Buffer) else item.buffer)

    def place(self, array: np.ndarray) -> DeviceArray:
        """Put an array into device memory, without the engine.

        Raises
        ------
        ValueError, OutOfMemoryError
            If the engine has no elements of this type, or the array does not fit.
        """
        array = np.asarray(array)
        self._check_dtype(array.dtype)
        data = array.tobytes()
        buffer = self.allocate("dev", len(data))
        self.write(buffer, data)
        return DeviceArray(buffer, array.dtype, array.shape)

    def fetch(self, array: DeviceArray) -> np.ndarray:
        """Return a copy of an array in device memory, without the engine."""
        data = np.frombuffer(bytearray(self.read(array.buffer)), array.dtype)
        return data.reshape(array.shape)

    def compress(
        self, array: np.ndarray | DeviceArray, *, format: str | FormatId = FormatId.ZVC,
        raw_if_larger: bool = True, verify: bool = False,
    ) -> Compressed:
        """Compress an array into host memory.

        Parameters
        ----------
        array : :class:`numpy.ndarray` or :class:`~opencdma.sw.arrays.DeviceArray`
            What to compress. An array of NumPy goes through device memory.
        format : :class:`~opencdma.spec.FormatId` or its name
            Wire format.
        raw_if_larger : :class:`bool`
            Store raw what would not get smaller.
        verify : :class:`bool`
            Let the engine decode the result as a check.

        Raises
        ------
        ValueError
            If the engine lacks what is asked for, or the array is too long.
        OutOfMemoryError
            If a memory has no room for it.
        TransferError
            If the engine could not do it.
        ChannelHaltedError, TimeoutError
            If it did not get so far. It may still do it: the memory that this takes is given back
            once it has, or at a reset.
        """
        if verify and not self._capabilities.verify:
            raise ValueError("This engine has no second decoder; compress without 'verify'")
        with self._borrowing() as borrowed:
            array = self._placed(array, borrowed)
            descriptor = self._encoding(
                Opcode.COMPRESS_VERIFY if verify else Opcode.COMPRESS, array, format)
            room = array.nbytes
            if not raw_if_larger:
                room = min(_bound(array.nbytes, array.dtype.itemsize), 0xFFFF_FFFF)
            buffer = self.allocate("host", room)
            borrowed.append(buffer)
            record = self._one(Channel.OFFLOAD, replace(
                descriptor, dst_addr=buffer.address, max_dst_len=room,
                flags=Flag.RAW_IF_LARGER if raw_if_larger else 0), borrowed)
            borrowed.remove(buffer)
        return Compressed(
            self._buffers.shrink(buffer, record.bytes_out), FormatId(record.format_id),
            array.dtype, array.shape, record.crc32, record.nonzeros)

    def decompress(self, compressed: Compressed, *, into: DeviceArray | None = None) -> np.ndarray:
        """Decompress into device memory, and return the array.

        Parameters
        ----------
        compressed : :class:`~opencdma.sw.arrays.Compressed`
            What :meth:`compress` returned. It can be decompressed again.
        into : :class:`~opencdma.sw.arrays.DeviceArray` or ``None``
            An array of the same size that is to receive it, and stays in device memory.

        Raises
        ------
        ValueError
            If the array to receive it has another size.
        OutOfMemoryError
            If device memory has no room for it.
        TransferError
            If the encoding is damaged, or the engine could not read or write.
        ChannelHaltedError, TimeoutError
            As :meth:`compress`.
        """
        length = compressed.raw_length
        if into is not None and into.nbytes != length:
            raise ValueError(f"Array to receive must have {length} bytes, not {into.nbytes}")
        with self._borrowing() as borrowed:
            if into is None:
                into = DeviceArray(
                    self.allocate("dev", length), compressed.dtype, compressed.shape)
                borrowed.append(into.buffer)
            check = {}
            if self._capabilities.crc:
                check = {"flags": Flag.CHECK_CRC, "expected_crc": compressed.crc32}
            self._one(Channel.PREFETCH, Descriptor(
                opcode=Opcode.DECOMPRESS, src_addr=compressed.buffer.address,
                src_len=compressed.length, dst_addr=into.buffer.address, max_dst_len=length,
                format_id=compressed.format, element_type=compressed.element_type, **check),
                borrowed)
            return self.fetch(into)

    def measure(
        self, array: np.ndarray | DeviceArray, *, format: str | FormatId = FormatId.ZVC,
    ) -> Record:
        """Return what compressing an array would come to: ``bytes_out``, ``nonzeros``, ``crc32``.

        Raises
        ------
        ValueError, OutOfMemoryError, TransferError, ChannelHaltedError, TimeoutError
            As :meth:`compress`.
        """
        with self._borrowing() as borrowed:
            descriptor = self._encoding(Opcode.MEASURE, self._placed(array, borrowed), format)
            return self._one(Channel.OFFLOAD, descriptor, borrowed)

    def copy(self, source: Buffer, destination: Buffer, length: int | None = None) -> Record:
        """Copy bytes from one memory to the other.

        Parameters
        ----------
        source, destination : :class:`~opencdma.sw.buffers.Buffer`
            From where, and where to.
        length : :class:`int` or ``None``
            Bytes; all of the source if ``None``.

        Raises
        ------
        ValueError
            If both are in one memory, or one of them is shorter.
        TransferError
            If the engine could not do it.
        """
        if source.memory == destination.memory:
            raise ValueError(
                f"Source and destination must be in different memories, not both in "
                f"{source.memory!r}")
        length = source.size if length is None else length
        most = min(source.size, destination.size)
        if not 0 <= length <= most:
            raise ValueError(
                f"Length must be 0 to {most} bytes, as the source has {source.size} and the "
                f"destination {destination.size}, not {length!r}")
        return self._one(_towards(destination), Descriptor(
            opcode=Opcode.COPY, src_addr=source.address, dst_addr=destination.address,
            src_len=length, max_dst_len=destination.size))

    def fill(self, buffer: Buffer, pattern: bytes = b"\0") -> Record:
        """Fill a buffer with a pattern of 1, 2, 4 or 8 bytes.

        Raises
        ------
        ValueError
            If the pattern has another length.
        TransferError
            If the engine could not do it.
        """
        if len(pattern) not in (1, 2, 4, 8):
            raise ValueError(f"Pattern must have 1, 2, 4 or 8 bytes, not {len(pattern)}")
        return self._one(_towards(buffer), Descriptor(
            opcode=Opcode.FILL, src_addr=int.from_bytes(pattern * (8 // len(pattern)), "little"),
            dst_addr=buffer.address, src_len=buffer.size, max_dst_len=buffer.size))

    @contextmanager
    def _borrowing(self) -> Iterator[list[Buffer]]:
        """Yield a list for buffers that are given back behind the ``with``."""
        borrowed = []
        try:
            yield borrowed
        finally:
            for buffer in borrowed:
                self.free(buffer)

    def _one(
        self, channel: Channel, descriptor: Descriptor, borrowed: list[Buffer] | None = None,
    ) -> Record:
        """Submit a descriptor, wait for it, and return its outcome.

        If there is none yet, the engine may still use what was borrowed for it: then the list is
        emptied, and its buffers are given back when the descriptor is done.
        """
        # The engine hears of it once it is certain what becomes of the buffers.
        ticket, = self._queue_up(channel, [descriptor])
        try:
            record, = self.wait(ticket)
        finally:
            if borrowed and not ticket.done:
                for buffer in borrowed:
                    ticket.when_done(lambda buffer=buffer: self.free(buffer))
                borrowed.clear()
        return record

    def _placed(
        self, array: np.ndarray | DeviceArray, borrowed: list[Buffer],
    ) -> DeviceArray:
        """Return an array that is in device memory; room that it takes there is borrowed."""
        if not isinstance(array, DeviceArray):
            array = self.place(array)
            borrowed.append(array.buffer)
        return array

    def _encoding(
        self, opcode: Opcode, array: DeviceArray, format: str | FormatId,
    ) -> Descriptor:
        """Return a descriptor that encodes an array."""
        self._check_dtype(array.dtype)
        if array.nbytes > MAX_RAW_LENGTH:
            raise ValueError(f"Array must have {MAX_RAW_LENGTH} bytes at most, not {array.nbytes}")
        return Descriptor(
            opcode=opcode, src_addr=array.buffer.address, src_len=array.nbytes,
            format_id=_format(format), element_type=element_type_of(array.dtype))

    def _check_dtype(self, dtype: np.dtype) -> None:
        size = element_type_of(dtype).size
        if size not in self._capabilities.element_sizes:
            raise ValueError(
                f"Elements must have one of the sizes {self._capabilities.element_sizes} bytes "
                f"that this engine has, not {size} ({dtype.name})")


def _towards(destination: Buffer) -> Channel:
    """Return the channel that writes the memory of a buffer."""
    return Channel.OFFLOAD if destination.memory == "host" else Channel.PREFETCH


def _format(format: str | FormatId) -> FormatId:
    if isinstance(format, str):
        names = {member.name.lower(): member for member in FormatId}
        if format.lower() not in names:
            raise ValueError(f"Format must be one of {', '.join(names)}, not {format!r}")
        return names[format.lower()]
    return FormatId(format)


def _bound(nbytes: int, itemsize: int) -> int:
    """Return the length that no encoding exceeds: a mask for each group, and all elements."""
    return nbytes + -(-nbytes // GROUP_BYTES) * (GROUP_BYTES // itemsize // 8)
