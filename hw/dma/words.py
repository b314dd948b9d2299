# SPDX-License-Identifier: Apache-2.0
"""Descriptors and completion records as they lie in memory."""

from amaranth.lib import data

from opencdma.spec.generated import DESCRIPTOR, RECORD

__all__ = ["DESCRIPTOR_BYTES", "RECORD_BYTES", "DescriptorLayout", "RecordLayout"]

DESCRIPTOR_BYTES = 64
RECORD_BYTES = 32


def _layout(fields):
    return data.StructLayout({field.name: field.width for field in fields})


#: A descriptor; ``docs/programming.md`` says what its fields mean.
DescriptorLayout = _layout(DESCRIPTOR)
#: A completion record.
RecordLayout = _layout(RECORD)
