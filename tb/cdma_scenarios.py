# SPDX-License-Identifier: Apache-2.0
"""How coroutines become tests of the engine inside the simulator.

``CDMA_CONFIG`` in the environment is the build: the fields of ``Config`` in JSON.
"""

import functools
import json
import os
import random
from collections.abc import Iterable, Mapping

import cocotb
from cdma_bench import PERIOD, Bench

from opencdma.spec import Config

__all__ = ["CONFIG", "scenario"]

CONFIG = Config(**json.loads(os.environ["CDMA_CONFIG"]))

#: Cycles that no test may exceed.
WATCHDOG = 50_000


def scenario(*, when: bool = True, each: Mapping[str, Iterable] | None = None, **settings):
    """Make a test of a coroutine of a bench, which has been reset, and a random generator.

    Parameters
    ----------
    when : :class:`bool`
        The build can do it.
    each : mapping of :class:`str` to iterable, or ``None``
        More parameters of the coroutine, which make a test each.
    settings
        Parameters of the bench.
    """
    def decorate(function):
        @functools.wraps(function)
        async def test(dut, **options):
            bench = Bench(dut, CONFIG, **settings)
            await bench.reset()
            await function(bench, random.Random(f"{function.__name__} {options}"), **options)
            await bench.silence()

        test = cocotb.test(
            timeout_time=WATCHDOG * PERIOD, timeout_unit="ns", skip=not when)(test)
        return cocotb.parametrize(**each)(test) if each else test

    return decorate
