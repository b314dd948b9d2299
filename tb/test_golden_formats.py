# SPDX-License-Identifier: Apache-2.0
"""The registry of formats."""

import numpy as np
import pytest

from opencdma.golden import formats
from opencdma.spec import FormatId


def test_available():
    assert [format.id for format in formats.available()] == list(FormatId)
    assert [format.name for format in formats.available()] == ["raw", "zvc"]


@pytest.mark.parametrize("key", [1, FormatId.ZVC, "zvc", "ZVC", np.uint8(1)])
def test_get(key):
    assert formats.get(key).id is FormatId.ZVC


@pytest.mark.parametrize("key", [2, -1, "huffman", "1", None, 0.5])
def test_unknown(key):
    with pytest.raises(formats.UnknownFormatError) as caught:
        formats.get(key)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == f"Format must be one of 0 (raw), 1 (zvc), not {key!r}"


@pytest.mark.parametrize("format", formats.available(), ids=lambda format: format.name)
def test_functions_belong_together(format):
    array = np.array([0, 5, 0, 6], "u2")
    encoded = format.encode(array)
    assert len(encoded) <= format.bound(8, 2)
    assert format.decode(encoded, dtype="u2", count=4).tolist() == [0, 5, 0, 6]
    decoded, error = format.decode_partial(encoded, dtype="u2", count=4)
    assert decoded.tolist() == [0, 5, 0, 6]
    assert error is None
