# SPDX-License-Identifier: Apache-2.0
"""Accesses find their region, and are refused where there is none."""

import random
import re

import pytest
from streams import Bench, payloads
from word_memory import WordMemory

from opencdma.hw.fpga.word_bus import WordDecoder

REGIONS = [(0x00, 3), (0x40, 6), (0x10, 2)]


class Accesses:
    """A decoder with a model behind each region."""

    def __init__(self, requests, answers, *, pauses=(0.0, 0.0)):
        self.bench = bench = Bench(WordDecoder(8, REGIONS))
        self.memories = [
            WordMemory(bench, getattr(bench.dut, f"region{n}"), pauses=pauses,
                       refuses=lambda address: address == 3)
            for n in range(len(REGIONS))]
        self.taken = bench.take(bench.dut.bus.answers, len(answers))
        # The next one goes when the one before has been answered.
        for number, request in enumerate(requests):
            bench.send(bench.dut.bus.requests, [request],
                       allowed=lambda n=number: len(self.taken) == n)
        bench.run(100 + 200 * len(requests))
        assert payloads(self.taken) == answers


@pytest.mark.parametrize("pauses", [(0.0, 0.0), (0.7, 0.0), (0.0, 0.7)])
def test_random_accesses(pauses):
    rng = random.Random(1)
    models = [{} for _ in REGIONS]
    requests, answers = [], []
    for _ in range(150):
        address, write, data = rng.randrange(256), rng.randrange(2), rng.getrandbits(32)
        requests.append({"address": address, "write": write, "data": data})
        answer = {"data": 0, "refused": 1}
        for model, (base, bits) in zip(models, REGIONS, strict=True):
            at = address - base
            if 0 <= at < 1 << bits and at != 3:
                if write:
                    model[at] = data
                answer = {"data": 0 if write else model.get(at, ~at & 0xFFFF_FFFF), "refused": 0}
        answers.append(answer)
    accesses = Accesses(requests, answers, pauses=pauses)
    assert [memory.words for memory in accesses.memories] == models


@pytest.mark.parametrize(("regions", "message"), [
    ([(4, 3)], "Region of 2**3 words must start at a multiple of them, not 0x4"),
    ([(0, 4), (8, 3)], "Regions must not overlap, as at 0x8"),
    ([(8, 3), (8, 3)], "Regions must not overlap, as at 0x8"),
])
def test_wrong_regions(regions, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        WordDecoder(8, regions)
