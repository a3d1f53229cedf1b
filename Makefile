# The two commands of the README (`make demo`, `make test`) and what an engineer needs around them.
# CMake builds; this file only says in which order, and scripts/ do the rest.

UNITS ?= 4
# Target boards that the programmer drives at once; empty: as many as units, at most 4.
SITES ?=
JOBS ?= $(shell nproc)

.PHONY: all deps host firmware asan fuzz demo test bench format lint clean
all: host firmware

# Installs packages and fetches Mbed TLS only when something is missing, so it costs nothing later.
deps:
	@scripts/deps.sh

build/%/build.ninja: CMakePresets.json | deps
	@scripts/quiet.sh cmake --preset $*

host: build/host/build.ninja
	@cmake --build build/host -j $(JOBS)
firmware: build/cortex-m23/build.ninja
	@cmake --build build/cortex-m23 -j $(JOBS)
asan: build/host-asan/build.ninja
	@cmake --build build/host-asan -j $(JOBS)
# Every fuzz target for FUZZ_SECONDS.
FUZZ_SECONDS ?= 60
fuzz: deps
	@JOBS='$(JOBS)' scripts/fuzz.sh $(FUZZ_SECONDS)

# From blank virtual chips to certified ones: server, programmer and boards in ./demo.
demo: host firmware
	@UNITS='$(UNITS)' SITES='$(SITES)' scripts/demo.sh

# Everything that proves something; closes on the line "N passed, M failed".
test: deps
	@JOBS='$(JOBS)' scripts/test.sh

bench: host firmware
	@tests/bench/run.sh

format: deps
	@git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i
lint: host
	@scripts/check-format.sh
	@scripts/check-tidy.sh build/host

clean:
	rm -rf build demo
