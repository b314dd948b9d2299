# SPDX-License-Identifier: Apache-2.0
"""The codec: streams in, streams out.

In the order of the data: :mod:`framer`, :mod:`zero_mask`, :mod:`mask_builder`, :mod:`compactor`,
:mod:`packer` with its :mod:`ring_store` make the :class:`Compressor`; :mod:`intake`,
:mod:`line_store`, :mod:`mask_walker`, :mod:`beat_planner`, :mod:`expander` with its
:mod:`zero_check`, :mod:`gate` make the :class:`Decompressor`. Both use :mod:`network`;
:class:`Codec` is the two together.
"""

from .codec import Codec
from .compressor import Compressor
from .decompressor import Decompressor
from .geometry import CodecGeometry
from .payloads import CommandWord, PacketBeat, StatusWord

__all__ = [
    "Codec", "CodecGeometry", "CommandWord", "Compressor", "Decompressor", "PacketBeat",
    "StatusWord",
]
