// SPDX-License-Identifier: Apache-2.0
// Runs a Verilated board with a serial port at its pins. The interface is plain C: see board.h.

#include <algorithm>
#include <deque>
#include <memory>

#include "Vtop.h"
#include "board.h"
#include "verilated.h"

namespace {

constexpr uint64_t CYCLE = 256; // what times are counted in
constexpr int BITS = 10;        // start bit, data from the low bit up, stop bit

// Puts bytes on a wire, back to back. Bits end at the nearest cycle.
class Sender {
public:
  explicit Sender(uint64_t bit) : bit_(bit) {}
  bool busy() const { return left_ > 0 || !bytes_.empty(); }
  void add(const uint8_t *bytes, size_t count) { bytes_.insert(bytes_.end(), bytes, bytes + count); }
  // Returns the level of the wire in the next cycle.
  bool step() {
    if (left_ == 0) {
      if (bytes_.empty()) {
        time_ = 0;
        return true;
      }
      frame_ = 1u << (BITS - 1) | bytes_.front() << 1;
      bytes_.pop_front();
      left_ = BITS;
      time_ += bit_; // what the bit before was too long or too short by stays in it
    }
    const bool level = frame_ & 1;
    time_ -= CYCLE;
    if (time_ < int64_t(CYCLE / 2)) {
      frame_ >>= 1;
      if (--left_) time_ += bit_;
    }
    return level;
  }

private:
  int64_t bit_, time_ = 0;
  std::deque<uint8_t> bytes_;
  uint32_t frame_ = 0;
  int left_ = 0;
};

// Takes bytes from a wire, each bit in its middle.
class Receiver {
public:
  explicit Receiver(uint64_t bit) : bit_(bit) {}
  std::deque<uint8_t> bytes;
  uint64_t broken = 0;
  // Looks at the wire for a cycle, and returns whether a byte is complete.
  bool step(bool level) {
    if (left_ == 0) {
      if (!level) {
        left_ = BITS;
        time_ = bit_ / 2;
      }
      return false;
    }
    if ((time_ -= CYCLE) >= int64_t(CYCLE / 2)) return false;
    time_ += bit_;
    frame_ = frame_ >> 1 | uint32_t(level) << (BITS - 1);
    if (--left_) return false;
    if (!level) {
      ++broken;
      return false;
    }
    bytes.push_back(frame_ >> 1 & 0xFF);
    return true;
  }

private:
  int64_t bit_, time_ = 0;
  uint32_t frame_ = 0;
  int left_ = 0;
};

} // namespace

struct board {
  VerilatedContext context;
  std::unique_ptr<Vtop> top;
  Sender sender;
  Receiver receiver;
  uint64_t cycle = 0;

  explicit board(uint64_t bit)
      : top(std::make_unique<Vtop>(&context)), sender(bit), receiver(bit) {
    top->rx = 1;
    top->rst = 1;
    for (int n = 0; n < 4; ++n) tick();
    top->rst = 0;
  }
  ~board() { top->final(); }

  // Returns whether a byte has come.
  bool tick() {
    top->clk = 0;
    top->eval();
    const bool came = receiver.step(top->tx);
    top->clk = 1;
    top->eval();
    top->rx = sender.step();
    ++cycle;
    return came;
  }
};

extern "C" {

board *board_new(uint64_t bit) { return new board(bit); }
void board_delete(board *self) { delete self; }
uint64_t board_cycle(const board *self) { return self->cycle; }
uint32_t board_leds(const board *self) { return self->top->leds; }
uint64_t board_broken(const board *self) { return self->receiver.broken; }

void board_send(board *self, const uint8_t *bytes, size_t count) {
  self->sender.add(bytes, count);
}

size_t board_receive(board *self, uint8_t *bytes, size_t count, uint64_t patience) {
  std::deque<uint8_t> &came = self->receiver.bytes;
  for (uint64_t idle = 0; came.size() < count && idle < patience; ++idle)
    if (self->tick() || self->sender.busy()) idle = 0;
  const size_t taken = came.size() < count ? came.size() : count;
  std::copy_n(came.begin(), taken, bytes);
  came.erase(came.begin(), came.begin() + taken);
  return taken;
}

void board_run(board *self, uint64_t cycles) {
  while (cycles--) self->tick();
}

} // extern "C"
