// SPDX-License-Identifier: Apache-2.0
// The signals of an AXI4 port of `Width` bytes, and the rules of its bursts.
#ifndef OPENCDMA_AXI_H
#define OPENCDMA_AXI_H

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "engine.h"
#include "handshake.h"

// Responses.
constexpr uint8_t kOkay = 0, kSlaveError = 2, kDecodeError = 3;

template <unsigned Width> using AxiData = std::array<uint8_t, Width>;

// The payload of AR and AW.
struct AxiAddress {
  uint64_t address;
  uint8_t length, size, burst, id, cache, prot, qos;

  unsigned beats() const { return length + 1u; }
  bool operator==(const AxiAddress &) const = default;
};

// The payload of W.
template <unsigned Width> struct AxiWriteBeat {
  AxiData<Width> data;
  uint64_t strobe;
  bool last;
  bool operator==(const AxiWriteBeat &) const = default;
};

// What the manager drives.
template <unsigned Width> struct AxiManagerPins {
  bool arvalid, rready, awvalid, wvalid, bready;
  AxiAddress ar, aw;
  AxiWriteBeat<Width> w;
};

// What the memory drives.
template <unsigned Width> struct AxiMemoryPins {
  bool arready, rvalid, awready, wready, bvalid;
  AxiData<Width> rdata;
  uint8_t rresp, rid, bresp, bid;
  bool rlast;
};

// Stops the run unless a burst is one that the engine may ask for, of so many beats at most.
template <unsigned Width>
void check_burst(const AxiAddress &at, unsigned most, std::string_view where) {
  constexpr unsigned kPage = 4096, kIncrementing = 1, kFullWidth = std::countr_zero(Width);
  const auto address = static_cast<unsigned long long>(at.address);
  if (at.burst != kIncrementing)
    fail(ENGINE_BAD_BURST, where, "burst type is %u, not INCR", at.burst);
  if (at.size != kFullWidth)
    fail(ENGINE_BAD_BURST, where, "beats of %u bytes, not %u", 1u << at.size, Width);
  if (at.beats() > most)
    fail(ENGINE_BAD_BURST, where, "%u beats, not %u at most", at.beats(), most);
  if (at.id != 0)
    fail(ENGINE_BAD_ATTRIBUTE, where, "ID is %u, not 0", at.id);
  if (at.prot != 0)
    fail(ENGINE_BAD_ATTRIBUTE, where, "protection is %u, not 0", at.prot);
  if (at.address % Width != 0)
    fail(ENGINE_MISALIGNED, where, "address 0x%llx is no multiple of %u", address, Width);
  if (at.address % kPage + at.beats() * Width > kPage)
    fail(ENGINE_CROSSES_PAGE, where, "%u beats from 0x%llx cross a boundary of 4 KB", at.beats(),
         address);
}

#endif
