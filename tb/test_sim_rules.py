# SPDX-License-Identifier: Apache-2.0
"""The rules of the buses: none can be broken in a simulated device without a word."""

import pytest
from harness import NARROW, Copy, make
from harness_dut import Offset, Sin

from opencdma.sim.codec import SimulationError
from opencdma.sim.memory import MemoryTiming

pytestmark = pytest.mark.xdist_group("harness")

#: Memories that keep everything waiting.
SLOW = MemoryTiming(ar=0.9, aw=0.9, w=0.9)


@pytest.mark.parametrize(("parameters", "message"), [
    ({"sin": Sin.WITHDRAW_AR}, "{r} AR: VALID withdrawn before READY"),
    ({"sin": Sin.WITHDRAW_AW}, "{w} AW: VALID withdrawn before READY"),
    ({"sin": Sin.WITHDRAW_W}, "{w} W: VALID withdrawn before READY"),
    ({"sin": Sin.CHANGE_AR}, "{r} AR: payload changed before READY"),
    ({"sin": Sin.CHANGE_AW}, "{w} AW: payload changed before READY"),
    ({"sin": Sin.CHANGE_W}, "{w} W: payload changed before READY"),
])
@pytest.mark.parametrize("to_dev", [False, True])
def test_unstable(parameters, message, to_dev):
    refuted(make(dev_timing=SLOW, host_timing=SLOW), parameters, message, to_dev)
    # Who is never kept waiting cannot break this rule.
    Copy(make(), to_dev=to_dev, **parameters).finish()


@pytest.mark.parametrize(("parameters", "message"), [
    ({"sin": Sin.EARLY_DATA}, "{w} W: data before the address of their burst"),
    ({"sin": Sin.EARLY_LAST}, "{w} W: WLAST is 1 at beat 1 of 8"),
    ({"sin": Sin.NO_LAST}, "{w} W: WLAST is 0 at beat 8 of 8"),
    ({"sin": Sin.READY_FOLLOWS_VALID}, "outputs: a VALID, a READY or irq follows an input at once"),
    ({"wrong_type": 1}, "{r} AR: burst type is 0, not INCR"),
    ({"wrong_type": 3}, "{r} AR: burst type is 2, not INCR"),
    ({"wrong_size": 1}, "{r} AR: beats of 4 bytes, not 8"),
    ({"ids": 0b01}, "{r} AR: ID is 1, not 0"),
    ({"ids": 0b10}, "{w} AW: ID is 1, not 0"),
    ({"ar_prot": 1}, "{r} AR: protection is 1, not 0"),
    ({"ar_prot": 2}, "{r} AR: protection is 2, not 0"),
    ({"aw_prot": 4}, "{w} AW: protection is 4, not 0"),
    ({"source": 4}, r"{r} AR: address 0x\w+4 is no multiple of 8"),
    ({"target": 2}, r"{w} AW: address 0x\w+2 is no multiple of 8"),
    ({"source": 0xFC8}, r"{r} AR: 8 beats from 0x\w+fc8 cross a boundary of 4 KB"),
    ({"target": 0xFF8}, r"{w} AW: 8 beats from 0x\w+ff8 cross a boundary of 4 KB"),
    ({"beats": 33, "bursts": 1}, "{r} AR: 33 beats, not 32 at most"),
    ({"beats": 17, "bursts": 1}, "{w} AW: 17 beats, not 16 at most"),
])
@pytest.mark.parametrize("to_dev", [False, True])
def test_broken_rule(parameters, message, to_dev):
    refuted(make(), parameters, message, to_dev)


@pytest.mark.parametrize(("source", "target"), [(0xFC0, 0x800), (0x400, 0xFC0)])
def test_up_to_a_page(source, target):
    assert Copy(make(), bursts=2, source=source, target=target).finish() == (0, 0)


def test_bursts_of_descriptors_and_records():
    """These have one burst each on the host's port, however short those of data are."""
    config = NARROW.with_changes(read_burst=2, write_burst=1)
    refuted(make(config), {"beats": 3}, "m_axi_dev AR: 3 beats, not 2 at most")
    refuted(make(config), {"beats": 9, "to_dev": True}, "m_axi_host AR: 9 beats, not 8 at most")
    refuted(
        make(config), {"beats": 8, "to_dev": True}, "m_axi_dev AW: 8 beats, not 1 at most")
    config = NARROW.with_changes(write_burst=1)
    refuted(make(config), {"beats": 5}, "m_axi_host AW: 5 beats, not 4 at most")
    Copy(make(config), beats=4).finish()


@pytest.mark.parametrize(("sin", "pauses", "message"), [
    (Sin.WITHDRAW_RVALID, 0.9, "s_axil R: VALID withdrawn before READY"),
    (Sin.CHANGE_RDATA, 0.9, "s_axil R: payload changed before READY"),
    (Sin.UNASKED_R, 0, "s_axil R: an answer to no request"),
    (Sin.EARLY_ANSWER, 0, "s_axil R: an answer to no request"),
    (Sin.UNASKED_B, 0, "s_axil B: an answer to no request"),
    (Sin.DECODE_ERROR, 0, "s_axil R: response 3, not OKAY or SLVERR"),
    (Sin.NO_ANSWER, 0, "s_axil: an access did not end in 200 cycles"),
])
def test_broken_rule_of_registers(sin, pauses, message):
    device = make(register_pauses=pauses, patience=200)
    with pytest.raises(SimulationError, match=f"^{message}"):
        read(device, sin)


def test_early_answer_to_a_write():
    device = make()
    Copy(device, sin=Sin.EARLY_ANSWER)
    with pytest.raises(SimulationError, match=r"^s_axil B: an answer to no request, in cycle"):
        device.write_register(Offset.SOURCE, 0)


def read(device, sin):
    """Read registers of a stand-in with some sin: one there is, and one there is not."""
    Copy(device, sin=sin)
    for offset in (Offset.STATE, 0x40):
        device.read_register(offset)


def refuted(device, parameters, message, to_dev=None):
    """Copy something, and expect an error that begins with a message, then and ever after."""
    if to_dev is not None:
        parameters = parameters | {"to_dev": to_dev}
        reader, writer = ("host", "dev") if to_dev else ("dev", "host")
        message = message.format(r=f"m_axi_{reader}", w=f"m_axi_{writer}")
    with pytest.raises(SimulationError, match=rf"^{message}, in cycle \d+ \(dev: ") as caught:
        Copy(device, **parameters).finish()
    with pytest.raises(SimulationError, match=f"^{message}") as again:
        device.run(1)
    assert str(again.value) == str(caught.value)
