# SPDX-License-Identifier: Apache-2.0
"""The demonstration: what it measures, that it notices wrong output, and what it shows."""

import dataclasses
import io
import json
import math
import zlib

import numpy as np
import pytest
from rich.console import Console

from opencdma.golden import zvc
from opencdma.golden.device_memory import Fault
from opencdma.sim import activations, demo, demo_tables, plots
from opencdma.sim.codec import SimulationError
from opencdma.sim.device import BusChannel, Port, SimulatedDevice
from opencdma.sim.mismatch import Mismatch, compare
from opencdma.spec.registers import address
from opencdma.sw import ChannelHaltedError

pytestmark = pytest.mark.xdist_group("opencdma_ecp5")


def tiny(dtype, shape, zeros, seed=1):
    """Return facts and elements of a made tensor, with a period of elements that are zero."""
    array = np.random.default_rng(seed).integers(1, 100, shape).astype(dtype)
    array.reshape(-1)[::zeros] = 0
    facts = next(item for item in activations.manifest() if item.dtype == dtype)
    return dataclasses.replace(facts, name=f"tiny/{dtype}", shape=shape), array


TENSORS = [tiny("float32", (1, 4, 8, 8), 2), tiny("uint8", (1, 3, 7, 5), 3)]


class Doctored(SimulatedDevice):
    """The real engine, but for what is done to it before a run and at an interrupt.

    Parameters
    ----------
    before, after : callable
        Called with the device and the number of the run, 0 being the first.
    """

    def __init__(self, *arguments, before=None, after=None, **options):
        self._before, self._after = before, after
        self._runs = -1
        self.traces = []
        super().__init__(*arguments, **options)

    def start_trace(self):
        self._runs += 1
        if self._before:
            self._before(self, self._runs)
        super().start_trace()

    def stop_trace(self):
        super().stop_trace()
        self.traces.append(self.trace())

    def run_until_irq(self, cycles):
        super().run_until_irq(cycles)
        if self._after:
            self._after(self, self._runs)


def doctored(monkeypatch, **changes):
    """Return an engine for the demonstration that something is done to."""
    monkeypatch.setattr(
        demo, "SimulatedDevice", lambda *arguments, **options: Doctored(
            *arguments, **options, **changes))
    return demo.build(1 << 16)


def flip(memory, data, run, at=37):
    """Return what flips a bit of every copy of some data in a memory, in one of the runs."""
    def change(device, number):
        array = getattr(device, memory).array
        while number == run and (start := array.tobytes().find(data)) >= 0:
            array[start + at] ^= 1
    return change


@pytest.fixture(scope="module")
def records():
    return list(demo.run(demo.build(1 << 16), TENSORS))


def test_run(records):
    for record, (facts, array) in zip(records, TENSORS, strict=True):
        assert (record.name, record.dtype, record.shape) == (facts.name, facts.dtype, array.shape)
        assert (record.raw_bytes, record.element_bytes) == (array.nbytes, array.itemsize)
        assert record.encoded_bytes == len(zvc.encode(array))
        assert not record.stored_raw
        assert record.nonzeros == np.count_nonzero(array)
        assert record.density == np.count_nonzero(array) / array.size
        raw, encoded = -(-array.nbytes // 32), -(-record.encoded_bytes // 32)
        compress, decompress = record.compress, record.decompress
        assert (compress.beats_in, compress.beats_out) == (raw, encoded)
        assert (decompress.beats_in, decompress.beats_out) == (encoded, raw)
        for rate, interrupt in (
                (compress, record.compress_interrupt), (decompress, record.decompress_interrupt)):
            assert rate.bound < rate.cycles <= rate.bound + 50
            # Descriptor, data, acknowledgement, record, each after the memory's latency.
            assert rate.cycles + 4 * 100 < interrupt < rate.cycles + 700


def test_raw():
    """What would get longer is stored as it is, and comes back."""
    dense = tiny("uint8", (1, 8, 16, 16), 4096)
    record, = demo.run(demo.build(1 << 16), [dense])
    assert record.stored_raw
    assert record.encoded_bytes == record.raw_bytes == 2048


def test_both_channels_at_once(monkeypatch):
    device = doctored(monkeypatch)
    tensors = [tiny("float32", (1, 16, 32, 32), 2, seed) for seed in range(3)]
    assert len(list(demo.run(device, tensors))) == 3
    assert len(device.traces) == 4
    for events in device.traces[1:3]:
        written = events[events["channel"] == BusChannel.W]
        first, last = zip(*(
            (cycles[0], cycles[-1]) for port in (Port.DEV, Port.HOST)
            for cycles in [written["cycle"][written["port"] == port]]), strict=True)
        # Writes to both memories overlap for nearly as long as data move.
        assert min(last) - max(first) > 0.95 * 65536 / 32


def test_records_are_flat_json(records):
    for record in records:
        flat = json.loads(json.dumps(record.flat()))
        assert flat.pop("shape") == list(record.shape)
        assert not any(isinstance(value, (dict, list)) for value in flat.values())
        for name in ("compress", "decompress"):
            assert flat[f"{name}_of_bound"] == flat[f"{name}_bound"] / flat[f"{name}_cycles"] < 1
        assert flat["ratio"] == record.raw_bytes / record.encoded_bytes


@pytest.mark.parametrize("direction", [0, 1])
def test_wrong_byte(monkeypatch, direction):
    """Run 0 offloads the tensor, run 1 prefetches it."""
    _, array = TENSORS[0]
    data, way = ((zvc.encode(array), "compress"), (array.tobytes(), "decompress"))[direction]
    want = data[37]
    device = doctored(monkeypatch, after=flip(("host", "dev")[direction], data, direction))
    message = rf"^tiny/float32, {way}: byte 37 is 0x{want ^ 1:02x}, not 0x{want:02x}$"
    with pytest.raises(Mismatch, match=message):
        list(demo.run(device, TENSORS[:1]))


def test_wrong_length():
    message = r"^tensor: 101 bytes came out, not 105; byte 101 differs$"
    with pytest.raises(Mismatch, match=message):
        compare("tensor", bytes(101), bytes(105))


def test_damaged_in_host_memory(monkeypatch):
    """The engine itself notices, by the CRC."""
    _, array = TENSORS[1]
    device = doctored(monkeypatch, before=flip("host", zvc.encode(array), 1))
    message = r"^tiny/uint8, decompress: status DATA_ERROR, CRC, instead of OK$"
    with pytest.raises(Mismatch, match=message):
        list(demo.run(device, TENSORS[1:]))


def test_wrong_record(monkeypatch):
    _, array = TENSORS[0]
    crc = zlib.crc32(array.tobytes())
    device = doctored(monkeypatch, after=flip("host", crc.to_bytes(4, "little"), 0, at=0))
    message = (
        rf"^tiny/float32, compress: 'crc32' of the completion record is {crc ^ 1}, not {crc}$")
    with pytest.raises(Mismatch, match=message):
        list(demo.run(device, TENSORS))


def test_no_record(monkeypatch):
    crc = zlib.crc32(TENSORS[0][1].tobytes()).to_bytes(4, "little")

    def remove(device, _):
        # The CRC is 24 bytes into the record.
        start = device.host.array.tobytes().find(crc) - 24
        device.host.array[start : start + 32] = 0

    message = (
        r"^tiny/float32, compress: there was an interrupt, but there is no completion record$")
    with pytest.raises(Mismatch, match=message):
        list(demo.run(doctored(monkeypatch, after=remove), TENSORS))


def test_no_interrupt(monkeypatch):
    """The program waits for interrupts, and for nothing else."""
    device = doctored(
        monkeypatch,
        before=lambda device, _: device.write_register(address("IRQ_ENABLE"), 0))
    with pytest.raises(SimulationError, match=r"^no interrupt in 11024 cycles "):
        list(demo.run(device, TENSORS))


def test_halt(monkeypatch):
    """The rings are the first in host memory; a channel that cannot read its own halts."""
    def refuse(device, _):
        device.host.set_faults([Fault("host", device.host.base, 4096, "slverr")])

    with pytest.raises(ChannelHaltedError, match=r"^Channel OFFLOAD halted .* with DESC_FETCH"):
        list(demo.run(doctored(monkeypatch, before=refuse), TENSORS))


def test_totals(records):
    """Two of the same network and dtype count by their bytes, not as a mean of ratios."""
    first = records[0]
    second = dataclasses.replace(first, raw_bytes=4096, encoded_bytes=128, nonzeros=0)
    rows = demo_tables.totals([first, records[1], second])
    assert [(row["dtype"], row["tensors"]) for row in rows] == [("float32", 2), ("uint8", 1)]
    assert rows[0]["ratio"] == (1024 + 4096) / (first.encoded_bytes + 128)
    assert rows[0]["density"] == 128 / (256 + 1024)
    assert rows[0]["theory"] == 1 / (0.1 + 1 / 32)
    # All its groups are full, so theory is exact.
    assert math.isclose(rows[0]["ratio"], rows[0]["theory"])
    assert rows[0]["compress_of_bound"] == first.compress.of_bound


def test_tables(records):
    console = Console(width=120, file=io.StringIO())
    for table in demo_tables.tables(records):
        console.print(table)
    console.print(demo_tables.summary(records))
    text = console.file.getvalue()
    for record in records:
        assert record.layer in text
        assert f"{1 - record.density:.1%}" in text
        assert f"{record.ratio:.2f}" in text
        assert f" {record.decompress_interrupt} " in text
        assert f"{record.compress.of_bound:.3f}" in text


def test_picture(records, tmp_path):
    path = tmp_path / "demo.png"
    plots.activations([record.flat() for record in records], 32, path)
    assert path.read_bytes().startswith(b"\x89PNG")
