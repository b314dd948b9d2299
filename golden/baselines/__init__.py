# SPDX-License-Identifier: Apache-2.0
"""Codecs of others, to compare ratios with: no hardware of this project reads or writes them.

:mod:`~opencdma.golden.baselines.rle` is run-length encoding of zeros, the weakest of the cDMA
paper's three; :mod:`~opencdma.golden.baselines.csr` the sparse matrix that EPMC starts from;
:mod:`~opencdma.golden.baselines.ebpc` extended bit-plane compression.
"""
