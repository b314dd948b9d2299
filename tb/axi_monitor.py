# SPDX-License-Identifier: Apache-2.0
"""Watches an AXI4 port of the engine: the rules of the bus, and what went over it when.

The rules stand apart from the simulator, so that they can be tested themselves.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import cocotb
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

__all__ = ["PERIOD", "Address", "Burst", "Monitor", "PortRules"]

#: Clock period in ns.
PERIOD = 10

_PAGE = 4096
_INCR = 1

#: Ports of each channel besides VALID and READY.
_ADDRESS = ("addr", "len", "size", "burst", "id", "prot", "cache", "qos")
_PAYLOADS = {
    "ar": _ADDRESS, "aw": _ADDRESS, "w": ("strb", "last", "data"), "r": ("id", "last", "resp"),
    "b": ("id", "resp"),
}


@dataclass(frozen=True)
class Address:
    """The payload of AR and AW, as the signals are: ``length`` is in beats, less one."""

    address: int
    length: int
    size: int
    burst: int = _INCR
    id: int = 0
    prot: int = 0
    cache: int = 0
    qos: int = 0


@dataclass
class Burst:
    """A burst, and the cycles in which something became of it.

    Parameters
    ----------
    address, beats : :class:`int`
        First address, and beats.
    offered : :class:`int`
        VALID of the address rose.
    taken : :class:`int` or ``None``
        The address was taken.
    data_offered : :class:`int` or ``None``
        Writes: VALID of the first data was seen.
    strobes : list of :class:`int`
        Writes: of the beats that were taken.
    given : :class:`int`
        Beats of data that were taken.
    answered : :class:`int` or ``None``
        The last beat of reading, or the acknowledgement, was taken.
    """

    address: int
    beats: int
    offered: int
    taken: int | None = None
    data_offered: int | None = None
    strobes: list[int] = field(default_factory=list)
    given: int = 0
    answered: int | None = None

    def written(self, width: int) -> Iterator[int]:
        """Yield the addresses of the bytes that were written, beats being ``width`` bytes."""
        for beat, strobe in enumerate(self.strobes):
            for lane in range(width):
                if strobe >> lane & 1:
                    yield self.address + beat * width + lane

    def touches(self, start: int, end: int, width: int) -> bool:
        """Tell whether it has a written byte from one address to in front of another."""
        return any(start <= address < end for address in self.written(width))


class PortRules:
    """The rules of an AXI4 port, cycle by cycle, in the words of ``docs/programming.md``.

    Beyond AXI4 itself, bursts are INCR, of full width, aligned, with ID 0 and of a limited length;
    data are not offered before the address of their burst; and only the first and the last beat
    of a burst are partly written.

    Parameters
    ----------
    name : :class:`str`
        The port, for messages.
    width : :class:`int`
        Bytes per beat.
    read_burst, write_burst : :class:`int`
        Beats of a burst at most.

    Members
    -------
    reads, writes : list of :class:`Burst`
        All bursts since the last :meth:`forget`.
    """

    def __init__(self, name: str, width: int, *, read_burst: int, write_burst: int):
        self._name = name
        self._width = width
        self._most = {"ar": read_burst, "aw": write_burst}
        self.reads: list[Burst] = []
        self.writes: list[Burst] = []
        self.reset()

    def forget(self) -> None:
        """Empty the lists of bursts."""
        self.reads.clear()
        self.writes.clear()

    def reset(self) -> None:
        """Begin again: nothing is under way."""
        self._cycle = 0
        self._held = {}
        self._address = {"ar": None, "aw": None} # bursts whose address is offered and not taken
        self._reading, self._writing, self._filling = deque(), deque(), deque()

    @property
    def busy(self) -> bool:
        """Something is offered or under way."""
        return bool(self._held or self._reading or self._writing)

    def step(self, cycle: int, offers: Mapping[str, tuple[bool, object]]) -> None:
        """Take notice of a cycle.

        Parameters
        ----------
        cycle : :class:`int`
            Its number.
        offers : mapping of :class:`str` to (:class:`bool`, payload)
            READY and payload of each channel with VALID. Payloads: :class:`Address` of ``ar`` and
            ``aw``; strobe, last and data of ``w``; ID, last and response of ``r``; ID and response
            of ``b``.

        Raises
        ------
        AssertionError
            If a rule is broken.
        """
        self._cycle = cycle
        for channel, payload in self._held.items():
            self._hold(channel in offers, channel, "was offered and withdrawn")
            self._hold(offers[channel][1] == payload, channel, "changed while it was offered")
        self._held = {
            channel: payload for channel, (ready, payload) in offers.items() if not ready}
        # Answers first: to what is asked for in this cycle they come later. Data of a burst may be
        # offered together with its address.
        for channel, act in (
            ("r", self._r), ("b", self._b), ("ar", self._ar), ("aw", self._aw), ("w", self._w),
        ):
            if channel in offers:
                act(*offers[channel])

    def _hold(self, true: bool, channel: str, problem: str) -> None:
        assert true, f"{self._name} {channel.upper()} {problem}, in cycle {self._cycle}"

    def _ar(self, ready: bool, payload: Address) -> None:
        self._offer("ar", ready, payload, self.reads, (self._reading,))

    def _aw(self, ready: bool, payload: Address) -> None:
        self._offer("aw", ready, payload, self.writes, (self._writing, self._filling))

    def _offer(self, channel, ready, payload, bursts, queues) -> None:
        if self._address[channel] is None:
            self._check(channel, payload)
            burst = Burst(payload.address, payload.length + 1, self._cycle)
            self._address[channel] = burst
            bursts.append(burst)
            for queue in queues:
                queue.append(burst)
        if ready:
            self._address[channel].taken = self._cycle
            self._address[channel] = None

    def _check(self, channel: str, at: Address) -> None:
        nbytes = (at.length + 1) * self._width
        self._hold(at.burst == _INCR, channel, f"has a burst of type {at.burst}")
        self._hold(1 << at.size == self._width, channel, f"has beats of {1 << at.size} bytes")
        self._hold(at.address % self._width == 0, channel, f"is not aligned: {at.address:#x}")
        self._hold(at.length < self._most[channel], channel, f"asks for {at.length + 1} beats")
        self._hold(
            at.address % _PAGE + nbytes <= _PAGE, channel,
            f"crosses a page: {at.length + 1} beats at {at.address:#x}")
        self._hold(at.id == 0 and at.prot == 0, channel, "has an ID or PROT other than 0")

    def _w(self, ready: bool, payload: tuple[int, bool, object]) -> None:
        strobe, last, _ = payload
        self._hold(bool(self._filling), "w", "comes before its address")
        burst = self._filling[0]
        if burst.data_offered is None:
            burst.data_offered = self._cycle
        if not ready:
            return
        first, end = burst.given == 0, burst.given == burst.beats - 1
        self._hold(last == end, "w", f"has LAST {last:d} at beat {burst.given} of {burst.beats}")
        low, full = strobe & -strobe, (1 << self._width) - 1
        self._hold(strobe & strobe + low == 0, "w", f"has holes: strobe {strobe:#x}")
        whole = (first or low == 1) and (end or strobe > full >> 1)
        self._hold(
            whole or not strobe, "w", f"has part of a beat in the middle: strobe {strobe:#x}")
        burst.strobes.append(strobe)
        burst.given += 1
        if end:
            self._filling.popleft()

    # What the memory does; a mistake here would be one of the test bench.

    def _r(self, ready: bool, payload: tuple[int, bool, int]) -> None:
        id, last, _ = payload
        known = bool(self._reading) and self._reading[0].taken is not None
        self._hold(known and id == 0, "r", "answers nothing")
        burst = self._reading[0]
        end = burst.given == burst.beats - 1
        self._hold(last == end, "r", f"has LAST {last:d} at beat {burst.given} of {burst.beats}")
        if ready:
            burst.given += 1
            if end:
                burst.answered = self._cycle
                self._reading.popleft()

    def _b(self, ready: bool, payload: tuple[int, int]) -> None:
        burst = self._writing[0] if self._writing else None
        known = burst and burst.taken is not None and burst.given == burst.beats
        self._hold(bool(known) and payload[0] == 0, "b", "answers nothing")
        if ready:
            burst.answered = self._cycle
            self._writing.popleft()


class Monitor(PortRules):
    """Holds a port in the simulation to the rules.

    Parameters
    ----------
    dut
        The top.
    name : :class:`str`
        Prefix of the port's signals.
    width, read_burst, write_burst : :class:`int`
        As of the rules.
    """

    def __init__(self, dut, name: str, width: int, **bursts: int):
        super().__init__(name, width, **bursts)
        self._clock, self._resetn = dut.aclk, dut.aresetn
        self._signals = {
            channel: [
                getattr(dut, f"{name}_{channel}{port}") for port in ("valid", "ready", *payload)]
            for channel, payload in _PAYLOADS.items()}
        cocotb.start_soon(self._run())

    async def _run(self):
        edge = RisingEdge(self._clock)
        while True:
            await edge
            if not self._resetn.value:
                self.reset()
                continue
            offers = {
                channel: (bool(ready.value), self._payload(channel, payload))
                for channel, (valid, ready, *payload) in self._signals.items() if valid.value}
            self.step(int(get_sim_time("ns")) // PERIOD, offers)

    @staticmethod
    def _payload(channel, ports):
        if channel == "w": # data are compared with themselves only, and numbers take time
            strobe, last, data = ports
            return int(strobe.value), bool(last.value), str(data.value)
        numbers = [int(port.value) for port in ports]
        return Address(*numbers) if channel in ("ar", "aw") else tuple(numbers)
