# SPDX-License-Identifier: Apache-2.0
"""Memories at the ports of a device under test; they also look after the rules of AXI4."""

from collections import deque

from movers import OKAY, PAGE
from streams import Item, plain

__all__ = ["ReadMemory", "WriteMemory"]


class _Kept:
    """Sees that what is offered stays, unchanged, until it is taken."""

    def __init__(self, name):
        self._name, self._held = name, None

    def look(self, valid, payload, ready):
        """Look at a cycle, and return whether something was taken."""
        if self._held is not None:
            assert valid, f"{self._name}: {self._held} was offered and withdrawn"
            assert payload == self._held, f"{self._name}: the offer changed"
        self._held = payload if valid and not ready else None
        return valid and ready


def _beats(burst, width):
    """Return the addresses of the beats of a burst."""
    address, count = burst["address"], burst["length"] + 1
    assert address % width == 0
    assert address % PAGE + count * width <= PAGE, f"{burst} crosses a page"
    return [address + n * width for n in range(count)]


class ReadMemory:
    """Answers reads, in order.

    Parameters
    ----------
    bench : :class:`~streams.Bench`
        Where it is used.
    port
        The port of a manager.
    answer : callable
        Returns data and response of the beat at an address.
    latency : :class:`int`
        Cycles from an address to its first beat, at least 1.
    pauses : tuple of two :class:`float`
        Probabilities that an address is not taken in a cycle, and that no beat comes in one.

    Attributes
    ----------
    bursts, beats : :class:`list` of :class:`~streams.Item`
        Addresses taken and beats given.
    """

    def __init__(self, bench, port, answer, *, latency: int = 1, pauses=(0.0, 0.0)):
        self._bench, self._port, self._answer = bench, port, answer
        self._latency, self._pauses = latency, pauses
        self.bursts, self.beats = [], []
        bench.add(self._serve, background=True)

    async def _serve(self, ctx):
        port, rng, due, kept = self._port, self._bench.rng, deque(), _Kept("ar")
        width = len(port.r.p.data)
        ready = rng.random() >= self._pauses[0]
        ctx.set(port.ar.ready, ready)
        async for _, _, valid, given in ctx.tick().sample(port.ar.valid, port.ar.payload):
            now, burst = self._bench.cycle, plain(given)
            if kept.look(valid, burst, ready):
                self.bursts.append(Item(now - 1, burst))
                for address in _beats(burst, width):
                    due.append((now - 1 + self._latency, address, False))
                due[-1] = (*due[-1][:2], True)
            ready = rng.random() >= self._pauses[0]
            ctx.set(port.ar.ready, ready)
            comes = due and due[0][0] <= now and rng.random() >= self._pauses[1]
            ctx.set(port.r.valid, bool(comes))
            if comes:
                _, address, last = due.popleft()
                data, resp = self._answer(address)
                beat = {"data": data, "resp": resp, "last": int(last)}
                ctx.set(port.r.payload, beat | {"data": list(data)})
                self.beats.append(Item(now, beat))


class WriteMemory:
    """Takes writes and acknowledges them, in order.

    Parameters
    ----------
    bench : :class:`~streams.Bench`
        Where it is used.
    port
        The port of a manager.
    answer : callable
        Returns the response to the burst at an address.
    latency : :class:`int`
        Cycles from the last beat of a burst to its acknowledgement, at least 1.
    pauses : tuple of three :class:`float`
        Probabilities that an address or a beat is not taken in a cycle, and that no
        acknowledgement comes in one.
    allowed : callable or ``None``
        Tells in each cycle whether an acknowledgement may come.

    Attributes
    ----------
    bursts, beats, acks : :class:`list` of :class:`~streams.Item`
        Addresses and beats taken, and acknowledgements given.
    image : dict
        Bytes that were written, by address.
    """

    def __init__(self, bench, port, *, answer=lambda address: OKAY, latency: int = 1,
                 pauses=(0.0, 0.0, 0.0), allowed=None):  # fmt: skip
        self._bench, self._port, self._answer = bench, port, answer
        self._latency, self._pauses, self._allowed = latency, pauses, allowed
        self.bursts, self.beats, self.acks, self.image = [], [], [], {}
        bench.add(self._serve, background=True)

    async def _serve(self, ctx):
        port, rng, due = self._port, self._bench.rng, deque()
        addresses, packets, kept = deque(), deque([[]]), (_Kept("aw"), _Kept("w"))
        streams = (port.aw, port.w)
        ready = self._be_ready(ctx, streams)
        samples = (port.aw.valid, port.aw.payload, port.w.valid, port.w.payload)
        async for _, _, aw_valid, aw, w_valid, w in ctx.tick().sample(*samples):
            now, burst, beat = self._bench.cycle, plain(aw), plain(w)
            if kept[0].look(aw_valid, burst, ready[0]):
                self.bursts.append(Item(now - 1, burst))
                addresses.append(burst)
            if kept[1].look(w_valid, beat, ready[1]):
                self.beats.append(Item(now - 1, beat))
                packets[-1].append(beat)
                if beat["last"]:
                    packets.append([])
            while addresses and len(packets) > 1:
                burst = addresses.popleft()
                self._store(burst, packets.popleft())
                due.append((now - 1 + self._latency, self._answer(burst["address"])))
            ready = self._be_ready(ctx, streams)
            comes = (due and due[0][0] <= now and rng.random() >= self._pauses[2]
                     and (self._allowed is None or self._allowed()))  # fmt: skip
            ctx.set(port.b.valid, bool(comes))
            if comes:
                _, resp = due.popleft()
                ctx.set(port.b.payload, resp)
                self.acks.append(Item(now, resp))

    def _be_ready(self, ctx, streams):
        ready = [self._bench.rng.random() >= pause for pause in self._pauses[:2]]
        for port, value in zip(streams, ready, strict=True):
            ctx.set(port.ready, value)
        return ready

    def _store(self, burst, beats):
        width = len(self._port.w.p.data)
        addresses = _beats(burst, width)
        assert len(beats) == len(addresses), f"{burst} has {len(beats)} beats"
        for address, beat in zip(addresses, beats, strict=True):
            for n in range(width):
                if beat["strobe"] >> n & 1:
                    self.image[address + n] = beat["data"][n]
