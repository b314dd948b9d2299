# SPDX-License-Identifier: Apache-2.0
"""What the hardware costs and how fast it clocks, measured with open tools.

:mod:`designs` names what is measured, :mod:`devices` on what, :mod:`flow` does it, and :mod:`tasks`
does it many times. :mod:`records` keeps the results and compares them, :mod:`report` shows them.
:mod:`asic` does the same in standard cells, which :mod:`liberty` reads.
"""
