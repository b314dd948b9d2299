/* SPDX-License-Identifier: Apache-2.0 */
/* The Verilated codec in plain C. Everything between the markers is also read by cffi. */
#ifndef OPENCDMA_CODEC_H
#define OPENCDMA_CODEC_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
/* BEGIN */
typedef struct codec codec;

/* A transfer: what goes in, and what came of it. */
typedef struct {
  uint64_t command;        /* the command word */
  const uint8_t *input;    /* the packet */
  uint64_t input_length;   /* its bytes */
  uint64_t short_beat;     /* a beat that gets `short_count` bytes only, or a beat it does not have */
  uint64_t short_count;
  uint8_t *output;         /* room for the packet that comes out */
  uint64_t output_size;    /* bytes of room */
  uint64_t output_length;  /* bytes that came; zero at the start */
  uint64_t beats_out;      /* beats that came; zero at the start */
  uint8_t status[20];      /* the status word */
  uint64_t first_in, last_in, first_out, last_out; /* cycles */
} codec_transfer;

/* How often each interface pauses: probability in 256, for each cycle. */
typedef struct {
  uint32_t command, input, output, status;
  uint64_t seed;
} codec_pauses;

/* Outcomes of codec_run. */
enum {
  CODEC_DONE,
  CODEC_HUNG,            /* nothing moved for `patience` cycles */
  CODEC_OUTPUT_TOO_LONG, /* more bytes than there is room for */
  CODEC_BAD_KEEP,        /* a beat with holes, or not full and not the last */
  CODEC_UNASKED_OUTPUT,  /* a packet nobody asked for */
  CODEC_EARLY_STATUS,    /* a status before the packet was out, or in */
  CODEC_UNSTABLE         /* what was offered changed before it was taken */
};

codec *codec_new(void);
void codec_delete(codec *self);
uint64_t codec_cycles(const codec *self);
/* Changes of the wires of m_axis_tdata so far: those of all bits, added up. */
uint64_t codec_transitions(const codec *self);
int codec_run(codec *self, codec_transfer *transfers, size_t count, const codec_pauses *pauses,
              uint64_t patience);
/* END */
#ifdef __cplusplus
}
#endif
#endif
