# SPDX-License-Identifier: Apache-2.0
"""What ``docs/limits.md`` states in numbers, and what it says is slow."""

import re
from pathlib import Path

import pytest

from opencdma.hw.bus.axi4 import PAGE
from opencdma.hw.codec import CodecGeometry
from opencdma.hw.dma.fetcher import AHEAD
from opencdma.hw.dma.register_bank import ADDRESS_BITS
from opencdma.sim.device import BusChannel, Port, SimulatedDevice
from opencdma.spec import (
    MAX_RAW_LENGTH,
    Channel,
    Config,
    Descriptor,
    Direction,
    Opcode,
    registers,
)
from opencdma.spec.generated import DESCRIPTOR
from opencdma.spec.registers import CHANNEL

TEXT = Path(__file__).parents[1].joinpath("docs", "limits.md").read_text("utf-8")
LIMITS = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", TEXT, re.MULTILINE))
FIELDS = {field.name: field for field in DESCRIPTOR}


def numbers(what: str) -> list[int]:
    """Return the numbers of a limit; of a power of two its exponent."""
    found = re.findall(r"2\^(\d+)|(0x[\dA-F_]+|\d+)", LIMITS[what])
    return [int(exponent or number, 0) for exponent, number in found]


def test_sizes():
    assert numbers("raw bytes of a transfer, N") == [MAX_RAW_LENGTH]
    assert numbers("rows of a transfer") == [1 << FIELDS["rows_minus_1"].width]
    assert numbers("stride") == [FIELDS["stride"].width] == [FIELDS["dst_stride"].width]
    assert numbers("descriptors in a ring") == [16]
    assert numbers("descriptors read ahead, per channel") == [AHEAD]
    assert numbers("bytes of the register space") == [1 << ADDRESS_BITS]
    assert numbers("watchdog") == [(1 << CHANNEL["TIMEOUT"].fields[0].width) - 1]
    assert "do not cross 4 KB" in " ".join(TEXT.split())
    assert PAGE == 4 << 10


@pytest.mark.parametrize(("what", "parameter"), [
    ("beats of a read burst", "read_burst"),
    ("beats of a write burst", "write_burst"),
])
def test_bursts(what, parameter):
    most, = numbers(what)
    Config(**{parameter: most})
    with pytest.raises(ValueError, match=f"1 to {most} beats"):
        Config(**{parameter: 2 * most})


def test_builds():
    _, least, most = numbers("descriptors under way, per channel")
    with pytest.raises(ValueError, match=f"{least} to {most}, not"):
        Config(slots=2 * most)
    least, most = numbers("descriptors whose data are in the codec, per channel")
    builds = [CodecGeometry(width, sizes)
              for width in (8, 16, 32, 64) for sizes in ((4,), (1, 2, 4))]
    assert {build.transfers(way) for build in builds for way in Direction} == {least, most}
    *some, last = numbers("bytes per beat")
    with pytest.raises(ValueError, match=f"{', '.join(map(str, some))} or {last} bytes"):
        Config(dev_width=128)
    least, most = numbers("bursts of a port that are not answered, reads and writes each")
    with pytest.raises(ValueError, match=f"power of two, {least} to {most} bursts"):
        Config(max_outstanding=2 * most)
    least, most = numbers("address bits")
    with pytest.raises(ValueError, match=f"{least} to {most} bits"):
        Config(address_bits=least - 1)


# --- what is slow ---------------------------------------------------------------------------------


def cycles(device: SimulatedDevice, **fields: int) -> int:
    """Return how many cycles pass from the first beat read to the last."""
    descriptor = Descriptor(
        opcode=Opcode.COPY, src_addr=device.dev.base, dst_addr=device.host.base,
        max_dst_len=1 << 16, **fields)
    content = descriptor.pack()
    for word in range(16):
        device.write_register(
            registers.address(f"DIRECT{word}", Channel.OFFLOAD),
            int.from_bytes(content[4 * word : 4 * word + 4], "little"))
    device.start_trace()
    device.write_register(
        registers.address("COMMAND", Channel.OFFLOAD), CHANNEL["COMMAND"].pack(START=1))
    device.run_until_register(
        registers.address("STATUS", Channel.OFFLOAD), 0, cycles=10_000,
        mask=CHANNEL["STATUS"].pack(BUSY=1))
    events = device.trace()
    device.stop_trace()
    beats = events["cycle"][
        (events["port"] == Port.DEV) & (events["channel"] == BusChannel.R)]
    return int(beats[-1] - beats[0]) + 1


@pytest.mark.xdist_group("opencdma_ecp5")
def test_rows_of_one_beat_are_read_at_half_the_rate():
    device = SimulatedDevice()
    assert cycles(device, src_len=1 << 14) == 512
    rows = {"rows_minus_1": 255, "stride": 128, "dst_stride": 64}
    assert cycles(device, src_len=64, **rows) <= 512 + 8
    rows = {"rows_minus_1": 511, "stride": 64, "dst_stride": 32}
    assert 1000 <= cycles(device, src_len=32, **rows) <= 1024
