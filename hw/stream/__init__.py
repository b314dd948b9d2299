# SPDX-License-Identifier: Apache-2.0
"""Queues and flow control for valid/ready streams."""

from .block_queue import BlockQueue
from .credit import Credit
from .queue import Queue

__all__ = ["BlockQueue", "Credit", "Queue"]
