/* SPDX-License-Identifier: Apache-2.0 */
/* The Verilated engine in plain C. Everything between the markers is also read by cffi. */
#ifndef OPENCDMA_ENGINE_H
#define OPENCDMA_ENGINE_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
/* BEGIN */
typedef struct engine engine;

/* Outcomes of whatever runs the clock. From ENGINE_NO_ANSWER on the hardware broke a rule: then the
   engine is of no further use, and engine_failure says what happened. */
enum {
  ENGINE_DONE,
  ENGINE_LATE,          /* what was waited for did not come in the cycles given */
  ENGINE_NO_ANSWER,     /* an access to a register did not end in the cycles of `patience` */
  ENGINE_UNSTABLE,      /* what was offered changed, or was withdrawn, before it was taken */
  ENGINE_BAD_BURST,     /* not INCR, not of full width, or more beats than configured */
  ENGINE_BAD_ATTRIBUTE, /* AxID or AxPROT other than 0 */
  ENGINE_MISALIGNED,    /* an address that is not a multiple of the width */
  ENGINE_CROSSES_PAGE,  /* a burst across a boundary of 4 KB */
  ENGINE_BAD_LAST,      /* WLAST too early or too late */
  ENGINE_EARLY_DATA,    /* a beat of data before the address of its burst was offered */
  ENGINE_STRAY_WRITE,   /* a byte written where nothing may be written */
  ENGINE_UNASKED,       /* an answer on AXI4-Lite to no request */
  ENGINE_BAD_RESPONSE,  /* a response on AXI4-Lite other than OKAY and SLVERR */
  ENGINE_COMBINATIONAL, /* an output follows an input within the cycle */
  ENGINE_VALID_IN_RESET /* VALID high in, or right after, reset */
};

enum { ENGINE_DEV, ENGINE_HOST, ENGINE_REGISTERS };          /* ports */
enum { ENGINE_AR, ENGINE_R, ENGINE_AW, ENGINE_W, ENGINE_B }; /* channels of each */

/* A memory and what it does. All of it may be changed while no function of the engine runs. */
typedef struct {
  uint8_t *bytes;          /* what it holds */
  uint64_t base;           /* its first address, a multiple of 64 */
  uint64_t size;           /* in bytes, a multiple of 64; beats elsewhere get DECERR */
  const uint8_t *faults;   /* responses of each 8 bytes: to reads in bits 1:0, to writes in 3:2;
                              to a beat, that of its first ones with another than OKAY */
  const uint8_t *writable; /* for each byte, whether it may be written; null: all may be */
  uint32_t read_latency;   /* cycles from the handshake of an address to RVALID, 1 or more */
  uint32_t write_latency;  /* cycles from the handshake of the last beat to BVALID, 1 or more */
  uint32_t reads, writes;  /* bursts taken and not yet answered, at most; 0: any number */
  uint32_t late_address;   /* take an address of writes only when its data have been offered */
  uint32_t pauses[5];      /* probability of a pause of each channel, in 256, for each cycle */
} engine_memory;

typedef struct {
  engine_memory memories[2]; /* ENGINE_DEV, ENGINE_HOST */
  uint32_t read_burst[2];    /* beats of a burst, at most, for each memory */
  uint32_t write_burst[2];
  uint32_t register_pauses;  /* probability of a pause of each channel of AXI4-Lite, in 256 */
  uint64_t patience;         /* cycles of an access to a register, at most */
  uint64_t seed;
} engine_config;

/* A handshake. */
typedef struct {
  uint64_t cycle;
  uint64_t address;   /* AR, AW, B: of the burst; R, W: of the beat */
  uint16_t beats;     /* AR, AW: of the burst; else 1 */
  uint8_t port, channel;
  uint8_t last;       /* R, W: whether it ends its burst */
  uint8_t response;   /* R, B */
  uint8_t qos, cache; /* AR, AW */
} engine_event;

/* The configuration is not copied: it must live as long as the engine. Begins with a reset. */
engine *engine_new(const engine_config *config);
void engine_delete(engine *self);

/* `cycles` with aresetn low. The memories forget what was under way, but not what they hold. */
int engine_reset(engine *self, uint64_t cycles);
int engine_run(engine *self, uint64_t cycles);
int engine_run_until_irq(engine *self, uint64_t cycles);
/* An access to a register. `response` becomes 0 for OKAY, 2 for SLVERR. */
int engine_read(engine *self, uint32_t offset, uint32_t *value, uint8_t *response);
int engine_write(engine *self, uint32_t offset, uint32_t value, uint8_t *response);
/* Reads a register every `interval` cycles until it has `value` in the bits of `mask`, or is
   refused. */
int engine_run_until_register(engine *self, uint32_t offset, uint32_t mask, uint32_t value,
                              uint64_t interval, uint64_t cycles, uint8_t *response);

/* Lets a channel of a memory have so many handshakes more, and then no other. */
void engine_mute(engine *self, int port, int channel, uint64_t handshakes);
void engine_unmute(engine *self, int port, int channel);

uint64_t engine_cycle(const engine *self);
int engine_irq(const engine *self);
const char *engine_failure(const engine *self);
/* Says in words what every port is doing; good until it is called again. */
const char *engine_state(engine *self);

/* Events since tracing began or was cleared, good until the clock runs again. */
void engine_trace(engine *self, int on);
const engine_event *engine_events(const engine *self, size_t *count);
void engine_clear_events(engine *self);
/* END */
#ifdef __cplusplus
}
#endif
#endif
