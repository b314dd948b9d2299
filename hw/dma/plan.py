# SPDX-License-Identifier: Apache-2.0
"""A descriptor that has been checked and taken apart."""

from amaranth.lib import data

from .jobs import Extent
from .words import DescriptorLayout

__all__ = ["FetchedDescriptor", "Plan"]


class FetchedDescriptor(data.Struct):
    """A descriptor and where it comes from.

    Fields
    ------
    words
        The descriptor.
    index
        Counter of the ring.
    direct
        It comes from the registers instead.
    """

    words:  DescriptorLayout
    index:  32
    direct: 1


class Plan(data.Struct):
    """What is to be done for a descriptor.

    Fields
    ------
    status, error_code
        Why it is refused; status OK if it is not.
    runs
        Data are to be moved: it is neither refused nor a NOP or DRAIN.
    offload
        From device to host memory.
    encodes
        A codec opcode: the record counts nonzeros.
    pattern, discard, verify
        FILL; MEASURE; COMPRESS_VERIFY.
    drain
        DRAIN: waits for what is before, and what is behind waits for it.
    format_id, element_type
        For the codec.
    named_format
        For the record: what the descriptor said.
    source, source_length
        What is read, and its bytes in all.
    destination, limit
        Where the result goes, and how many bytes of it at most.
    raw_length
        Raw bytes.
    capacity
        Bytes of room at the destination.
    fence, irq, check_crc, raw_if_larger, stop_on_error
        Flags.
    record_always, record_on_error
        Write a record: in any case, or if the status is an error. None if its address is bad.
    record_lost
        A record was asked for and cannot be written.
    expected_crc, tag, completion_addr, qos, cache, timeout, index, direct
        As in the descriptor, or with it.
    phase
        The phase bit of the record.
    """

    status:          8
    error_code:      8
    runs:            1
    offload:         1
    encodes:         1
    pattern:         1
    discard:         1
    verify:          1
    drain:           1
    format_id:       8
    named_format:    8
    element_type:    4
    source:          Extent
    source_length:   32
    destination:     Extent
    limit:           32
    raw_length:      32
    capacity:        32
    fence:           1
    irq:             1
    check_crc:       1
    raw_if_larger:   1
    stop_on_error:   1
    record_always:   1
    record_on_error: 1
    record_lost:     1
    expected_crc:    32
    tag:             32
    completion_addr: 64
    qos:             4
    cache:           4
    timeout:         5
    index:           32
    direct:          1
    phase:           1
