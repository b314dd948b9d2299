// SPDX-License-Identifier: Apache-2.0
// What every driver of a bus needs: random pauses, channels that can be muted, and rules of VALID.
#ifndef OPENCDMA_HANDSHAKE_H
#define OPENCDMA_HANDSHAKE_H

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "engine.h"

// The hardware broke a rule. What it says ends up in an error message.
struct Failure {
  int code;
  std::string text;
};

// Stops the run. `where` is a channel, as in "m_axi_dev AW".
[[noreturn, gnu::format(printf, 3, 4)]] inline void fail(int code, std::string_view where,
                                                         const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  throw Failure{code, std::string(where) + ": " + text};
}

// Random decisions: xorshift64*, seeded through a step of splitmix64 so that any seed is good.
class Random {
public:
  explicit Random(uint64_t seed) {
    uint64_t mixed = (seed + 1) * 0x9E3779B97F4A7C15ULL;
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9ULL;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBULL;
    state_ = (mixed ^ mixed >> 31) | 1;
  }
  // True with a probability of `share` in 256.
  bool operator()(uint32_t share) {
    if (share == 0) return false;
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545F4914F6CDD1DULL >> 56 < share;
  }

private:
  uint64_t state_;
};

// Our end of a channel: it pauses at random, and can be muted after a number of handshakes.
class Channel {
public:
  explicit Channel(uint64_t seed = 0) : random_(seed) {}

  void mute_after(uint64_t handshakes) { left_ = handshakes; }
  void unmute() { left_ = kUnlimited; }

  // As a receiver: whether to be ready in this cycle.
  bool ready(bool able, uint32_t pause) { return able && left_ != 0 && !random_(pause); }

  // As a sender: whether to offer in this cycle. What is offered stays until taken, muted or not.
  bool offer(bool any, uint32_t pause) {
    if (!offered_) offered_ = any && left_ != 0 && !random_(pause);
    return offered_;
  }
  bool offered() const { return offered_; }

  void taken() {
    offered_ = false;
    if (left_ != kUnlimited && left_ != 0) --left_;
  }
  void reset() { offered_ = false; }

private:
  static constexpr uint64_t kUnlimited = ~0ULL;
  Random random_;
  uint64_t left_ = kUnlimited;
  bool offered_ = false;
};

// Sees that what the hardware offers and we do not take is still offered, unchanged, a cycle later.
template <typename Payload> class Held {
public:
  void check(bool valid, bool ready, const Payload &payload, std::string_view where) {
    if (waiting_ && !valid) fail(ENGINE_UNSTABLE, where, "VALID withdrawn before READY");
    if (waiting_ && payload != was_)
      fail(ENGINE_UNSTABLE, where, "payload changed before READY");
    waiting_ = valid && !ready;
    if (waiting_) was_ = payload;
  }
  bool waiting() const { return waiting_; }
  void reset() { waiting_ = false; }

private:
  Payload was_{};
  bool waiting_ = false;
};

#endif
