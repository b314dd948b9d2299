// SPDX-License-Identifier: Apache-2.0
// The engine by hand, in C: a ring for each channel, a tensor out to host memory and back.
//
// The platform gives what is declared first. On a processor that sees registers and host memory,
// the two functions are accesses to volatile words; barriers belong into them where the processor
// reorders.

#include <stddef.h>
#include <string.h>

#include "opencdma.h"

uint32_t platform_read(uint32_t offset);              // a register
void platform_write(uint32_t offset, uint32_t value);
extern uint8_t *platform_host;                        // host memory, as the processor sees it,
extern uint64_t platform_host_address;                // and as the engine does

#define CHANNEL(number) (offsetof(opencdma_engine_t, OFFLOAD) + (number) * sizeof(opencdma_channel_t))
#define REGISTER(number, name) ((uint32_t)(CHANNEL(number) + offsetof(opencdma_channel_t, name)))

enum { LOG2_SIZE = 4, SIZE = 1 << LOG2_SIZE };

// In host memory, at multiples of 64: the descriptors of a channel, then their records.
typedef struct {
    opencdma_descriptor_t descriptors[SIZE];
    opencdma_record_t records[SIZE];
} ring_t;

static ring_t *ring_of(int channel) { return (ring_t *)platform_host + channel; }

static uint64_t engine_address(const void *place)
{
    return platform_host_address + (uint64_t)((const uint8_t *)place - platform_host);
}

void ring_set_up(int channel)
{
    uint64_t base = engine_address(ring_of(channel)->descriptors);
    platform_write(REGISTER(channel, RING_BASE), (uint32_t)base);
    platform_write(REGISTER(channel, RING_BASE) + 4, (uint32_t)(base >> 32));
    platform_write(REGISTER(channel, RING_SIZE), LOG2_SIZE);
    platform_write(REGISTER(channel, CTRL), OPENCDMA_CHANNEL__CTRL__ENABLE_bm);
}

// Do one descriptor. Returns its status, or 0 if the channel halted without a record.
uint8_t ring_do(int channel, opencdma_descriptor_t descriptor, opencdma_record_t *outcome)
{
    uint32_t tail = platform_read(REGISTER(channel, HEAD)); // nothing else is under way
    opencdma_record_t *record = &ring_of(channel)->records[tail % SIZE];
    volatile uint32_t *status = &record->OUTCOME;

    memset(record, 0, sizeof *record);
    descriptor.OPERATION |= (uint32_t)OPENCDMA_FLAG_WRITE_RECORD
                            << OPENCDMA_DESCRIPTOR__OPERATION__FLAGS_bp;
    descriptor.COMPLETION_ADDR = engine_address(record);
    ring_of(channel)->descriptors[tail % SIZE] = descriptor;
    platform_write(REGISTER(channel, TAIL), tail + 1);

    while (!(*status & OPENCDMA_RECORD__OUTCOME__STATUS_bm))
        if (platform_read(REGISTER(channel, STATUS)) & OPENCDMA_CHANNEL__STATUS__HALTED_bm)
            break;
    *outcome = *record;
    // The next descriptor takes its slot from HEAD.
    while (!(platform_read(REGISTER(channel, STATUS)) & OPENCDMA_CHANNEL__STATUS__IDLE_bm)) { }
    return outcome->OUTCOME & OPENCDMA_RECORD__OUTCOME__STATUS_bm;
}

// Compress, asking for more room as long as there is too little. Returns the status.
uint8_t offload(uint64_t raw, uint32_t length, uint64_t encoded, uint32_t room, uint32_t most,
                opencdma_record_t *outcome)
{
    opencdma_descriptor_t descriptor = {
        .OPERATION = OPENCDMA_OPCODE_COMPRESS
                     | (uint32_t)OPENCDMA_FLAG_RAW_IF_LARGER
                       << OPENCDMA_DESCRIPTOR__OPERATION__FLAGS_bp,
        .SRC_ADDR = raw, .SRC_LEN = length, .DST_ADDR = encoded, .MAX_DST_LEN = room,
        .CODEC = OPENCDMA_FORMAT_ID_ZVC
                 | OPENCDMA_ELEMENT_TYPE_FP32 << OPENCDMA_DESCRIPTOR__CODEC__ELEMENT_TYPE_bp,
    };
    uint8_t status = ring_do(OPENCDMA_CHANNEL_OFFLOAD, descriptor, outcome);
    if (status == OPENCDMA_STATUS_DST_OVERFLOW && outcome->BYTES_OUT <= most) {
        descriptor.MAX_DST_LEN = outcome->BYTES_OUT;
        status = ring_do(OPENCDMA_CHANNEL_OFFLOAD, descriptor, outcome);
    }
    return status;
}

// Decompress what offload() left, and have the engine compare the CRC. Returns the status.
uint8_t prefetch(const opencdma_record_t *offloaded, uint64_t encoded, uint64_t raw,
                 uint32_t length, opencdma_record_t *outcome)
{
    uint32_t format = (offloaded->OUTCOME & OPENCDMA_RECORD__OUTCOME__FORMAT_ID_bm)
                      >> OPENCDMA_RECORD__OUTCOME__FORMAT_ID_bp;
    opencdma_descriptor_t descriptor = {
        .OPERATION = OPENCDMA_OPCODE_DECOMPRESS
                     | (uint32_t)OPENCDMA_FLAG_CHECK_CRC
                       << OPENCDMA_DESCRIPTOR__OPERATION__FLAGS_bp,
        .SRC_ADDR = encoded, .SRC_LEN = offloaded->BYTES_OUT,
        .DST_ADDR = raw, .MAX_DST_LEN = length,
        .CODEC = format
                 | OPENCDMA_ELEMENT_TYPE_FP32 << OPENCDMA_DESCRIPTOR__CODEC__ELEMENT_TYPE_bp,
        .EXPECTED_CRC = offloaded->CRC32,
    };
    return ring_do(OPENCDMA_CHANNEL_PREFETCH, descriptor, outcome);
}
