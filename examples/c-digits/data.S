/* The images and what they show. */
    .section .rodata.digits, "a"
    .balign 4
    .global digits_images
digits_images:
    .incbin "examples/models/digits_images.bin"
    .global digits_labels
digits_labels:
    .incbin "examples/models/digits_labels.bin"
