# SPDX-License-Identifier: Apache-2.0
"""The Verilated engine as a Python object, real activations to feed it, and the command line."""
