# SPDX-License-Identifier: Apache-2.0
"""Settings for the tests of single blocks."""

from amaranth.hdl import Elaboratable

# A constructor that refuses its arguments leaves a component behind that is never elaborated.
# Amaranth's own switch for that is a first line in each file, which here names the licence.
Elaboratable._MustUse__silence = True
