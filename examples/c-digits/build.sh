#!/bin/sh
# Builds the firmware for mps2-an386 with arm-none-eabi-gcc: `examples/c-digits/build.sh MICROHLO FOLDER` with the
# microhlo command, and a folder to build in. Writes FOLDER/c-digits.elf.
#
# `examples/c-custom-op/build.sh` and `examples/cpp-digits/build.sh` build other examples so: further arguments are the
# example's name, its model, and options of `microhlo compile`.
set -eu
microhlo=$1 out=$2 example=${3:-c-digits} name=${4:-digits_cnn}
shift $(($# < 4 ? $# : 4))
cd "$(dirname "$0")/../.."
mkdir -p "$out"

model=examples/models/$name.stablehlo.mlir
for emit in object rust; do
    "$microhlo" compile "$model" "$@" --target cortex-m4f -o "$out/$name.mhlo" --emit $emit >"$out/compile.txt"
done

MICROHLO_KERNELS=$out/$name.rs cargo rustc --quiet --locked --profile firmware --package microhlo-capi \
    --target thumbv7em-none-eabihf --target-dir "$out/target" --crate-type staticlib

# The program in C or C++, and the data that it tests with.
main=examples/$example/main.c data=examples/$example/data.S
[ -f "$main" ] || main=examples/$example/main.cpp
[ -f "$data" ] || data=examples/c-digits/data.S

arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 -Os -Wall -Wextra -Werror \
    -fno-exceptions -ffunction-sections -fdata-sections -nostdlib -Wl,--gc-sections -Wl,-T,examples/c-digits/link.ld \
    -I runtime-nostd/capi/include -I examples/c-digits -I "$out" -o "$out/$example.elf" \
    "$main" examples/c-digits/board.c "$data" \
    "$out/$name.o" "$out/target/thumbv7em-none-eabihf/firmware/libmicrohlo_capi.a" -lgcc
