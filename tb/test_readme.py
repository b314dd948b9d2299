# SPDX-License-Identifier: Apache-2.0
"""The example in ``README.md`` does what it says."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.xdist_group("opencdma_ecp5")
def test_example():
    example, = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.M | re.S)
    exec(compile(example, README.name, "exec"), {})
