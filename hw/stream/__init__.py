# SPDX-License-Identifier: Apache-2.0
"""Queues and flow control for valid/ready streams."""

from .block_queue import BlockQueue
from .credit import Credit
from .front_queue import FrontQueue
from .queue import Queue
from .skid import Skid

__all__ = ["BlockQueue", "Credit", "FrontQueue", "Queue", "Skid"]
