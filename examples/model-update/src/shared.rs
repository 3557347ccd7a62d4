//! What the firmware and the sender of updates agree on, beside the frames of `microhlo_slots::frame`.

use microhlo_slots::frame::Kind;

/// From the device after each reset: the version that runs (4 bytes, 0 for none), and why another does not, in
/// UTF-8.
pub const HELLO: Kind = Kind(0x60);

/// To the device: an input, for the model that runs.
pub const RUN: Kind = Kind(0x40);

/// From the device: the output. The model is confirmed then.
pub const OUTPUT: Kind = Kind(0x61);

/// To the device: power is lost so many writes and erases (4 bytes) from now, 0 for never. It answers that it is
/// ready, with what was left of the number before.
pub const CUT: Kind = Kind(0x41);

/// Bytes of the partition: two slots of 8 KiB.
pub const PARTITION: u32 = 0x4000;

/// The public half of the key that models are signed with: that of the first test of RFC 8032, whose secret half
/// everybody knows. Yours comes from `microhlo slot --public-key`, for `include_bytes!`.
pub const PUBLIC_KEY: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];
