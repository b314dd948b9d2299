# SPDX-License-Identifier: Apache-2.0
"""The demonstration as a program that waits for interrupts, when these go wrong."""

import pytest
from test_demo import TENSORS, Doctored
from typer.testing import CliRunner

from opencdma.sim import demo
from opencdma.sim.cli import app
from opencdma.sim.mismatch import Mismatch
from opencdma.spec.registers import address

pytestmark = pytest.mark.xdist_group("opencdma_ecp5")


class Stuck(Doctored):
    """The real engine, but its interrupt is always high, and IRQ_STATUS keeps to some value."""

    reasons = 0

    def run_until_irq(self, cycles):
        pass

    def read_register(self, offset):
        value = super().read_register(offset)
        return self.reasons if offset == address("IRQ_STATUS") else value


@pytest.mark.parametrize("reasons", [0, 4])
def test_interrupt_without_a_reason(monkeypatch, reasons):
    """IRQ_STATUS says nothing, or something of the channel that nothing was asked of."""
    monkeypatch.setattr(demo, "SimulatedDevice", Stuck)
    device = demo.build(1 << 16)
    device.reasons = reasons
    message = (
        r"^tiny/float32, compress: the interrupt stays high, and IRQ_STATUS does not say that it "
        r"is done$")
    with pytest.raises(Mismatch, match=message):
        list(demo.run(device, TENSORS[:1]))


def test_driver_that_waits_in_vain(monkeypatch, tmp_path):
    """The command ends with the message alone."""
    def build(longest):
        raise TimeoutError("Waited 60 seconds for the reset of OFFLOAD, in vain")

    monkeypatch.setattr(demo, "build", build)
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path)])
    assert (result.exit_code, result.stderr) == (
        1, "opencdma: Waited 60 seconds for the reset of OFFLOAD, in vain\n")
