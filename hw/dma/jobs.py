# SPDX-License-Identifier: Apache-2.0
"""What the movers are asked to do, and what they report."""

from amaranth.lib import data

__all__ = ["Extent", "MoverReport", "ReadJob", "WriteJob"]



class Extent(data.Struct):
    """Rows of bytes in a memory.

    Fields
    ------
    address
        Of the first row, in bytes.
    row_length
        Bytes per row.
    rows_minus_1
        Rows, less one.
    stride
        Bytes from row to row.
    """

    address:      64
    row_length:   32
    rows_minus_1: 16
    stride:       32


class ReadJob(data.Struct):
    """What to read.

    Fields
    ------
    extent
        Where. A pattern is not read, but repeated; it stands in the address.
    total
        Bytes of all rows.
    pattern
        No memory is read. There is one row, of all bytes.
    qos, cache
        AxQOS and AxCACHE.
    """

    extent:  Extent
    total:   32
    pattern: 1
    qos:     4
    cache:   4


class WriteJob(data.Struct):
    """Where to write.

    Fields
    ------
    extent
        Where. How many rows there are is not looked at: the packet, or the limit, ends in time.
    limit
        Bytes to be written at most; what is beyond is dropped.
    qos, cache
        AxQOS and AxCACHE.
    """

    extent: Extent
    limit:  32
    qos:    4
    cache:  4


class MoverReport(data.Struct):
    """What came of a job.

    Fields
    ------
    fault
        RESP of the first beat (reading) or burst (writing) that was refused; OKAY if none was.
    cut
        Not everything was read, for another reason than a fault.
    address
        Of the beat or burst.
    """

    fault:   2
    cut:     1
    address: 64
