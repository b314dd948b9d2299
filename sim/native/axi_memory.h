// SPDX-License-Identifier: Apache-2.0
// A memory behind an AXI4 port, in order, that holds the manager to the rules of the bus.
//
// A beat of reading is fetched when it is offered, a beat of writing is stored when it is taken.
#ifndef OPENCDMA_AXI_MEMORY_H
#define OPENCDMA_AXI_MEMORY_H

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>

#include "axi.h"
#include "engine.h"
#include "handshake.h"
#include "trace.h"

template <unsigned Width> class AxiMemory {
public:
  AxiMemory(const std::string &name, uint8_t port, const engine_config &config, Trace &trace)
      : port_(port), memory_(config.memories[port]), read_burst_(config.read_burst[port]),
        write_burst_(config.write_burst[port]), trace_(trace) {
    const char *const suffixes[] = {" AR", " R", " AW", " W", " B"};
    for (unsigned n = 0; n < 5; ++n) {
      names_[n] = name + suffixes[n];
      channels_[n] = Channel(config.seed * 16 + port * 5 + n);
    }
  }

  Channel &channel(int number) { return channels_[number]; }

  void reset() {
    reads_.clear();
    writes_.clear();
    filled_ = 0;
    addressed_ = true;
    data_offered_ = false;
    for (Channel &channel : channels_) channel.reset();
    held_ar_.reset();
    held_aw_.reset();
    held_w_.reset();
  }

  // Decides what the memory drives in this cycle, from what was up to the last one.
  const AxiMemoryPins<Width> &drive(uint64_t cycle) {
    const auto *pause = memory_.pauses;
    pins_.arready = channels_[ENGINE_AR].ready(
        memory_.reads == 0 || reads_.size() < memory_.reads, pause[ENGINE_AR]);
    const size_t taken = writes_.size() - !addressed_;
    pins_.awready = channels_[ENGINE_AW].ready(
        (memory_.writes == 0 || taken < memory_.writes) &&
            (memory_.late_address == 0 || data_offered_),
        pause[ENGINE_AW]);
    pins_.wready = channels_[ENGINE_W].ready(true, pause[ENGINE_W]);

    Channel &r = channels_[ENGINE_R];
    if (!r.offered() && r.offer(!reads_.empty() && cycle >= reads_.front().due, pause[ENGINE_R]))
      fetch(reads_.front());
    pins_.rvalid = r.offered();

    Channel &b = channels_[ENGINE_B];
    if (!b.offered() && b.offer(answerable(cycle), pause[ENGINE_B])) {
      pins_.bresp = writes_.front().response;
      pins_.bid = writes_.front().id;
    }
    pins_.bvalid = b.offered();
    return pins_;
  }

  // Takes and gives what both sides agree on at the end of this cycle.
  void exchange(uint64_t cycle, const AxiManagerPins<Width> &manager) {
    held_ar_.check(manager.arvalid, pins_.arready, manager.ar, names_[ENGINE_AR]);
    held_aw_.check(manager.awvalid, pins_.awready, manager.aw, names_[ENGINE_AW]);
    held_w_.check(manager.wvalid, pins_.wready, manager.w, names_[ENGINE_W]);
    if (pins_.rvalid && manager.rready) read_beat(cycle);
    if (pins_.bvalid && manager.bready) acknowledgement(cycle);
    if (manager.arvalid && pins_.arready) read_address(cycle, manager.ar);
    if (manager.awvalid) write_address(cycle, manager.aw);
    if (!addressed_) {
      const bool turn = filled_ == writes_.size() - 1; // of its data, on W
      data_offered_ = filled_ == writes_.size() || writes_.back().given || (turn && manager.wvalid);
    }
    if (manager.wvalid && pins_.wready) write_beat(cycle, manager.w);
  }

  // Appends what is under way, in words.
  void describe(std::string &text) const {
    text += "reads " + std::to_string(reads_.size()) + ", writes with all data " +
            std::to_string(filled_) + ", without " + std::to_string(writes_.size() - filled_) +
            ", not taken:";
    const bool waiting[] = {held_ar_.waiting(), channels_[ENGINE_R].offered(), held_aw_.waiting(),
                            held_w_.waiting(), channels_[ENGINE_B].offered()};
    const size_t length = text.size();
    for (unsigned n = 0; n < 5; ++n)
      if (waiting[n]) text += names_[n].substr(names_[n].find(' '));
    if (text.size() == length) text += " none";
  }

private:
  struct Read {
    uint64_t address; // of the next beat
    unsigned left;    // beats
    uint64_t due;     // cycle of the first beat, at the earliest
    uint8_t id;
  };
  struct Write {
    uint64_t first; // address of the first beat
    unsigned beats;
    unsigned given; // beats of data taken
    uint64_t due;   // cycle of the acknowledgement, at the earliest
    uint8_t response, id;
  };

  // The response to a beat: what the faults say of reads (at bit 0) or of writes (at bit 2).
  uint8_t response(uint64_t address, unsigned bit) const {
    constexpr unsigned kPart = 8; // bytes of a fault
    const uint64_t offset = address - memory_.base;
    if (offset >= memory_.size) return kDecodeError;
    for (unsigned n = 0; n < Width / kPart; ++n)
      if (const uint8_t refusal = memory_.faults[offset / kPart + n] >> bit & 3) return refusal;
    return kOkay;
  }

  void read_address(uint64_t cycle, const AxiAddress &ar) {
    check_burst<Width>(ar, read_burst_, names_[ENGINE_AR]);
    channels_[ENGINE_AR].taken();
    reads_.push_back({ar.address, ar.beats(), cycle + memory_.read_latency, ar.id});
    trace_.address(cycle, port_, ENGINE_AR, ar.address, ar.beats(), ar.qos, ar.cache);
  }

  void fetch(const Read &read) {
    pins_.rresp = response(read.address, 0);
    pins_.rid = read.id;
    pins_.rlast = read.left == 1;
    if (pins_.rresp == kOkay)
      std::memcpy(pins_.rdata.data(), memory_.bytes + (read.address - memory_.base), Width);
    else
      pins_.rdata.fill(0xEE);
  }

  void read_beat(uint64_t cycle) {
    channels_[ENGINE_R].taken();
    Read &read = reads_.front();
    trace_.beat(cycle, port_, ENGINE_R, read.address, pins_.rlast, pins_.rresp);
    read.address += Width;
    if (--read.left == 0) reads_.pop_front();
  }

  // A burst begins when its address is offered: data may be taken before the address is.
  void write_address(uint64_t cycle, const AxiAddress &aw) {
    if (addressed_) {
      check_burst<Width>(aw, write_burst_, names_[ENGINE_AW]);
      writes_.push_back({aw.address, aw.beats(), 0, 0, kOkay, aw.id});
      addressed_ = false;
    }
    if (pins_.awready) {
      channels_[ENGINE_AW].taken();
      writes_.back().due = std::max(writes_.back().due, cycle + 1);
      addressed_ = true;
      data_offered_ = false;
      trace_.address(cycle, port_, ENGINE_AW, aw.address, aw.beats(), aw.qos, aw.cache);
    }
  }

  void write_beat(uint64_t cycle, const AxiWriteBeat<Width> &beat) {
    if (filled_ == writes_.size())
      fail(ENGINE_EARLY_DATA, names_[ENGINE_W], "data before the address of their burst");
    Write &write = writes_[filled_];
    const uint64_t address = write.first + uint64_t{Width} * write.given;
    const bool last = ++write.given == write.beats;
    if (beat.last != last)
      fail(ENGINE_BAD_LAST, names_[ENGINE_W], "WLAST is %d at beat %u of %u", beat.last,
           write.given, write.beats);
    const uint8_t refusal = store(address, beat);
    if (write.response == kOkay) write.response = refusal;
    channels_[ENGINE_W].taken();
    trace_.beat(cycle, port_, ENGINE_W, address, last, kOkay);
    if (last) {
      ++filled_;
      write.due = std::max(write.due, cycle + memory_.write_latency);
    }
  }

  uint8_t store(uint64_t address, const AxiWriteBeat<Width> &beat) {
    const uint64_t offset = address - memory_.base;
    const bool inside = offset < memory_.size;
    const uint8_t refusal = response(address, 2);
    for (unsigned n = 0; n < Width; ++n) {
      if ((beat.strobe >> n & 1) == 0) continue;
      if (memory_.writable && !(inside && memory_.writable[offset + n]))
        fail(ENGINE_STRAY_WRITE, names_[ENGINE_W], "byte 0x%llx must not be written",
             static_cast<unsigned long long>(address + n));
      if (refusal == kOkay) memory_.bytes[offset + n] = beat.data[n];
    }
    return refusal;
  }

  bool answerable(uint64_t cycle) const {
    return filled_ != 0 && (writes_.size() > 1 || addressed_) && cycle >= writes_.front().due;
  }

  void acknowledgement(uint64_t cycle) {
    channels_[ENGINE_B].taken();
    trace_.beat(cycle, port_, ENGINE_B, writes_.front().first, false, pins_.bresp);
    writes_.pop_front();
    --filled_;
  }

  const uint8_t port_;
  const engine_memory &memory_;
  const unsigned read_burst_, write_burst_;
  Trace &trace_;
  std::string names_[5];
  Channel channels_[5];
  AxiMemoryPins<Width> pins_{};
  Held<AxiAddress> held_ar_, held_aw_;
  Held<AxiWriteBeat<Width>> held_w_;
  std::deque<Read> reads_;
  std::deque<Write> writes_;  // bursts whose address was offered, until they are acknowledged
  size_t filled_ = 0;         // how many of them, from the front, have all their data
  bool addressed_ = true;     // the address of the last of them was taken
  bool data_offered_ = false; // it was not, and data of that burst have been offered
};

#endif
