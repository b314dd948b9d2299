# SPDX-License-Identifier: Apache-2.0
"""Training, and what it asks of the engine."""
