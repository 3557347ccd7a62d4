/* Signals, and what JAX computes of them. */
    .section .rodata.ripple, "a"
    .balign 4
    .global ripple_signals
ripple_signals:
    .incbin "examples/models/ripple_signals.bin"
    .global ripple_values
ripple_values:
    .incbin "examples/models/ripple_values.bin"
