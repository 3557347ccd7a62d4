#!/bin/sh
# Builds the firmware for mps2-an386 with arm-none-eabi-gcc: `examples/cpp-digits/build.sh MICROHLO FOLDER` with the
# microhlo command, and a folder to build in. Writes FOLDER/cpp-digits.elf.
set -eu
exec sh "$(dirname "$0")/../c-digits/build.sh" "$1" "$2" cpp-digits digits_cnn
