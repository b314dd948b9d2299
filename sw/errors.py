# SPDX-License-Identifier: Apache-2.0
"""What the driver raises when the engine says that something went wrong."""

from opencdma.spec import Channel, Descriptor, ErrorCode, Opcode, Record, Status

__all__ = ["ChannelHaltedError", "EngineError", "TransferError"]

_CORRECT = "correct the descriptor"
_RETRY = "submit it again"
_DAMAGED = "the source is damaged"

#: What to do about an outcome.
_ADVICE = {
    Status.DATA_ERROR: f"{_DAMAGED}, or a length or the format is not that of its record",
    Status.DST_OVERFLOW: "try again with {record.bytes_out} bytes of room",
    Status.BAD_OPCODE: f"{_CORRECT}: the channel or the build does not know the opcode",
    Status.BAD_FLAGS: f"{_CORRECT}: a flag does not go with the opcode or the build",
    Status.RESERVED_NONZERO: f"{_CORRECT}: reserved fields must be 0",
    Status.BAD_LENGTH: f"{_CORRECT}: give whole elements and lawful rows, and split what is longer",
    Status.OVERLAP: "choose a destination that is free",
    Status.RANGE: "use addresses within the channel's windows",
    Status.RECORD_ADDR: "give the record 32 aligned bytes of its own",
    Status.ADDR_ALIGN: "align the addresses to the ports' widths",
    Status.RD_SLVERR: "the memory refused a read at {record.fault_addr:#x}",
    Status.RD_DECERR: "there is no memory to read at {record.fault_addr:#x}",
    Status.WR_SLVERR: "the memory refused a write in the burst at {record.fault_addr:#x}",
    Status.WR_DECERR: "there is no memory to write in the burst at {record.fault_addr:#x}",
    Status.DESC_FETCH: "the ring is not in memory that can be read",
    Status.RECORD_WRITE: "a record was not taken by the memory; resume goes on behind it",
    Status.RING_ERROR: "somebody else wrote TAIL; reset the channel",
    Status.TIMEOUT: "a memory does not answer; reset the channel",
    Status.ABORTED: _RETRY,
    Status.FLUSHED: _RETRY,
    Status.BAD_CODEC: "choose a format and an element type that the build has",
    Status.INTERNAL: "the engine failed a check of itself; report it",
}

#: The same about comparisons of whole transfers, which have no position.
_COMPARED = {
    ErrorCode.CRC: f"{_DAMAGED}, or the expected CRC is not that of its raw data",
    ErrorCode.VERIFY: "the engine encoded wrongly; report it",
}

#: What to do about a channel that halted, unless the record of a descriptor says it.
_HALTS = {
    **{status: _ADVICE[status] for status in (
        Status.DESC_FETCH, Status.RECORD_WRITE, Status.RING_ERROR, Status.TIMEOUT)},
    Status.RECORD_ADDR: (
        "the place of its record is in its destination or outside the window of records, so it has "
        "none; resume goes on behind it"),
    Status.ABORTED: "it was aborted; resume goes on with what is still in the ring",
}


def _name(enumeration, number: int) -> str:
    """Return the name of a member, or the number if there is none."""
    known = [member.name for member in enumeration if member == number]
    return known[0] if known else f"{number:#04x}"


class EngineError(RuntimeError):
    """There is no engine, or it does not do what the driver asks for."""


class TransferError(EngineError):
    """A descriptor ended with another status than OK or OK_RAW.

    Parameters
    ----------
    descriptor : :class:`~opencdma.spec.Descriptor`
        As it was submitted.
    record : :class:`~opencdma.spec.Record`
        Its outcome.
    """

    def __init__(self, descriptor: Descriptor, record: Record):
        super().__init__(descriptor, record)
        self.descriptor = descriptor
        self.record = record

    def __str__(self) -> str:
        status = _name(Status, self.record.status)
        advice = _ADVICE.get(self.record.status, "the driver does not know this status")
        if self.record.error_code:
            status += f", {_name(ErrorCode, self.record.error_code)}"
        if self.record.status == Status.DATA_ERROR:
            if self.record.error_code in _COMPARED:
                advice = _COMPARED[self.record.error_code]
            else:
                status += f" at byte {self.record.fault_addr}"
        return (
            f"{_name(Opcode, self.descriptor.opcode)} with tag {self.descriptor.tag} ended with "
            f"{status}: {advice.format(record=self.record)}")


class ChannelHaltedError(EngineError):
    """A channel halted, so that what waits in it does not get on.

    Parameters
    ----------
    channel : :class:`~opencdma.spec.Channel`
        Which one.
    status, error_code : :class:`int`
        Register ERROR.
    index : :class:`int`
        Counter of the descriptor.
    address : :class:`int`
        Register ERROR_ADDR.
    """

    def __init__(self, channel: Channel, status: int, error_code: int, index: int, address: int):
        super().__init__(channel, status, error_code, index, address)
        self.channel = channel
        self.status = status
        self.error_code = error_code
        self.index = index
        self.address = address

    def __str__(self) -> str:
        advice = _HALTS.get(
            self.status, "its record, if it has one, says more; resume goes on behind it")
        return (
            f"Channel {self.channel.name} halted at descriptor {self.index} with "
            f"{_name(Status, self.status)}, address {self.address:#x}: {advice}")
