//! Integers, sections, strings.

use super::super::container::strings;
use super::super::reader::Reader;

fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut r = Reader::new(bytes, 0);
    let value = r.varint().ok()?;
    Some((value, r.at()))
}

/// MLIR's prefix encoding of `value` in `len` bytes.
fn encode(value: u64, len: u32) -> Vec<u8> {
    if len == 9 {
        return [&[0][..], &value.to_le_bytes()].concat();
    }
    let word = (u128::from(value) << len) | (1 << (len - 1));
    word.to_le_bytes()[..len as usize].to_vec()
}

#[test]
fn integers_of_every_length_are_read() {
    for len in 1..=9u32 {
        let bits = if len == 9 { 64 } else { 7 * len };
        for value in [0, 1, 0x5a, u64::MAX] {
            let value = value & (u64::MAX >> (64 - bits));
            let bytes = encode(value, len);
            assert_eq!(varint(&bytes), Some((value, len as usize)), "{value} in {len} bytes");
            assert_eq!(varint(&bytes[..bytes.len() - 1]), None, "{value} truncated");
        }
    }
    assert_eq!(varint(&[0x0d]), Some((6, 1)));
    assert_eq!(varint(&[]), None);
}

#[test]
fn signed_integers_are_zigzag() {
    for (value, code) in
        [(0i64, 0u64), (-1, 1), (1, 2), (i64::MAX, u64::MAX - 1), (i64::MIN, u64::MAX)]
    {
        let bytes = encode(code, 9);
        assert_eq!(Reader::new(&bytes, 0).svarint().ok(), Some(value));
    }
}

#[test]
fn counts_and_indices_are_bounded() {
    // 0x0b is the integer 5.
    assert!(Reader::new(&[0x0b, 1, 2, 3, 4], 0).count("items").is_err());
    assert_eq!(Reader::new(&[0x0b, 1, 2, 3, 4, 5], 0).count("items").ok(), Some(5));
    let failure = Reader::new(&[0x0b], 100).index(5, "string").unwrap_err();
    assert_eq!(failure.at, 100);
    assert!(failure.message.contains("no string number 5"), "{}", failure.message);
    assert_eq!(Reader::new(&[0x0b], 0).index_with_flag(3, "string").ok(), Some((2, true)));
    assert_eq!(Reader::new(&[0x0b], 0).optional_index(3, "string").ok(), Some(Some(2)));
    assert_eq!(Reader::new(&[0x01], 0).optional_index(3, "string").ok(), Some(None));
}

#[test]
fn sections_are_aligned_in_the_file() {
    // Section 2 of 1 byte, aligned to 8 bytes: the data is at offset 8.
    let bytes = [0x82, 0x03, 0x11, 0xcb, 0xcb, 0xcb, 0xcb, 0xcb, 0x2a];
    let (id, mut data) = Reader::new(&bytes, 0).section().unwrap();
    assert_eq!((id, data.at(), data.byte().ok()), (2, 8, Some(0x2a)));
    // Two bytes before a multiple of 8, the padding would have to be longer.
    assert!(Reader::new(&bytes, 6).section().is_err());
}

#[test]
fn lengths_of_strings_come_in_reverse() {
    // Two strings, lengths 3 and 2 with their terminators: the second string's comes first.
    let bytes = [0x05, 0x07, 0x05, b'a', 0, b'b', b'c', 0];
    let found = strings(Reader::new(&bytes, 0)).unwrap();
    assert_eq!(found, [&b"a"[..], b"bc"]);
    assert!(strings(Reader::new(&bytes[..7], 0)).is_err());
}
