// SPDX-License-Identifier: Apache-2.0
// The engine by hand, in C: a ring for each channel, a tensor out to host memory and back.
//
// The platform gives what is declared first. On a processor that sees registers and host memory,
// platform_read() and platform_write() are accesses to volatile words. Where the processor reorders
// there are barriers in them: memory is read after the register that was read before it, and
// written before the register that is written behind it, as with readl() and writel() of Linux.
//
// platform_read_barrier() lets no read of memory behind it be done before one in front of it, by
// the compiler or the processor: dma_rmb() of Linux, atomic_thread_fence(memory_order_acquire)
// between caches that are coherent. Without it, the parts of a record could be older than its
// status.

#include <stddef.h>
#include <string.h>

#include "opencdma.h"

uint32_t platform_read(uint32_t offset);              // a register
void platform_write(uint32_t offset, uint32_t value);
void platform_read_barrier(void);
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

// What ends all waiting. A channel whose records are not taken is LATCHED and does not halt.
enum { STOPPED = OPENCDMA_CHANNEL__STATUS__HALTED_bm | OPENCDMA_CHANNEL__STATUS__LATCHED_bm };

// Do one descriptor. Returns its status, or 0 if the channel stopped without a record: then it has
// to be resumed, or, if it is LATCHED, to be reset once it is DRAINED.
uint8_t ring_do(int channel, opencdma_descriptor_t descriptor, opencdma_record_t *outcome)
{
    uint32_t tail = platform_read(REGISTER(channel, HEAD)); // nothing else is under way
    opencdma_record_t *record = &ring_of(channel)->records[tail % SIZE];
    volatile uint32_t *status = &record->OUTCOME;
    uint32_t seen, stopped;

    memset(record, 0, sizeof *record);
    descriptor.OPERATION |= (uint32_t)OPENCDMA_FLAG_WRITE_RECORD
                            << OPENCDMA_DESCRIPTOR__OPERATION__FLAGS_bp;
    descriptor.COMPLETION_ADDR = engine_address(record);
    ring_of(channel)->descriptors[tail % SIZE] = descriptor;
    platform_write(REGISTER(channel, TAIL), tail + 1);

    do { // the register first: a record that came before the channel stopped is seen
        stopped = platform_read(REGISTER(channel, STATUS)) & STOPPED;
        seen = *status;
    } while (!(seen & OPENCDMA_RECORD__OUTCOME__STATUS_bm) && !stopped);
    platform_read_barrier();
    *outcome = *record;
    outcome->OUTCOME = seen;
    // The next descriptor takes its slot from HEAD. While LATCHED, IDLE may never come.
    while (!(platform_read(REGISTER(channel, STATUS))
             & (OPENCDMA_CHANNEL__STATUS__IDLE_bm | STOPPED))) { }
    return seen & OPENCDMA_RECORD__OUTCOME__STATUS_bm;
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
