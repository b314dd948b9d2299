# SPDX-License-Identifier: Apache-2.0
"""The designs that are measured, by name."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.lib.wiring import Component

from opencdma.hw.cdma import Cdma
from opencdma.hw.codec import CodecGeometry, Compressor, Decompressor
from opencdma.spec import PRESETS, Config
from opencdma.syn.floors import Compaction, Movers, Rotator, Slice

__all__ = ["DESIGNS", "GROUPS", "Design"]

#: Kinds of designs, in the order of tables.
GROUPS = ("compressor", "decompressor", "engine", "movers", "floor")


@dataclass(frozen=True)
class Design:
    """Something to measure.

    Parameters
    ----------
    name : :class:`str`
        Of the record.
    group : :class:`str`
        One of :data:`GROUPS`.
    make : callable
        Returns the component.
    width : :class:`int`
        Bytes per beat, and raw bytes per cycle in one direction.
    elements : :class:`str`
        Element sizes in bits, of a codec.
    """

    name: str
    group: str
    make: Callable[[], Component]
    width: int
    elements: str = ""


def _codecs():
    for group, component in (("compressor", Compressor), ("decompressor", Decompressor)):
        for elements, sizes in (("32", (4,)), ("8", (1,)), ("all", (1, 2, 4))):
            for width in (8, 16, 32, 64):
                infix = "" if elements == "all" else f"{elements}bit-"
                yield Design(
                    f"{group}-{infix}w{width}", group,
                    lambda component=component, width=width, sizes=sizes:
                        component(CodecGeometry(width, sizes)),
                    width, elements)


def _engines():
    for preset, config in PRESETS.items():
        yield Design(
            f"engine-{preset}", "engine", lambda config=config: Cdma(config),
            config.dev_width)
    config = PRESETS["ecp5"].with_changes(dev_width=16, host_width=16)
    yield Design("engine-ecp5-w16", "engine", lambda: Cdma(config), config.dev_width)


def _movers():
    for width in (8, 16, 32, 64):
        config = Config(dev_width=width, host_width=width)
        yield Design(
            f"movers-w{width}", "movers", lambda config=config: Movers(config), width)
    config = Config(unaligned=True)
    yield Design("movers-unaligned-w32", "movers", lambda: Movers(config), 32)


def _floors():
    for lanes, bits in ((8, 32), (16, 32), (8, 8), (16, 8), (32, 8), (64, 8)):
        yield Design(
            f"floor-compaction-{lanes}x{bits}bit", "floor",
            lambda lanes=lanes, bits=bits: Compaction(lanes, bits), lanes * bits // 8)
    yield Design("floor-slice-256", "floor", lambda: Slice(256), 32)
    yield Design("floor-rotator-256", "floor", lambda: Rotator(32), 32)


#: All designs by name, in the order of tables.
DESIGNS = {
    design.name: design for design in (*_codecs(), *_engines(), *_movers(), *_floors())}
