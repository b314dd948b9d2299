# SPDX-License-Identifier: Apache-2.0
"""The engine on boards: a serial bridge, memories of block RAM, and what each board needs."""
