# SPDX-License-Identifier: Apache-2.0
"""Open designs that do something comparable, and published figures: numbers, and where from."""

from dataclasses import dataclass

__all__ = ["ASIC_PEERS", "CODECS", "MOVERS", "AsicPeer", "Peer"]

#: How numbers of peers were come by, unless they say otherwise.
SAME_TOOLS = (
    "synthesised from public RTL with the same tools for LFE5U-85F speed 6, by `synth_ecp5` as it "
    "is: without [short sums](synthesis.md#short-sums) and "
    "[output registers](synthesis.md#output-registers-of-block-ram)")


@dataclass(frozen=True)
class Peer:
    """Another design on the main device.

    Parameters
    ----------
    name : :class:`str`
        What it is.
    beside : :class:`str`
        Group of the designs that it is set beside.
    lut4, ff, cells : :class:`int` or ``None``
        As in a record; ``None`` if not known.
    mhz : :class:`float`
        Its clock.
    bytes_per_cycle : tuple of two :class:`float`
        Raw bytes per cycle, at worst and at best.
    source : :class:`str`
        Where the numbers are from.
    """

    name: str
    beside: str
    lut4: int | None
    ff: int | None
    cells: int | None
    mhz: float
    bytes_per_cycle: tuple[float, float]
    source: str = SAME_TOOLS

    @property
    def cells_at_least(self) -> int:
        """Placed cells; the lookup tables alone, which are fewer, where those are not known."""
        return self.cells or self.lut4


#: One word of 8 bits at a time. Lookup tables without mapping to DSP blocks.
CODECS = (
    Peer("EBPC encoder", "compressor", 832, 256, None, 60, (0.73, 1)),
    Peer("EBPC decoder", "decompressor", 940, 251, None, 80, (1, 1)),
)

#: DMA engines of 256 bits. They take descriptors from a stream or from registers.
MOVERS = (
    Peer("axi_cdma (verilog-axi)", "movers", 651, 642, 1991, 77, (32, 32)),
    Peer("axidma (wb2axip), aligned", "movers", 983, 493, 2323, 110, (32, 32)),
    Peer("axi_dma (verilog-axi), looped back", "movers", None, None, 4367, 78, (32, 32)),
)


@dataclass(frozen=True)
class AsicPeer:
    """A published figure in standard cells.

    Parameters
    ----------
    name : :class:`str`
        What it is.
    figure : :class:`str`
        What was published, with its unit.
    comparable, different : :class:`str`
        What is the same as here, and what is not.
    source : :class:`str`
        Where it was published.
    """

    name: str
    figure: str
    comparable: str
    different: str
    source: str


ASIC_PEERS = (
    AsicPeer(
        "cDMA, all (de)compression units", "0.31 mm² in 28 nm",
        "zero-value compression of 32-bit words, 32 bytes per cycle and unit",
        "FreePDK 45 nm scaled to 28 nm, with half of the area for wires; all units of a GPU "
        "together, whose number the figure does not tell; no run-time element sizes",
        "Rhu et al., HPCA 2018, arXiv 1705.01626"),
    AsicPeer(
        "EBPC compressor", "2.8 kGE", "gates of a lossless compressor of activations",
        "one 8-bit word per cycle at most, bit planes; a commercial library and flow: its public "
        "RTL takes 1.4 to 1.7 times as many gates in this one",
        "Cavigelli et al., arXiv 1908.11645"),
    AsicPeer(
        "EBPC decompressor", "1.7 kGE", "gates of a decompressor of activations",
        "as for the compressor", "Cavigelli et al., arXiv 1908.11645"),
)
