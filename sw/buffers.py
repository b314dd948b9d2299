# SPDX-License-Identifier: Apache-2.0
"""Pieces of the two memories."""

from dataclasses import dataclass

from .allocator import Allocator
from .backend import Backend, Memory

__all__ = ["Buffer", "Buffers"]


@dataclass(frozen=True)
class Buffer:
    """A piece of a memory.

    Parameters
    ----------
    memory : :class:`str`
        ``"dev"`` or ``"host"``.
    address : :class:`int`
        Of its first byte, a multiple of 64.
    size : :class:`int`
        Bytes.
    """

    memory: str
    address: int
    size: int


class Buffers:
    """Hands out pieces of the memories of a backend, and reads and writes them.

    Parameters
    ----------
    backend : :class:`~opencdma.sw.backend.Backend`
        Whose memories.
    """

    def __init__(self, backend: Backend):
        self._memories = {"dev": backend.dev, "host": backend.host}
        self._allocators = {
            name: Allocator(memory.base, memory.size) for name, memory in self._memories.items()
        }

    def allocate(self, memory: str, size: int) -> Buffer:
        """Return a piece of a memory, its content unspecified."""
        self._memory(memory)
        return Buffer(memory, self._allocators[memory].allocate(size), size)

    def shrink(self, buffer: Buffer, size: int) -> Buffer:
        """Return what is left of a piece when the bytes behind ``size`` are taken back."""
        self._allocators[buffer.memory].shrink(buffer.address, size)
        return Buffer(buffer.memory, buffer.address, size)

    def free(self, buffer: Buffer) -> None:
        """Take a piece back."""
        self._allocators[buffer.memory].free(buffer.address)

    def available(self, memory: str) -> int:
        """Return the bytes of a memory that are not handed out."""
        self._memory(memory)
        return self._allocators[memory].available

    def read(self, buffer: Buffer) -> bytes:
        """Return the content of a piece."""
        return self._memory(buffer.memory).read(buffer.address, buffer.size)

    def write(self, buffer: Buffer, data: bytes) -> None:
        """Fill a piece from its start.

        Raises
        ------
        ValueError
            If there are more bytes than it has.
        """
        if len(data) > buffer.size:
            raise ValueError(f"Data must fit the buffer of {buffer.size} bytes, not {len(data)}")
        self._memory(buffer.memory).write(buffer.address, data)

    def _memory(self, name: str) -> Memory:
        if name not in self._memories:
            raise ValueError(f"Memory must be 'dev' or 'host', not {name!r}")
        return self._memories[name]
