# SPDX-License-Identifier: Apache-2.0
"""The corpus in a table: ``python -m opencdma.sim.activations.summary`` prints it as Markdown."""

from opencdma.sim.activations import Activation, manifest

_HEADER = """\
| network | dtype | tensors | bytes | zeros: least | overall | most |
|---|---|---:|---:|---:|---:|---:|"""


def _row(network: str, dtype: str, group: list[Activation]) -> str:
    zeros = [activation.zero_fraction for activation in group]
    overall = sum(a.zero_fraction * a.size for a in group) / sum(a.size for a in group)
    nbytes = sum(activation.nbytes for activation in group)
    return (
        f"| {network} | {dtype} | {len(group)} | {nbytes:,} "
        f"| {min(zeros):.3f} | {overall:.3f} | {max(zeros):.3f} |"
    )


def markdown() -> str:
    """Return the table: tensors, bytes and zero fractions by network and dtype, and in all."""
    groups = {}
    for activation in manifest():
        groups.setdefault((activation.network, activation.dtype), []).append(activation)
    rows = [_row(network, dtype, group) for (network, dtype), group in groups.items()]
    return "\n".join([_HEADER, *rows, _row("all", "", manifest())])


if __name__ == "__main__":
    print(markdown())
