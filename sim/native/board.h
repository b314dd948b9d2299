/* SPDX-License-Identifier: Apache-2.0 */
/* The Verilated board in plain C. Everything between the markers is also read by cffi. */
#ifndef OPENCDMA_BOARD_H
#define OPENCDMA_BOARD_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
/* BEGIN */
typedef struct board board;

/* `bit` is the time of a bit on both wires, in 1/256 of a cycle. Begins with a reset. */
board *board_new(uint64_t bit);
void board_delete(board *self);

/* Puts bytes behind those that are still to be sent; they go out as the clock runs. */
void board_send(board *self, const uint8_t *bytes, size_t count);
/* Runs the clock until so many bytes have come since the last call, or all have been sent and
   nothing has come for `patience` cycles. Returns how many there are, up to `count`. */
size_t board_receive(board *self, uint8_t *bytes, size_t count, uint64_t patience);
void board_run(board *self, uint64_t cycles);

uint64_t board_cycle(const board *self);
uint32_t board_leds(const board *self);
/* Bytes from the board that had no stop bit. */
uint64_t board_broken(const board *self);
/* END */
#ifdef __cplusplus
}
#endif
#endif
