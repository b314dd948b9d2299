// SPDX-License-Identifier: Apache-2.0
// Drives a Verilated codec: transfers in, transfers out, and the cycle of every first and last beat.
//
// Built with -DWIDTH=<bytes per beat>. The interface is plain C: see codec.h.

#include <bit>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "codec.h"
#include "verilated.h"

namespace {

// A port is an integer of up to 64 bits, or an array of 32-bit words: bytes in order either way on
// a little-endian machine.
template <typename Port> void put(Port &port, const uint8_t *bytes, size_t count) {
  std::memcpy(&port, bytes, count);
}
template <typename Port> void get(const Port &port, uint8_t *bytes, size_t count) {
  std::memcpy(bytes, &port, count);
}

// Decides cycle by cycle whether an interface pauses: with a probability of `pause` in 256.
class Pauses {
public:
  Pauses(uint32_t pause, uint64_t seed) : pause_(pause), state_(seed * 2 + 1) {}
  bool operator()() {
    if (pause_ == 0) return false;
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return ((state_ * 0x2545F4914F6CDD1DULL) >> 56) < pause_;
  }

private:
  uint32_t pause_;
  uint64_t state_;
};

// A source keeps what it offers until it is taken, as AXI4-Stream demands.
class Offer {
public:
  Offer(uint32_t pause, uint64_t seed) : pauses_(pause, seed) {}
  bool next(bool any) {
    if (!held_) held_ = any && !pauses_();
    return held_;
  }
  void taken() { held_ = false; }

private:
  Pauses pauses_;
  bool held_ = false;
};

// Sees that what is offered and not taken is still offered, unchanged, in the next cycle.
class Held {
public:
  template <typename... Ports> bool stands(bool valid, bool ready, const Ports &...ports) {
    uint8_t now[256];
    size_t size = 0;
    ((get(ports, now + size, sizeof ports), size += sizeof ports), ...);
    const bool good = !waiting_ || (valid && std::memcmp(now, was_, size) == 0);
    waiting_ = valid && !ready;
    if (waiting_) std::memcpy(was_, now, size);
    return good;
  }

private:
  uint8_t was_[256];
  bool waiting_ = false;
};

uint64_t low_bits(size_t count) { return count >= 64 ? ~0ULL : (1ULL << count) - 1; }

} // namespace

struct codec {
  VerilatedContext context;
  std::unique_ptr<Vtop> top;
  uint64_t cycle = 0;
  uint64_t transitions = 0;
  uint64_t wires[WIDTH / 8] = {}; // of m_axis_tdata, in the cycle before

  codec() : top(std::make_unique<Vtop>(&context)) {
    top->aresetn = 0;
    for (int n = 0; n < 4; ++n) tick();
    top->aresetn = 1;
    tick();
  }
  ~codec() { top->final(); }

  void settle() {
    top->aclk = 0;
    top->eval();
  }
  void tick() {
    settle();
    edge();
  }
  void edge() {
    uint64_t now[WIDTH / 8];
    get(top->m_axis_tdata, reinterpret_cast<uint8_t *>(now), WIDTH);
    for (size_t n = 0; n < WIDTH / 8; ++n) {
      transitions += std::popcount(now[n] ^ wires[n]);
      wires[n] = now[n];
    }
    top->aclk = 1;
    top->eval();
    ++cycle;
  }
};

extern "C" {

codec *codec_new() { return new codec; }
void codec_delete(codec *self) { delete self; }
uint64_t codec_cycles(const codec *self) { return self->cycle; }
uint64_t codec_transitions(const codec *self) { return self->transitions; }

int codec_run(codec *self, codec_transfer *transfers, size_t count, const codec_pauses *pauses,
              uint64_t patience) {
  Vtop &top = *self->top;
  size_t command = 0, input = 0, output = 0, status = 0;
  size_t sent = 0;
  uint64_t idle = 0;
  Offer commands(pauses->command, pauses->seed + 1), inputs(pauses->input, pauses->seed + 2);
  Held packets, results;
  Pauses outputs(pauses->output, pauses->seed + 3), statuses(pauses->status, pauses->seed + 4);

  // The status of a packet that broke the rules may come before the packet has been swallowed.
  while (status < count || input < count) {
    top.s_axis_cmd_tvalid = commands.next(command < count);
    if (top.s_axis_cmd_tvalid) top.s_axis_cmd_tdata = transfers[command].command;

    size_t beat = 0;
    bool last = false;
    // Without pauses the commands go ahead, so that what is measured is the data path; with pauses
    // a packet may come before its command.
    top.s_axis_tvalid = inputs.next(input < (pauses->command ? count : command));
    if (top.s_axis_tvalid) {
      const codec_transfer &transfer = transfers[input];
      const size_t left = transfer.input_length - sent;
      beat = left < WIDTH ? left : WIDTH;
      last = left <= WIDTH;
      if (transfer.short_beat == sent / WIDTH && beat > transfer.short_count)
        beat = transfer.short_count;
      put(top.s_axis_tdata, transfer.input + sent, beat);
      top.s_axis_tkeep = low_bits(beat);
      top.s_axis_tlast = last;
    }
    top.m_axis_tready = !outputs();
    top.m_axis_sts_tready = !statuses();
    self->settle();

    if (!packets.stands(top.m_axis_tvalid, top.m_axis_tready, top.m_axis_tdata, top.m_axis_tkeep,
                        top.m_axis_tlast) ||
        !results.stands(top.m_axis_sts_tvalid, top.m_axis_sts_tready, top.m_axis_sts_tdata))
      return CODEC_UNSTABLE;

    bool moved = false;
    if (top.s_axis_cmd_tvalid && top.s_axis_cmd_tready) {
      commands.taken();
      ++command;
      moved = true;
    }
    if (top.s_axis_tvalid && top.s_axis_tready) {
      codec_transfer &transfer = transfers[input];
      if (sent == 0) transfer.first_in = self->cycle;
      transfer.last_in = self->cycle;
      sent += WIDTH;
      if (last) {
        ++input;
        sent = 0;
      }
      inputs.taken();
      moved = true;
    }
    if (top.m_axis_tvalid && top.m_axis_tready) {
      if (output >= count) return CODEC_UNASKED_OUTPUT;
      codec_transfer &transfer = transfers[output];
      uint8_t bytes[WIDTH];
      get(top.m_axis_tdata, bytes, WIDTH);
      const uint64_t keep = top.m_axis_tkeep;
      size_t kept = 0;
      while (kept < WIDTH && (keep >> kept & 1)) ++kept;
      if (keep != low_bits(kept)) return CODEC_BAD_KEEP;
      if (kept != WIDTH && !top.m_axis_tlast) return CODEC_BAD_KEEP;
      if (transfer.output_length + kept > transfer.output_size) return CODEC_OUTPUT_TOO_LONG;
      std::memcpy(transfer.output + transfer.output_length, bytes, kept);
      transfer.output_length += kept;
      if (transfer.beats_out++ == 0) transfer.first_out = self->cycle;
      transfer.last_out = self->cycle;
      output += top.m_axis_tlast;
      moved = true;
    }
    if (top.m_axis_sts_tvalid && top.m_axis_sts_tready) {
      const bool lawful = transfers[status].short_beat >= transfers[status].input_length;
      if (status >= output || (lawful && status >= input)) return CODEC_EARLY_STATUS;
      get(top.m_axis_sts_tdata, transfers[status].status, sizeof transfers[status].status);
      ++status;
      moved = true;
    }
    self->edge();
    idle = moved ? 0 : idle + 1;
    if (idle > patience) return CODEC_HUNG;
  }
  top.s_axis_cmd_tvalid = 0;
  top.s_axis_tvalid = 0;
  top.m_axis_tready = 0;
  top.m_axis_sts_tready = 0;
  return CODEC_DONE;
}

} // extern "C"
