# SPDX-License-Identifier: Apache-2.0
"""Benchmark: cycles of the codec, speed of its simulation, and software beside it.

The result is an object with lists of flat records, which JSON can hold:

``codec``
    Single transfers: direction, width, build (element sizes), density, cycles, bound, latency.
``streams``
    The same of transfers that go back to back.
``activations``
    Real tensors through the codec with W = 32, both ways.
``simulation``
    Simulated cycles per second. Depends on the machine.
``software``
    Ratio, and megabytes per second, of the golden model and of general-purpose compressors.
    Depends on the machine.
"""

from rich.progress import Progress

from opencdma.hw.codec import CodecGeometry
from opencdma.hw.verilog import Top
from opencdma.sim import activations, demo
from opencdma.sim.bench import codec, simulation, software
from opencdma.sim.codec import SimulatedCodec

__all__ = ["ACTIVATIONS_WIDTH", "run"]

#: Bytes per beat of the codec that activations go through, and whose simulation is timed.
ACTIVATIONS_WIDTH = 32

#: The tensor that is decompressed to time simulations.
SIMULATION_TENSOR = "hed/uint8/astronaut/conv3_3"

SOFTWARE_REPEATS = 3


def run(progress: Progress, *, quick: bool = False) -> dict[str, list[dict]]:
    """Measure everything and return the records.

    Parameters
    ----------
    progress : :class:`rich.progress.Progress`
        Shows how far it is; what had to be left out is printed above it.
    quick : :class:`bool`
        Measure little: one width, few points and tensors, and no cocotb.

    Raises
    ------
    Mismatch, WrongOutput
        If an output of the hardware is wrong.
    CocotbFailed
        If the simulation under cocotb does not end well.
    """
    single, streams = codec.measure(codec.QUICK if quick else codec.FULL, progress)

    simulated = SimulatedCodec(CodecGeometry(ACTIVATIONS_WIDTH))
    chosen = activations.representative()[:6] if quick else activations.manifest()
    tensors = progress.track(
        activations.items(chosen), total=len(chosen), description="activations")
    records = [demo.measure(simulated, *item).flat() for item in tensors]

    tensor, top = activations.load(SIMULATION_TENSOR), Top(simulated.geometry)
    drivers = [lambda: simulation.measure_native(simulated, tensor)]
    if not quick:
        drivers.append(lambda: simulation.measure_cocotb(top, tensor))
    speeds = []
    for driver in progress.track(drivers, description="simulation"):
        try:
            speeds.append(driver())
        except simulation.CocotbMissing as error:
            progress.console.print(str(error))

    compared = chosen if quick else activations.representative()
    arrays = [array for _, array in activations.items(compared)]
    return {
        "codec": single, "streams": streams, "activations": records, "simulation": speeds,
        "software": software.measure(arrays, 1 if quick else SOFTWARE_REPEATS, progress),
    }
