# SPDX-License-Identifier: Apache-2.0
"""Descriptors in, completion records out, data from one memory to the other."""
