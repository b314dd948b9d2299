# SPDX-License-Identifier: Apache-2.0
"""How much formats compress: of the project, of others, and of those that it could have had."""
