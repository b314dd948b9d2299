# SPDX-License-Identifier: Apache-2.0
"""Which designs are measured on which devices."""

from collections.abc import Iterable

from opencdma.syn.designs import DESIGNS, Design
from opencdma.syn.devices import DEVICES, Device

__all__ = ["SEEDS", "chosen", "full", "quick"]

#: Runs of the placer for each design and device.
SEEDS = 5

#: The device of all comparisons.
MAIN = "lfe5u-85f-6"
#: All devices of the results.
DEVICES_SHOWN = (MAIN, "lfe5u-85f-8", "up5k", "hx8k", "gw2a", "xc7a")


def full() -> list[tuple[Design, Device]]:
    """Return what the results show."""
    plan = [
        (design, DEVICES[device]) for device in DEVICES_SHOWN for design in DESIGNS.values()
        if _shown(design, DEVICES[device])]
    return [*plan, *((DESIGNS[design], DEVICES["lfe5u-45f-6"])
                     for design in ("engine-ecp5", "engine-ecp5-w16"))]


def _shown(design: Design, device: Device) -> bool:
    # Floors are for comparison on one device, and so are codecs of bytes alone, at one width.
    if design.group == "floor" or design.elements == "8":
        return device.name == MAIN and (design.group == "floor" or design.width == 32)
    # What is meant for a chip is placed on no FPGA, which would take an hour for each seed.
    if design.name == "engine-asic":
        return device.family.placer is None
    # Without memory in lookup tables, wider ones have more registers than there are in the family.
    return device.family.name != "ice40" or design.width == 8


def quick() -> list[tuple[Design, Device]]:
    """Return something that takes a minute."""
    return [(DESIGNS[name], DEVICES[MAIN]) for name in ("floor-slice-256", "movers-w8")]


def chosen(designs: Iterable[str], devices: Iterable[str]) -> list[tuple[Design, Device]]:
    """Return every one of some designs with every one of some devices.

    None of either stands for all designs and for the main device.

    Raises
    ------
    ValueError
        If a name is none of them.
    """
    designs, devices = tuple(designs) or tuple(DESIGNS), tuple(devices) or (MAIN,)
    for kind, names, known in (("design", designs, DESIGNS), ("device", devices, DEVICES)):
        for name in names:
            if name not in known:
                raise ValueError(
                    f"There is no {kind} {name!r}, but {', '.join(known)}")
    return [(DESIGNS[design], DEVICES[device]) for device in devices for design in designs]
