// SPDX-License-Identifier: Apache-2.0
// A record of handshakes, which costs next to nothing when it is off.
#ifndef OPENCDMA_TRACE_H
#define OPENCDMA_TRACE_H

#include <vector>

#include "engine.h"

class Trace {
public:
  bool on = false;
  std::vector<engine_event> events;

  void address(uint64_t cycle, uint8_t port, uint8_t channel, uint64_t address, uint16_t beats,
               uint8_t qos, uint8_t cache) {
    if (on) events.push_back({cycle, address, beats, port, channel, 0, 0, qos, cache});
  }
  void beat(uint64_t cycle, uint8_t port, uint8_t channel, uint64_t address, uint8_t last,
            uint8_t response) {
    if (on) events.push_back({cycle, address, 1, port, channel, last, response, 0, 0});
  }
};

#endif
