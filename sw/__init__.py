# SPDX-License-Identifier: Apache-2.0
"""Driver of the engine in Python; it depends on NumPy and on the numbers in :mod:`opencdma.spec`.

:class:`~opencdma.sw.device.Device` is the front door. What is behind the registers does not matter
to it: the golden model, the simulated RTL or a board, anything that is a
:class:`~opencdma.sw.backend.Backend`.
"""

from .allocator import OutOfMemoryError
from .arrays import Compressed, DeviceArray
from .backend import Backend
from .buffers import Buffer
from .device import Device
from .errors import ChannelHaltedError, EngineError, TransferError
from .queues import Ticket

__all__ = [
    "Backend",
    "Buffer",
    "ChannelHaltedError",
    "Compressed",
    "Device",
    "DeviceArray",
    "EngineError",
    "OutOfMemoryError",
    "Ticket",
    "TransferError",
]
