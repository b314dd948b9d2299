// SPDX-License-Identifier: Apache-2.0
// Runs a Verilated engine between two memories and a manager of its registers.
//
// Built with -DDEV_WIDTH and -DHOST_WIDTH, bytes per beat of the ports to the memories. The
// interface is plain C: see engine.h.

#include <cstring>
#include <memory>
#include <string>

#include "Vtop.h"
#include "axi_lite.h"
#include "axi_memory.h"
#include "engine.h"
#include "trace.h"
#include "verilated.h"

namespace {

// A port of Verilator is an integer of up to 64 bits, or an array of 32-bit words: bytes in order
// either way on a little-endian machine.
template <typename Port, size_t Width> void put(Port &port, const AxiData<Width> &data) {
  static_assert(sizeof port == Width);
  std::memcpy(&port, data.data(), Width);
}
template <typename Port, size_t Width> void get(const Port &port, AxiData<Width> &data) {
  static_assert(sizeof port == Width);
  std::memcpy(data.data(), &port, Width);
}

// The signals of the port `bus`, whose names begin with `m_axi_<bus>_`.
#define ADDRESS(bus, a)                                                                            \
  {top.m_axi_##bus##_##a##addr, top.m_axi_##bus##_##a##len,  top.m_axi_##bus##_##a##size,          \
   top.m_axi_##bus##_##a##burst, top.m_axi_##bus##_##a##id,  top.m_axi_##bus##_##a##cache,         \
   top.m_axi_##bus##_##a##prot,  top.m_axi_##bus##_##a##qos}
#define PORT(bus, width)                                                                           \
  void set_##bus(Vtop &top, const AxiMemoryPins<width> &pins) {                                    \
    top.m_axi_##bus##_arready = pins.arready;                                                      \
    top.m_axi_##bus##_awready = pins.awready;                                                      \
    top.m_axi_##bus##_wready = pins.wready;                                                        \
    top.m_axi_##bus##_rvalid = pins.rvalid;                                                        \
    top.m_axi_##bus##_rid = pins.rid;                                                              \
    top.m_axi_##bus##_rresp = pins.rresp;                                                          \
    top.m_axi_##bus##_rlast = pins.rlast;                                                          \
    put(top.m_axi_##bus##_rdata, pins.rdata);                                                      \
    top.m_axi_##bus##_bvalid = pins.bvalid;                                                        \
    top.m_axi_##bus##_bid = pins.bid;                                                              \
    top.m_axi_##bus##_bresp = pins.bresp;                                                          \
  }                                                                                                \
  void get_##bus(const Vtop &top, AxiManagerPins<width> &pins) {                                   \
    pins.arvalid = top.m_axi_##bus##_arvalid;                                                      \
    pins.awvalid = top.m_axi_##bus##_awvalid;                                                      \
    pins.wvalid = top.m_axi_##bus##_wvalid;                                                        \
    pins.rready = top.m_axi_##bus##_rready;                                                        \
    pins.bready = top.m_axi_##bus##_bready;                                                        \
    if (pins.arvalid) pins.ar = ADDRESS(bus, ar);                                                  \
    if (pins.awvalid) pins.aw = ADDRESS(bus, aw);                                                  \
    if (!pins.wvalid) return;                                                                      \
    pins.w.strobe = top.m_axi_##bus##_wstrb;                                                       \
    pins.w.last = top.m_axi_##bus##_wlast;                                                         \
    get(top.m_axi_##bus##_wdata, pins.w.data);                                                     \
  }
PORT(dev, DEV_WIDTH)
PORT(host, HOST_WIDTH)

void set_registers(Vtop &top, const AxiLiteManagerPins &pins) {
  top.s_axil_arvalid = pins.arvalid;
  top.s_axil_araddr = pins.araddr;
  top.s_axil_arprot = 0;
  top.s_axil_rready = pins.rready;
  top.s_axil_awvalid = pins.awvalid;
  top.s_axil_awaddr = pins.awaddr;
  top.s_axil_awprot = 0;
  top.s_axil_wvalid = pins.wvalid;
  top.s_axil_wdata = pins.wdata;
  top.s_axil_wstrb = pins.wstrb;
  top.s_axil_bready = pins.bready;
}
AxiLiteRegisterPins get_registers(const Vtop &top) {
  return {static_cast<bool>(top.s_axil_arready), static_cast<bool>(top.s_axil_rvalid),
          static_cast<bool>(top.s_axil_awready), static_cast<bool>(top.s_axil_wready),
          static_cast<bool>(top.s_axil_bvalid),  top.s_axil_rdata,
          top.s_axil_rresp,                      top.s_axil_bresp};
}

// Every VALID, and every READY and the interrupt, each as a bit.
uint32_t valids(const Vtop &top) {
  return top.m_axi_dev_arvalid | top.m_axi_dev_awvalid << 1 | top.m_axi_dev_wvalid << 2 |
         top.m_axi_host_arvalid << 3 | top.m_axi_host_awvalid << 4 | top.m_axi_host_wvalid << 5 |
         top.s_axil_rvalid << 6 | top.s_axil_bvalid << 7;
}
uint32_t others(const Vtop &top) {
  return top.m_axi_dev_rready | top.m_axi_dev_bready << 1 | top.m_axi_host_rready << 2 |
         top.m_axi_host_bready << 3 | top.s_axil_arready << 4 | top.s_axil_awready << 5 |
         top.s_axil_wready << 6 | top.irq << 7;
}

} // namespace

struct engine {
  const engine_config &config;
  VerilatedContext context;
  std::unique_ptr<Vtop> top;
  Trace trace;
  AxiMemory<DEV_WIDTH> dev;
  AxiMemory<HOST_WIDTH> host;
  AxiLite registers;
  AxiManagerPins<DEV_WIDTH> dev_pins{};
  AxiManagerPins<HOST_WIDTH> host_pins{};
  uint64_t now = 0; // cycles so far
  int outcome = ENGINE_DONE;
  std::string failure, state;

  explicit engine(const engine_config &settings)
      : config(settings), top(std::make_unique<Vtop>(&context)),
        dev("m_axi_dev", ENGINE_DEV, config, trace), host("m_axi_host", ENGINE_HOST, config, trace),
        registers(config, trace) {
    attempt([this] { reset(4); return true; });
  }
  ~engine() { top->final(); }

  void settle() {
    top->aclk = 0;
    top->eval();
  }
  void edge() {
    top->aclk = 1;
    top->eval();
    ++now;
  }

  void reset(uint64_t cycles) {
    dev.reset();
    host.reset();
    registers.reset();
    set_dev(*top, {});
    set_host(*top, {});
    set_registers(*top, {});
    top->aresetn = 0;
    for (uint64_t n = 0; n < cycles; ++n) {
      settle();
      edge();
    }
    top->aresetn = 1;
    settle();
    if (valids(*top)) fail(ENGINE_VALID_IN_RESET, "aresetn", "VALID is high when it rises");
  }

  void cycle() {
    const uint32_t early = valids(*top) | others(*top) << 8;
    set_dev(*top, dev.drive(now));
    set_host(*top, host.drive(now));
    set_registers(*top, registers.drive());
    settle();
    if ((valids(*top) | others(*top) << 8) != early)
      fail(ENGINE_COMBINATIONAL, "outputs", "a VALID, a READY or irq follows an input at once");
    get_dev(*top, dev_pins);
    get_host(*top, host_pins);
    dev.exchange(now, dev_pins);
    host.exchange(now, host_pins);
    registers.exchange(now, get_registers(*top));
    edge();
  }

  // Runs until `done` says so, or for so many cycles. Whether it was done.
  template <typename Done> bool run(uint64_t cycles, Done done) {
    for (const uint64_t end = now + cycles; !done();) {
      if (now == end) return false;
      cycle();
    }
    return true;
  }

  // Does what needs the clock, unless a rule is broken, or was before.
  template <typename Work> int attempt(Work work) {
    if (outcome == ENGINE_DONE) {
      try {
        return work() ? ENGINE_DONE : ENGINE_LATE;
      } catch (const Failure &reason) {
        outcome = reason.code;
        failure = reason.text + ", in cycle " + std::to_string(now);
      }
    }
    return outcome;
  }

  // Ends the access to a register that was begun.
  void access() {
    if (!run(config.patience, [this] { return !registers.busy(); }))
      fail(ENGINE_NO_ANSWER, "s_axil", "an access did not end in %llu cycles",
           static_cast<unsigned long long>(config.patience));
  }

  Channel &channel(int port, int number) {
    return port == ENGINE_DEV ? dev.channel(number) : host.channel(number);
  }
};

extern "C" {

engine *engine_new(const engine_config *config) { return new engine(*config); }
void engine_delete(engine *self) { delete self; }

int engine_reset(engine *self, uint64_t cycles) {
  return self->attempt([=] { self->reset(cycles); return true; });
}
int engine_run(engine *self, uint64_t cycles) {
  return self->attempt([=] { self->run(cycles, [] { return false; }); return true; });
}
int engine_run_until_irq(engine *self, uint64_t cycles) {
  return self->attempt(
      [=] { return self->run(cycles, [=] { return static_cast<bool>(self->top->irq); }); });
}
int engine_read(engine *self, uint32_t offset, uint32_t *value, uint8_t *response) {
  return self->attempt([=] {
    self->registers.read(offset);
    self->access();
    *value = self->registers.value();
    *response = self->registers.response();
    return true;
  });
}
int engine_write(engine *self, uint32_t offset, uint32_t value, uint8_t *response) {
  return self->attempt([=] {
    self->registers.write(offset, value);
    self->access();
    *response = self->registers.response();
    return true;
  });
}
int engine_run_until_register(engine *self, uint32_t offset, uint32_t mask, uint32_t value,
                              uint64_t interval, uint64_t cycles, uint8_t *response) {
  return self->attempt([=] {
    for (const uint64_t end = self->now + cycles; self->now < end;) {
      self->registers.read(offset);
      self->access();
      *response = self->registers.response();
      if (*response != kOkay || (self->registers.value() & mask) == value) return true;
      self->run(interval, [] { return false; });
    }
    return false;
  });
}

void engine_mute(engine *self, int port, int channel, uint64_t handshakes) {
  self->channel(port, channel).mute_after(handshakes);
}
void engine_unmute(engine *self, int port, int channel) { self->channel(port, channel).unmute(); }

uint64_t engine_cycle(const engine *self) { return self->now; }
int engine_irq(const engine *self) { return self->top->irq; }
const char *engine_failure(const engine *self) { return self->failure.c_str(); }
const char *engine_state(engine *self) {
  self->state = "dev: ";
  self->dev.describe(self->state);
  self->state += "; host: ";
  self->host.describe(self->state);
  return self->state.c_str();
}

void engine_trace(engine *self, int on) { self->trace.on = on; }
const engine_event *engine_events(const engine *self, size_t *count) {
  *count = self->trace.events.size();
  return self->trace.events.data();
}
void engine_clear_events(engine *self) { self->trace.events.clear(); }

} // extern "C"
