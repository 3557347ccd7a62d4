#!/bin/sh
# Builds the firmware for mps2-an386 as `examples/c-digits/build.sh` does, which has its board's start-up code too:
# `examples/c-custom-op/build.sh MICROHLO FOLDER`. Writes FOLDER/c-custom-op.elf.
exec sh "$(dirname "$0")/../c-digits/build.sh" "$1" "$2" c-custom-op ripple --extern board.median3
