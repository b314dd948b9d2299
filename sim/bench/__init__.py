# SPDX-License-Identifier: Apache-2.0
"""Benchmark: cycles of codec and engine, speed of simulation, and software beside it.

The result is an object with lists of flat records, which JSON can hold:

``codec``
    Single transfers: direction, width, build (element sizes), density, cycles, bound, latency.
``streams``
    The same of transfers that go back to back.
``activations``
    Real tensors through the codec with W = 32, both ways.
``switching``
    Transitions of the encoded port with real tensors, raw and compressed.
``engine``
    Transfers back to back through the whole engine, from ring to record: share of the bound.
``engine_single``
    Isolated transfers, through ring and registers: from the doorbell to address and record.
``engine_small``
    Tiny transfers back to back: descriptors per thousand cycles.
``simulation``
    Simulated cycles per second. Depends on the machine.
``software``
    Ratio, and megabytes per second, of the golden model and of general-purpose compressors.
    Depends on the machine.
"""

from rich.progress import Progress

from opencdma.hw.codec import CodecGeometry
from opencdma.hw.verilog import Top
from opencdma.sim import activations
from opencdma.sim.bench import codec, engine, simulation, software, switching, tensors
from opencdma.sim.codec import SimulatedCodec
from opencdma.sim.engine_runs import EngineRuns

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
    TransferError, SimulationError
        If the engine could not do something.
    """
    grid = engine.QUICK if quick else engine.FULL
    task = progress.add_task("engine: building the model, once", total=None)
    runs = EngineRuns()
    progress.remove_task(task)
    engine_streams, engine_single, engine_small = engine.measure(grid, progress, runs)

    single, streams = codec.measure(codec.QUICK if quick else codec.FULL, progress)

    simulated = SimulatedCodec(CodecGeometry(ACTIVATIONS_WIDTH))
    chosen = activations.representative()[:6] if quick else activations.manifest()
    items = progress.track(
        activations.items(chosen), total=len(chosen), description="activations")
    records = [tensors.measure(simulated, *item).flat() for item in items]
    items = progress.track(
        activations.items(chosen), total=len(chosen), description="switching")
    transitions = list(switching.measure(simulated, items))

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
        "engine": engine_streams, "engine_single": engine_single, "engine_small": engine_small,
        "codec": single, "streams": streams, "activations": records,
        "switching": transitions, "simulation": speeds,
        "software": software.measure(arrays, 1 if quick else SOFTWARE_REPEATS, progress),
    }
