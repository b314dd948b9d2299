# SPDX-License-Identifier: Apache-2.0
"""What a trace of the simulated engine says about the speed of transfers.

The *bound* of a transfer is the longer of its two sides: ``max(ceil(bytes read / W),
ceil(bytes written / W))`` cycles, each with the width W of its own port.
"""

import numpy as np

from opencdma.sim import rates
from opencdma.sim.device import BusChannel, Port
from opencdma.spec import Channel, Config
from opencdma.spec.registers import address
from opencdma.sw import Buffer

__all__ = ["cycles", "doorbell", "rate", "width"]

_PORTS = {"dev": Port.DEV, "host": Port.HOST}


def width(config: Config, memory: str) -> int:
    """Return the bytes per beat of the port to a memory, ``"dev"`` or ``"host"``."""
    return config.dev_width if memory == "dev" else config.host_width


def cycles(events: np.ndarray, channel: BusChannel, buffer: Buffer) -> np.ndarray:
    """Return when handshakes of a bus channel came about whose address is in a buffer."""
    chosen = events[(events["port"] == _PORTS[buffer.memory]) & (events["channel"] == channel)]
    inside = (chosen["address"] >= buffer.address) & (
        chosen["address"] < buffer.address + buffer.size)
    return chosen["cycle"][inside].astype(np.int64)


def doorbell(events: np.ndarray, channel: Channel, register: str = "TAIL") -> int:
    """Return when the data of the last write to a register of a channel were taken."""
    writes = events[
        (events["port"] == Port.REGISTERS) & (events["channel"] == BusChannel.W)
        & (events["address"] == address(register, channel))]
    return int(writes["cycle"][-1])


def rate(
    events: np.ndarray, config: Config, source: Buffer, destination: Buffer,
    bytes_in: int, bytes_out: int, count: int = 1,
) -> rates.Rate:
    """Return how fast transfers from a buffer to another went.

    Parameters
    ----------
    events : :class:`numpy.ndarray`
        The trace.
    config : :class:`~opencdma.spec.Config`
        The build.
    source, destination : :class:`~opencdma.sw.Buffer`
        What only they read, and what only they wrote.
    bytes_in, bytes_out : :class:`int`
        Bytes that each of them read and wrote.
    count : :class:`int`
        Transfers.

    Returns
    -------
    rate : :class:`~opencdma.sim.rates.Rate`
        From the first beat read to the last beat written, inclusive.
    """
    first = cycles(events, BusChannel.R, source).min()
    last = cycles(events, BusChannel.W, destination).max()
    return rates.Rate(
        beats_in=count * rates.beats(bytes_in, width(config, source.memory)),
        beats_out=count * rates.beats(bytes_out, width(config, destination.memory)),
        cycles=int(last - first) + 1)
