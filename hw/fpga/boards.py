# SPDX-License-Identifier: Apache-2.0
"""The boards that there are bitstreams for."""

import importlib
from dataclasses import dataclass

from amaranth.build import Attrs, Resource
from amaranth_boards.resources import UARTResource

from opencdma.spec import PRESETS, Config

__all__ = ["BOARDS", "ENGINES", "Board", "UnknownBoardError"]


class UnknownBoardError(KeyError):
    """There is no board of this name."""

    def __str__(self) -> str:
        """Return the message as it is; KeyError would quote it."""
        return str(self.args[0])


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board, and what is put on it.

    Parameters
    ----------
    title : :class:`str`
        What it is called.
    platform : :class:`str`
        Module and class of ``amaranth_boards``, with a dot between.
    leds : tuple of (:class:`str`, :class:`int`, :class:`str` or ``None``) or ``None``
        Where each of :data:`~opencdma.hw.fpga.demonstrator.LEDS` is: resource, number, and which
        part of it; ``None`` for those that the board has no room for. Those at the end may be
        missing.
    clock : :class:`int`
        Hz of the engine; made by a PLL if it is not that of the board.
    engine : :class:`str`
        The engine, one of :data:`ENGINES`.
    dev_size, host_size : :class:`int`
        Bytes of the memories.
    resources : tuple of :class:`~amaranth.build.Resource`
        What is connected to the board besides.
    loader : :class:`str`
        Its name in openFPGALoader.
    """

    title: str
    platform: str
    leds: tuple[tuple[str, int, str | None] | None, ...]
    clock: int
    engine: str
    dev_size: int = 1 << 16
    host_size: int = 1 << 16
    resources: tuple[Resource, ...] = ()
    loader: str

    @property
    def config(self) -> Config:
        """Build parameters of the engine."""
        return ENGINES[self.engine]

    def make_platform(self):
        """Return the board as Amaranth sees it."""
        module, name = self.platform.split(".")
        platform = getattr(importlib.import_module(f"amaranth_boards.{module}"), name)()
        platform.add_resources(self.resources)
        return platform


#: All that a driver and real networks ask for, with ports of 8 bytes and one channel for both
#: directions: it is placed in minutes.
_NARROW = Config(
    dev_width=8, host_width=8, address_bits=32, two_d=False, windows=False, counters=False,
    shared=True, slots=4, memory_latency=16, max_outstanding=4, read_burst=16, write_burst=8)

#: Engines that can be put on a board, by their names: the presets, and this one.
ENGINES = PRESETS | {"narrow": _NARROW}

_ULX3S_LEDS = tuple(("led", n, None) for n in range(8))

_BOARDS = {
    "ulx3s-85f": Board(
        title="Radiona ULX3S with an LFE5U-85F", platform="ulx3s.ULX3S_85F_Platform",
        leds=_ULX3S_LEDS, clock=25_000_000, engine="narrow", loader="ulx3s"),
    "ulx3s-12f": Board(
        title="Radiona ULX3S with an LFE5U-12F", platform="ulx3s.ULX3S_12F_Platform",
        leds=_ULX3S_LEDS, clock=25_000_000, engine="tiny", dev_size=1 << 14,
        host_size=1 << 14, loader="ulx3s"),
    "orangecrab-85f": Board(
        title="OrangeCrab r0.2 with an LFE5U-85F",
        platform="orangecrab_r0_2.OrangeCrabR0_2_85FPlatform",
        leds=(("rgb_led", 0, "g"), ("rgb_led", 0, "b"), None, ("rgb_led", 0, "r")),
        clock=24_000_000, engine="narrow", loader="orangeCrab",
        # Marked RX and TX on the board; there is no serial port at its USB plug.
        resources=(UARTResource(
            0, rx="0", tx="1", conn=("io", 0), attrs=Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")),)),
    "ecpix5-85f": Board(
        title="LambdaConcept ECPIX-5 with an LFE5UM5G-85F", platform="ecpix5.ECPIX585Platform",
        leds=(
            ("rgb_led", 0, "g"), ("rgb_led", 1, "b"), ("rgb_led", 2, "b"), ("rgb_led", 3, "r"),
            ("rgb_led", 0, "r"), ("rgb_led", 1, "r"), ("rgb_led", 2, "r"), ("rgb_led", 3, "b")),
        clock=25_000_000, engine="narrow", loader="ecpix5"),
}


class _Boards(dict):
    """Boards by their names."""

    def __missing__(self, name):
        raise UnknownBoardError(f"Board must be one of {', '.join(self)}, not {name!r}")


#: Boards by their names; asking for another raises :class:`UnknownBoardError`.
BOARDS: dict[str, Board] = _Boards(_BOARDS)
