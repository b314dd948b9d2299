# SPDX-License-Identifier: Apache-2.0
"""What the engine looks like from outside: standard buses and the names they go by."""
