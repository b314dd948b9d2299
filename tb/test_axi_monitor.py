# SPDX-License-Identifier: Apache-2.0
"""The rules that the cocotb benches hold the engine's AXI4 ports to: no breach escapes them."""

import pytest
from axi_monitor import Address, Burst, PortRules

WIDTH = 8
FULL = 0xFF


class Port:
    """A port that is driven by hand: each call is a cycle."""

    def __init__(self):
        self.rules = PortRules("port", WIDTH, read_burst=4, write_burst=2)
        self._cycle = 0

    def __call__(self, **offers):
        """Offer something, as (READY, payload), in the channels named."""
        self._cycle += 1
        self.rules.step(self._cycle, offers)


@pytest.fixture
def port():
    return Port()


def at(address=0x1000, beats=1, **fields):
    return Address(address, beats - 1, **{"size": 3} | fields)


def breach(port, message, **offers):
    with pytest.raises(AssertionError, match=f"^port {message}, in cycle "):
        port(**offers)


def test_reads(port):
    port(ar=(False, at(0x1FE0, 4)))
    port(ar=(True, at(0x1FE0, 4)))
    port(ar=(True, at(0x2000, 1)), r=(True, (0, False, 0)))
    port(r=(False, (0, False, 0)))
    for last in (False, False, True, True):
        assert port.rules.busy
        port(r=(True, (0, last, 0)))
    assert not port.rules.busy
    assert port.rules.reads == [
        Burst(0x1FE0, 4, offered=1, taken=2, given=4, answered=7),
        Burst(0x2000, 1, offered=3, taken=3, given=1, answered=8)]


def test_writes(port):
    port(aw=(False, at(beats=2)), w=(False, (0xF0, False, "a")))
    port(aw=(False, at(beats=2)), w=(True, (0xF0, False, "a")))
    port(aw=(True, at(beats=2)), w=(True, (0x03, True, "b")))
    port(aw=(True, at(0x3008)))
    port(w=(True, (0, True, "")), b=(True, (0, 0)))
    assert port.rules.busy
    port(b=(True, (0, 2)))
    assert not port.rules.busy
    first, second = port.rules.writes
    assert first == Burst(
        0x1000, 2, offered=1, taken=3, data_offered=1, strobes=[0xF0, 3], given=2, answered=5)
    assert second == Burst(
        0x3008, 1, offered=4, taken=4, data_offered=5, strobes=[0], given=1, answered=6)
    assert [*first.written(WIDTH)] == [0x1004, 0x1005, 0x1006, 0x1007, 0x1008, 0x1009]
    assert first.touches(0x1009, 0x2000, WIDTH)
    assert not first.touches(0x100A, 0x2000, WIDTH)
    assert not first.touches(0, 0x1004, WIDTH)
    port.rules.forget()
    assert port.rules.writes == port.rules.reads == []


@pytest.mark.parametrize(("channel", "payload", "other"), [
    ("ar", at(), at(0x1008)), ("aw", at(), at(qos=1)), ("aw", at(), at(beats=2)),
    ("w", (FULL, True, "a"), (FULL, True, "b")), ("w", (FULL, True, "a"), (0x0F, True, "a")),
    ("r", (0, True, 0), (0, True, 2)), ("b", (0, 0), (0, 3)),
])
def test_offers_stay(port, channel, payload, other):
    def offer():
        port.rules.reset()
        if channel == "r":
            port(ar=(True, at()))
        if channel in ("w", "b"):
            port(aw=(True, at()))
        if channel == "b":
            port(w=(True, (FULL, True, "")))
        port(**{channel: (False, payload)})

    offer()
    breach(port, f"{channel.upper()} was offered and withdrawn")
    offer()
    breach(port, f"{channel.upper()} changed while it was offered", **{channel: (True, other)})
    offer()
    port(**{channel: (True, payload)})
    offer()
    port.rules.reset()
    port()


@pytest.mark.parametrize("channel", ["ar", "aw"])
@pytest.mark.parametrize(("address", "message"), [
    (at(burst=0), "has a burst of type 0"),
    (at(burst=2), "has a burst of type 2"),
    (at(size=2), "has beats of 4 bytes"),
    (at(0x1004), "is not aligned: 0x1004"),
    (at(0x1FF8, 2), "crosses a page: 2 beats at 0x1ff8"),
    (at(beats=5), "asks for 5 beats"),
    (at(id=1), "has an ID or PROT other than 0"),
    (at(prot=2), "has an ID or PROT other than 0"),
])
def test_addresses(port, channel, address, message):
    breach(port, f"{channel.upper()} {message}", **{channel: (True, address)})


def test_bursts_of_writes_are_shorter(port):
    port(ar=(True, at(beats=4)))
    port(aw=(True, at(beats=2)))
    breach(port, "AW asks for 3 beats", aw=(True, at(beats=3)))


def test_data_do_not_come_before_their_address(port):
    breach(port, "W comes before its address", w=(False, (FULL, True, "")))
    port.rules.reset()
    port(aw=(True, at()), w=(True, (FULL, True, "")))
    breach(port, "W comes before its address", w=(True, (FULL, True, "")))


@pytest.mark.parametrize(("beats", "message"), [
    ([(FULL, True)], "W has LAST 1 at beat 0 of 2"),
    ([(FULL, False), (FULL, False)], "W has LAST 0 at beat 1 of 2"),
    ([(0b101, False)], "W has holes: strobe 0x5"),
    ([(0x7F, False)], "W has part of a beat in the middle: strobe 0x7f"),
    ([(FULL, False), (0xFE, True)], "W has part of a beat in the middle: strobe 0xfe"),
])
def test_data(port, beats, message):
    port(aw=(True, at(beats=2)))
    *good, bad = beats
    for strobe, last in good:
        port(w=(True, (strobe, last, "")))
    breach(port, message, w=(True, (bad[0], bad[1], "")))


def test_answers(port):
    breach(port, "R answers nothing", r=(True, (0, True, 0)))
    port.rules.reset()
    port(ar=(False, at()))
    breach(port, "R answers nothing", ar=(True, at()), r=(True, (0, True, 0)))
    port.rules.reset()
    port(ar=(True, at(beats=2)))
    breach(port, "R has LAST 1 at beat 0 of 2", r=(True, (0, True, 0)))
    port.rules.reset()
    port(aw=(True, at()))
    breach(port, "B answers nothing", w=(True, (FULL, True, "")), b=(True, (0, 0)))
    port.rules.reset()
    port(aw=(False, at()), w=(True, (FULL, True, "")))
    breach(port, "B answers nothing", aw=(True, at()), b=(True, (0, 0)))
