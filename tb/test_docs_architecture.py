# SPDX-License-Identifier: Apache-2.0
"""The picture in ``docs/architecture.md`` shows what is there."""

import runpy
from pathlib import Path
from unittest import mock

import pytest
from amaranth.lib import wiring

from opencdma.hw import cdma
from opencdma.hw.dma import channel, data_path, read_mover, write_mover
from opencdma.spec import Channel, Config

DOCS = Path(__file__).parents[1] / "docs"
ENGINE = runpy.run_path(str(DOCS / "images" / "engine.py"))
ROOMS, ARROWS = ENGINE["ROOMS"], ENGINE["ARROWS"]

#: Every option, in builds that have it; the second has its codec between unequal ports.
BUILDS = {
    "shared": Config(dev_width=8, host_width=8, shared=True, slots=2),
    "full": Config(dev_width=32, host_width=8, verify=True, unaligned=True, slots=2),
    "least": Config(
        dev_width=8, host_width=8, rings=False, crc=False, two_d=False, windows=False,
        counters=False, shared=True, slots=2),
}
MODULES = (cdma, channel, data_path, read_mover, write_mover)

#: Queues between rooms, and the room that is drawn as a whole of others.
PLUMBING = {"write_queue", "passes", "again", "verified", "channel", "offload_channel", "data_path"}

#: Arrows that are no streams from one room to another: what listens, what is one of two ways, the
#: table of plans, and what goes to and from a whole channel.
NOT_CONNECTED = {
    ("codec", "crc"), ("codec", "verifier"), ("codec", "narrower"), ("scheduler", "plans"),
    ("registers", "offload_channel"), ("offload_channel", "interrupts"),
    ("host_read", "prefetch_channel"), ("prefetch_channel", "dev_write"),
    ("prefetch_channel", "host_write"),
}

#: What a channel has at the ports; the engine connects the channels with them one after the other.
AT_PORTS = {
    ("dev_read", "read_mover"), ("write_mover", "host_write"), ("host_read", "fetcher"),
    ("completer", "host_write"),
}


def unflipped(interface):
    if isinstance(interface, wiring.FlippedInterface):
        return wiring.flipped(interface)
    return interface


class Tour:
    """Elaborates the components that have rooms, and notes rooms and connections.

    Parameters
    ----------
    component
        Where to begin.
    name : :class:`str`
        Its name.
    """

    def __init__(self, component, name=""):
        self.rooms = {}  # submodules of each component, by its own name
        self.edges = set()  # of two, each a component and its member
        self._visit(name, component)

    def _visit(self, name, component):
        connections = []

        def connect(m, *interfaces):
            connections.append(interfaces)
            wiring.connect(m, *interfaces)

        with mock.patch.multiple(type(component).__module__, connect=connect):
            module = component.elaborate(None)
        module._MustUse__silence = component._MustUse__silence = True # nothing is made of them
        parts = {}
        for part, (elaboratable, *_) in module._named_submodules.items():
            parts[part] = getattr(elaboratable, "_elaboratable_", elaboratable)
            elaboratable._MustUse__silence = parts[part]._MustUse__silence = True
        self.rooms[name] = list(parts)
        places = {}
        for part, inner in [*parts.items(), (name, component)]:
            for member in inner.signature.members:
                places[id(unflipped(getattr(inner, member)))] = part, member
        for pair in connections:
            ends = [places.get(id(unflipped(end))) for end in pair]
            if None not in ends:
                self.edges.add(frozenset(ends))
        for part, inner in parts.items():
            # One channel stands for both.
            known = type(inner).__module__ in {module.__name__ for module in MODULES}
            if known and part != "prefetch_channel":
                self._visit(part, inner)

    def neighbours(self, room):
        """Return the rooms that are connected with a room, through what is not drawn, too."""
        found, seen = set(), set()
        todo = [end for edge in self.edges for end in edge if end[0] == room]
        while todo:
            end = todo.pop()
            seen.add(end)
            for edge in self.edges:
                if end in edge:
                    other, = edge - {end}
                    if other in seen:
                        continue
                    if other[0] not in PLUMBING:
                        found.add(other[0])
                        continue
                    # Through a queue, and in or out of a data path.
                    through = {"i": "o", "o": "i"}.get(other[1], other[1])
                    seen.add(other)
                    todo.append((other[0], through))
        return found - {room}


@pytest.fixture(scope="module")
def tours():
    tours = {name: Tour(cdma.Cdma(config)) for name, config in BUILDS.items()}
    other_way = data_path.DataPath(BUILDS["full"], Channel.PREFETCH)
    return tours | {"prefetch": Tour(other_way, "data_path")}


def test_picture_is_fresh():
    assert DOCS.joinpath("images", "engine.svg").read_text("utf-8") == ENGINE["draw"]()
    assert "images/engine.svg" in DOCS.joinpath("architecture.md").read_text("utf-8")


def test_rooms(tours):
    movers = ("read_mover", "write_mover")
    found = {room for tour in tours.values() for name, rooms in tour.rooms.items()
             if name not in movers for room in rooms}
    assert found - PLUMBING == set(ROOMS)
    for mover in movers:
        assert tuple(tours["full"].rooms[mover]) == ROOMS[mover].inside


def test_optional_rooms(tours):
    def drawn(rooms):
        return set(rooms) & set(ROOMS)

    least, full = ({room for rooms in tours[build].rooms.values() for room in rooms}
                   for build in ("least", "full"))
    optional = {name for name, room in ROOMS.items() if room.optional}
    # A switch there is only in a shared build, a widener only in the other channel.
    assert drawn(full) - drawn(least) == optional - {"switch", "widener"} | {"prefetch_channel"}
    assert drawn(least) <= drawn(full) | {"switch"}


def test_what_only_one_channel_has(tours):
    there, back = (set(tours[name].rooms["data_path"]) for name in ("full", "prefetch"))
    assert there ^ back == {"narrower", "verifier", "verified", "widener"}
    assert "widener" in back


def test_arrows(tours):
    drawn, not_connected, at_ports = (
        {frozenset(pair) for pair in pairs} for pairs in (ARROWS, NOT_CONNECTED, AT_PORTS))
    # The way through a channel: what is inside rooms, or between channels and ports, is left out.
    rooms = set(ROOMS) - {"switch", "registers", "interrupts"}
    joined = {frozenset((room, other)) for build in ("shared", "full", "prefetch") for room in rooms
              for other in tours[build].neighbours(room) & rooms}
    assert drawn - joined == not_connected | at_ports
    assert joined <= drawn


def test_rooms_do_not_overlap():
    rooms = list(ROOMS.values())
    for number, a in enumerate(rooms):
        for b in rooms[number + 1:]:
            assert (a.x + a.width <= b.x or b.x + b.width <= a.x
                    or a.y + a.height <= b.y or b.y + b.height <= a.y)
