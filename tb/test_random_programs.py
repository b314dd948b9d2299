# SPDX-License-Identifier: Apache-2.0
"""Random descriptor programs: the simulated engine and the golden device side by side.

``make soak`` runs thousands of them in more builds; how many, and from which seed on, is set by
``SOAK_PROGRAMS`` (per build) and ``SOAK_SEED``. A failure names its build and its seed.
"""

import os
import random

import pytest
from engine_builds import EVERYDAY, MORE, same_worker
from programs import compare, random_program

from opencdma.sim.device import SimulatedDevice
from opencdma.sim.memory import MemoryTiming
from opencdma.spec import ErrorCode, Status

#: Programs that one test runs.
CHUNK = 25
#: Programs of each build in every run.
FEW = 50

SOAK_PROGRAMS = int(os.environ.get("SOAK_PROGRAMS", "1200"))
SOAK_SEED = int(os.environ.get("SOAK_SEED", "1000"))


def timing(rng: random.Random) -> MemoryTiming:
    """Return a memory that is fast, slow, or irregular."""
    latencies = {"read_latency": rng.randint(1, 120), "write_latency": rng.randint(1, 120)}
    if rng.random() < 0.4:
        return MemoryTiming(**latencies)
    pauses = {channel: rng.choice((0, 0.1, 0.5, 0.8)) for channel in ("ar", "r", "aw", "w", "b")}
    return MemoryTiming(
        **latencies, **pauses, reads=rng.choice((0, 0, 1, 4)), writes=rng.choice((0, 0, 1, 4)),
        late_address=rng.random() < 0.3)


def check(config, first: int) -> None:
    for seed in range(first, first + CHUNK):
        program = random_program(seed, config)
        rng = random.Random(seed)
        device = SimulatedDevice(
            config, **program.backend_arguments, dev_timing=timing(rng), host_timing=timing(rng),
            register_pauses=rng.choice((0, 0, 0.5)), seed=seed)
        differences = list(compare(program, program.golden(), program.run(device)))
        assert not differences, f"seed {seed}: " + "\n".join(differences[:5])


def chunks(builds, first: int, programs: int):
    """Return a parameter for every chunk; those of a build share a worker, which builds it."""
    return [
        pytest.param(config, seed, id=f"{name}-{seed}", marks=same_worker(config))
        for name, config in builds.items() for seed in range(first, first + programs, CHUNK)]


@pytest.mark.parametrize(("config", "first"), chunks(EVERYDAY, 0, FEW))
def test_programs(config, first):
    check(config, first)


def test_every_status_is_among_them():
    """Those that depend on time are provoked in ``test_device_control.py``."""
    statuses, codes = set(), set()
    for config in EVERYDAY.values():
        for seed in range(FEW):
            outcome = random_program(seed, config).golden()
            statuses |= {item.record.status for item in outcome.log}
            codes |= {item.record.error_code for item in outcome.log}
            statuses |= {halt.status for channel in outcome.channels for halt in channel.halts}
    in_time = {Status.TIMEOUT, Status.FLUSHED}
    assert statuses == set(Status) - {Status.PENDING} - in_time
    # Inside the engine every beat is whole.
    assert codes == set(ErrorCode) - {ErrorCode.FRAMING}


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize(
    ("config", "first"), chunks(EVERYDAY | MORE, SOAK_SEED, SOAK_PROGRAMS))
def test_soak(config, first):
    check(config, first)
