// SPDX-License-Identifier: Apache-2.0
// The manager of an AXI4-Lite bus, one access at a time.
#ifndef OPENCDMA_AXI_LITE_H
#define OPENCDMA_AXI_LITE_H

#include <string>

#include "axi.h"
#include "engine.h"
#include "handshake.h"
#include "trace.h"

// What the manager drives.
struct AxiLiteManagerPins {
  bool arvalid, rready, awvalid, wvalid, bready;
  uint32_t araddr, awaddr, wdata;
  uint8_t wstrb;
};

// What the registers drive.
struct AxiLiteRegisterPins {
  bool arready, rvalid, awready, wready, bvalid;
  uint32_t rdata;
  uint8_t rresp, bresp;
};

class AxiLite {
public:
  AxiLite(const engine_config &config, Trace &trace) : config_(config), trace_(trace) {
    for (unsigned n = 0; n < 5; ++n) channels_[n] = Channel(config.seed * 16 + 10 + n);
  }

  void read(uint32_t offset) {
    pins_.araddr = offset;
    ar_due_ = r_due_ = true;
  }
  void write(uint32_t offset, uint32_t value) {
    pins_.awaddr = offset;
    pins_.wdata = value;
    pins_.wstrb = 0xF;
    aw_due_ = w_due_ = b_due_ = true;
  }
  bool busy() const { return r_due_ || b_due_; }
  uint32_t value() const { return value_; }      // that was read
  uint8_t response() const { return response_; } // to the last access

  void reset() {
    ar_due_ = r_due_ = aw_due_ = w_due_ = b_due_ = false;
    for (Channel &channel : channels_) channel.reset();
    held_r_.reset();
    held_b_.reset();
  }

  const AxiLiteManagerPins &drive() {
    const uint32_t pause = config_.register_pauses;
    pins_.arvalid = channels_[ENGINE_AR].offer(ar_due_, pause);
    pins_.awvalid = channels_[ENGINE_AW].offer(aw_due_, pause);
    pins_.wvalid = channels_[ENGINE_W].offer(w_due_, pause);
    pins_.rready = channels_[ENGINE_R].ready(true, pause);
    pins_.bready = channels_[ENGINE_B].ready(true, pause);
    return pins_;
  }

  void exchange(uint64_t cycle, const AxiLiteRegisterPins &registers) {
    held_r_.check(registers.rvalid, pins_.rready, {registers.rdata, registers.rresp}, "s_axil R");
    held_b_.check(registers.bvalid, pins_.bready, {0, registers.bresp}, "s_axil B");
    // Answers come first: one to a request of this very cycle is too early.
    if (registers.rvalid) {
      answer(r_due_ && !ar_due_, registers.rresp, "s_axil R");
      if (pins_.rready) {
        value_ = registers.rdata;
        r_due_ = false;
        trace_.beat(cycle, ENGINE_REGISTERS, ENGINE_R, pins_.araddr, true, registers.rresp);
      }
    }
    if (registers.bvalid) {
      answer(b_due_ && !aw_due_ && !w_due_, registers.bresp, "s_axil B");
      if (pins_.bready) {
        b_due_ = false;
        trace_.beat(cycle, ENGINE_REGISTERS, ENGINE_B, pins_.awaddr, false, registers.bresp);
      }
    }
    if (pins_.arvalid && registers.arready) {
      requested(ENGINE_AR, ar_due_);
      trace_.address(cycle, ENGINE_REGISTERS, ENGINE_AR, pins_.araddr, 1, 0, 0);
    }
    if (pins_.awvalid && registers.awready) {
      requested(ENGINE_AW, aw_due_);
      trace_.address(cycle, ENGINE_REGISTERS, ENGINE_AW, pins_.awaddr, 1, 0, 0);
    }
    if (pins_.wvalid && registers.wready) {
      requested(ENGINE_W, w_due_);
      trace_.beat(cycle, ENGINE_REGISTERS, ENGINE_W, pins_.awaddr, true, kOkay);
    }
  }

private:
  struct Answer {
    uint32_t data;
    uint8_t response;
    bool operator==(const Answer &) const = default;
  };

  void requested(int channel, bool &due) {
    channels_[channel].taken();
    due = false;
  }
  void answer(bool expected, uint8_t response, const char *where) {
    if (!expected) fail(ENGINE_UNASKED, where, "an answer to no request");
    if (response != kOkay && response != kSlaveError)
      fail(ENGINE_BAD_RESPONSE, where, "response %u, not OKAY or SLVERR", response);
    response_ = response;
  }

  const engine_config &config_;
  Trace &trace_;
  Channel channels_[5];
  AxiLiteManagerPins pins_{};
  Held<Answer> held_r_, held_b_;
  bool ar_due_ = false, r_due_ = false, aw_due_ = false, w_due_ = false, b_due_ = false;
  uint32_t value_ = 0;
  uint8_t response_ = 0;
};

#endif
