# SPDX-License-Identifier: Apache-2.0
"""Reference implementation in NumPy of every wire format, bit for bit as ``docs/format.md`` says.

:mod:`~opencdma.golden.formats` finds a format by number or name; :mod:`~opencdma.golden.raw` and
:mod:`~opencdma.golden.zvc` are the formats that hardware has, :mod:`~opencdma.golden.pack` is one
that it is to have; :mod:`~opencdma.golden.precision` reduces floats in front of an encoder;
:mod:`~opencdma.golden.baselines` has codecs of others; :mod:`~opencdma.golden.errors` holds what
decoders raise; :mod:`~opencdma.golden.transfer` models one command of the hardware codec;
:mod:`~opencdma.golden.zarr` makes a numcodecs codec of it all; :mod:`~opencdma.golden.vectors`
loads the frozen test vectors.
"""
