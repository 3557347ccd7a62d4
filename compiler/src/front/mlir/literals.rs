//! `dense<...>` literals: hexadecimal blobs, nested lists, splats.
//!
//! A blob is decoded straight into the buffer that the program keeps.

use std::sync::Arc;

use microhlo_format::DType;

use super::cursor::{PResult, Stop, advise, error, mark_unsupported, number_len};
use super::parser::Parser;
use crate::diag::Span;
use crate::front::decimal::{Decimal, parse_float, push, read_many};
use crate::ir::{Attr, ConstData, Constant, ElementType, TensorType};

/// Advice for weights that were left out when the program was printed.
const ELIDED_HELP: &str = "export again without eliding large constants (in MLIR: without --mlir-elide-elementsattrs-if-larger)";

impl Parser<'_> {
    /// `<...> : tensor<...>` after `dense`.
    ///
    /// A literal of another dialect's elements, such as strings, is kept as text from `word` on.
    pub(crate) fn dense_literal(&mut self, word: usize) -> PResult<Attr> {
        self.c.expect("<")?;
        self.c.skip();
        let start = self.c.pos();
        let blob = match self.c.peek() {
            b'"' => Some(self.c.raw_string()?),
            _ => None,
        };
        let body = match blob {
            Some(body) => body,
            None => {
                let rest = self.c.rest();
                let Some(len) = end_of_list(rest) else {
                    let open = Span::new(start.saturating_sub(1), start);
                    return Err(error(
                        open,
                        "the literal that starts here is never closed with `>`",
                    ));
                };
                self.c.seek(start + len);
                &rest[..len]
            }
        };
        self.c.expect(">")?;
        if body.trim_ascii() == b"__elided__" {
            return Err(elided(Span::new(start, start + body.len())));
        }
        let Some(ty) = self.literal_type()? else { return Ok(self.opaque_since(word)) };
        let constant = match blob {
            Some(text) => {
                let (Some(b"0x"), Some(hex)) = (text.get(..2), text.get(2..)) else {
                    let stop =
                        error(Span::new(start, start + text.len() + 2), "expected `\"0x...\"`");
                    let help = "tensors of strings are not supported";
                    return Err(mark_unsupported(advise(stop, help)));
                };
                from_hex(hex, 0, start + 3, ty)?
            }
            None => List::new(body, start, &ty)?.read(ty)?,
        };
        Ok(Attr::Dense(Arc::new(constant)))
    }

    /// The type of a literal; `None` if its elements are another dialect's.
    fn literal_type(&mut self) -> PResult<Option<TensorType>> {
        self.c.expect(":")?;
        self.c.skip();
        let start = self.c.pos();
        let ty = match self.parse_type()? {
            crate::ir::Type::Tensor(ty) => ty,
            crate::ir::Type::Opaque(text) if text.starts_with("tensor<") && text.contains('!') => {
                return Ok(None);
            }
            other => {
                let message = format!("the type of a literal must be a tensor, is {other}");
                return Err(error(self.c.span_since(start), message));
            }
        };
        if ty.bytes().is_none() {
            let stop =
                error(self.c.span_since(start), format!("a literal of type {ty} has no size"));
            return Err(advise(stop, "literals need static dimensions"));
        }
        Ok(Some(ty))
    }

    /// `<name> : tensor<...>` after `dense_resource`.
    pub(crate) fn dense_resource(&mut self) -> PResult<Attr> {
        self.c.expect("<")?;
        self.c.skip();
        let start = self.c.pos();
        let name = match self.c.peek() {
            b'"' => self.c.string()?.into_owned(),
            _ => self.c.word().to_owned(),
        };
        let span = self.c.span_since(start);
        self.c.expect(">")?;
        if name == "__elided__" {
            return Err(elided(span));
        }
        let type_start = self.c.pos();
        let Some(ty) = self.literal_type()? else {
            let message = "a resource of another dialect's elements";
            return Err(mark_unsupported(error(self.c.span_since(type_start), message)));
        };
        let Some((hex, at)) = self.resource(&name)? else {
            let stop = error(span, format!("resource `{name}` is not defined"));
            let help = "its data belongs in the `{-# dialect_resources: ... #-}` section at the end \
                        of the file; export again, or keep the section";
            return Err(advise(stop, help));
        };
        // A blob begins with the alignment of its data as a 32-bit word.
        from_hex(hex, 4, at, ty).map(|c| Attr::Dense(Arc::new(c)))
    }
}

/// The length of a nested list up to the `>` behind it. Only lists of strings hold quotes.
fn end_of_list(text: &[u8]) -> Option<usize> {
    let close = memchr::memchr(b'>', text)?;
    if memchr::memchr(b'"', &text[..close]).is_none() {
        return Some(close);
    }
    let (mut quoted, mut escaped) = (false, false);
    text.iter().position(|&byte| {
        match byte {
            b'"' if !escaped => quoted = !quoted,
            b'>' if !quoted => return true,
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
        false
    })
}

fn elided(span: Span) -> Stop {
    advise(
        error(span, "the weights of this constant were elided: their values are lost"),
        ELIDED_HELP,
    )
}

/// Decodes hexadecimal digits after `skip` bytes; `at` is where they begin in the source.
fn from_hex(hex: &[u8], skip: usize, at: usize, ty: TensorType) -> PResult<Constant> {
    let span = Span::new(at, at + hex.len());
    let Some(data) = hex.get(2 * skip..) else {
        return Err(error(span, format!("the blob is shorter than its header of {skip} bytes")));
    };
    // The buffer is filled with zeros once: `decode_to_slice` takes initialised memory.
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0u8, data.len() / 2).collect();
    let decoded = match Arc::get_mut(&mut bytes) {
        Some(buffer) => const_hex::decode_to_slice(data, buffer),
        None => Ok(()),
    };
    if decoded.is_err() {
        let bad = data.iter().position(|b| !b.is_ascii_hexdigit());
        return Err(match bad {
            Some(i) => {
                let place = at + 2 * skip + i;
                error(Span::new(place, place + 1), "expected a hexadecimal digit")
            }
            None => error(span, "the number of hexadecimal digits is odd"),
        });
    }
    constant_from_bytes(ty, bytes).map_err(|message| error(span, message))
}

/// A constant from its bytes: those of one element for all, booleans packed or one per byte, or
/// every element.
pub(crate) fn constant_from_bytes(ty: TensorType, bytes: Arc<[u8]>) -> Result<Constant, String> {
    let mut bytes = bytes;
    let dtype = ty.elem.storage();
    let (size, have) = (dtype.size(), bytes.len() as u64);
    let elements = ty.elements().unwrap_or(0);
    if have == size as u64 {
        let mut element = bytes.to_vec();
        normalise(dtype, &mut element);
        return Ok(Constant { data: splat(&ty, element), ty });
    }
    if dtype == DType::I1 && have == elements.div_ceil(8) && have != elements {
        let bits = (0..elements as usize).map(|i| bytes[i / 8] >> (i % 8) & 1);
        return Ok(Constant { data: ConstData::Dense(bits.collect()), ty });
    }
    if Some(have) != ty.bytes() {
        let want = ty.bytes().unwrap_or(0);
        return Err(format!(
            "the blob has {have} bytes, {ty} needs {want} (or {size} for a splat)"
        ));
    }
    if dtype.bits() < 8
        && let Some(buffer) = Arc::get_mut(&mut bytes)
    {
        normalise(dtype, buffer);
    }
    Ok(Constant { ty, data: ConstData::Dense(bytes) })
}

/// One element for all of `ty`'s; a tensor without elements has no data.
fn splat(ty: &TensorType, element: Vec<u8>) -> ConstData {
    match ty.elements() {
        Some(0) => ConstData::Dense(Arc::from([])),
        _ => ConstData::Splat(element),
    }
}

/// Sign- or zero-extends sub-byte integers to their bytes, and makes booleans 0 or 1.
fn normalise(dtype: DType, bytes: &mut [u8]) {
    let bits = dtype.bits();
    if dtype == DType::I1 {
        bytes.iter_mut().for_each(|b| *b = u8::from(*b != 0));
    } else if dtype.is_signed_integer() && bits < 8 {
        bytes.iter_mut().for_each(|b| *b = ((*b << (8 - bits)) as i8 >> (8 - bits)) as u8);
    } else if bits < 8 {
        bytes.iter_mut().for_each(|b| *b &= (1 << bits) - 1);
    }
}

/// A literal in decimal: a scalar for all elements, or nested lists.
struct List<'a> {
    text: &'a [u8],
    pos: usize,
    /// Where `text` begins in the source.
    base: usize,
    dtype: DType,
    dims: Vec<u64>,
    out: Vec<u8>,
}

impl<'a> List<'a> {
    fn new(text: &'a [u8], base: usize, ty: &TensorType) -> PResult<List<'a>> {
        let dims = ty.static_dims().unwrap_or_default();
        let dtype = match &ty.elem {
            ElementType::Index => DType::I64,
            other => other.storage(),
        };
        // An element takes at least two characters of text, which bounds the buffer by the input.
        let expected = usize::try_from(ty.bytes().unwrap_or(0)).unwrap_or(usize::MAX);
        let capacity = expected.min(text.len().saturating_mul(dtype.size()) / 2 + 16);
        Ok(List { text, pos: 0, base, dtype, dims, out: Vec::with_capacity(capacity) })
    }

    fn read(mut self, ty: TensorType) -> PResult<Constant> {
        self.skip();
        let data = match self.peek() {
            None => {
                if ty.elements() != Some(0) {
                    let message = format!("`dense<>` has no elements, {ty} needs some");
                    return Err(self.error(1, message));
                }
                ConstData::Dense(Arc::from([]))
            }
            Some(b'[') => {
                self.lists()?;
                if ty.elements() == Some(1) {
                    ConstData::Splat(self.out)
                } else {
                    ConstData::Dense(self.out.into())
                }
            }
            Some(_) => {
                self.element()?;
                splat(&ty, self.out)
            }
        };
        Ok(Constant { ty, data })
    }

    fn lists(&mut self) -> PResult<()> {
        let mut counts: Vec<u64> = Vec::new();
        let mut after_item = false;
        loop {
            self.skip();
            match self.peek() {
                Some(b',') if after_item => {
                    self.pos += 1;
                    after_item = false;
                }
                Some(b']') if !counts.is_empty() => {
                    self.close(&mut counts)?;
                    after_item = true;
                    if counts.is_empty() {
                        self.skip();
                        return match self.peek() {
                            None => Ok(()),
                            Some(_) => Err(self.error(1, "expected `>` after the literal")),
                        };
                    }
                }
                Some(_) if after_item => return Err(self.error(1, "expected `,` or `]`")),
                Some(b'[') => {
                    if counts.len() == self.dims.len() {
                        let rank = self.dims.len();
                        let message =
                            format!("lists are nested deeper than the type's rank {rank}");
                        return Err(self.error(1, message));
                    }
                    self.pos += 1;
                    counts.push(0);
                }
                Some(_) => {
                    if counts.len() != self.dims.len() {
                        let (have, rank) = (counts.len(), self.dims.len());
                        let message =
                            format!("element inside {have} lists, the type's rank is {rank}");
                        return Err(self.error(1, message));
                    }
                    self.row(&mut counts)?;
                    after_item = true;
                }
                None => return Err(self.error(1, "expected `]`, found the end of the literal")),
            }
        }
    }

    /// Elements of the innermost list up to its end.
    fn row(&mut self, counts: &mut [u64]) -> PResult<()> {
        let (dtype, rest) = (self.dtype, &self.text[self.pos..]);
        let (mut n, len) =
            read_many(rest, dtype.size(), |number| ordinary(number, dtype), &mut self.out);
        self.pos += len;
        loop {
            self.skip();
            self.element()?;
            n += 1;
            self.skip();
            // A trailing comma is left to the caller, which reports it.
            if self.peek() != Some(b',') || matches!(self.text.get(self.pos + 1), Some(b']')) {
                break;
            }
            self.pos += 1;
        }
        if let Some(count) = counts.last_mut() {
            *count += n;
        }
        Ok(())
    }

    fn close(&mut self, counts: &mut Vec<u64>) -> PResult<()> {
        let have = counts.pop().unwrap_or(0);
        let axis = counts.len();
        let want = self.dims[axis];
        if have != want {
            let message =
                format!("list of {have} items, dimension {axis} of the type has size {want}");
            return Err(self.error(1, message));
        }
        self.pos += 1;
        if let Some(outer) = counts.last_mut() {
            *outer += 1;
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.pos).copied()
    }

    fn skip(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.pos += 1;
        }
    }

    fn error(&self, len: usize, message: impl Into<String>) -> Stop {
        let at = self.base + self.pos;
        error(Span::new(at, at + len), message)
    }

    fn element(&mut self) -> PResult<()> {
        match self.dtype {
            DType::C64 => self.complex(DType::F32),
            DType::C128 => self.complex(DType::F64),
            DType::I1 => self.boolean(),
            float if float.is_float() => self.float(float),
            integer => self.integer(integer),
        }
    }

    /// Takes an ordinary decimal, which almost all elements are.
    fn ordinary(&mut self, dtype: DType) -> bool {
        let number = Decimal::read(&self.text[self.pos..]);
        let read = number.and_then(|number| Some((ordinary(&number, dtype)?, number.len)));
        let Some((bits, len)) = read else { return false };
        push(&mut self.out, bits, dtype.size());
        self.pos += len;
        true
    }

    fn complex(&mut self, part: DType) -> PResult<()> {
        self.punctuation(b'(')?;
        self.float(part)?;
        self.punctuation(b',')?;
        self.float(part)?;
        self.punctuation(b')')
    }

    fn punctuation(&mut self, byte: u8) -> PResult<()> {
        self.skip();
        if self.peek() != Some(byte) {
            let message = format!("expected `{}` of a complex number `(re, im)`", char::from(byte));
            return Err(self.error(1, message));
        }
        self.pos += 1;
        self.skip();
        Ok(())
    }

    fn boolean(&mut self) -> PResult<()> {
        let rest = &self.text[self.pos..];
        let words: [(&[u8], u8); 4] = [(b"true", 1), (b"false", 0), (b"1", 1), (b"0", 0)];
        match words.into_iter().find(|(w, _)| rest.starts_with(w)) {
            Some((word, value)) => {
                self.out.push(value);
                self.pos += word.len();
                Ok(())
            }
            None => Err(self.error(1, "expected `true` or `false`")),
        }
    }

    fn float(&mut self, dtype: DType) -> PResult<()> {
        if self.ordinary(dtype) {
            return Ok(());
        }
        let rest = &self.text[self.pos..];
        let len = number_len(rest);
        let text = std::str::from_utf8(&rest[..len]).unwrap_or("");
        if let Some(bits) = hex_digits(text) {
            let bits = bits.filter(|&b| dtype.bits() == 64 || b >> dtype.bits() == 0);
            let Some(bits) = bits else {
                let message = format!("`{text}` has more bits than {dtype}");
                return Err(self.error(len, message));
            };
            self.push(bits, dtype);
        } else {
            let spelled = text.as_bytes().contains(&b'.') && !text.starts_with('+');
            let Some(bits) = Some(text).filter(|_| spelled).and_then(|t| parse_float(t, dtype))
            else {
                let found = if len == 0 { "something else" } else { text };
                let message = format!("expected a number of type {dtype}, found {found}");
                let help = "floats have a decimal point (`1.0`, `2.5e-3`); NaN and infinities are \
                            written as bits (`0x7FC00000`)";
                return Err(advise(self.error(len.max(1), message), help));
            };
            self.push(bits, dtype);
        }
        self.pos += len;
        Ok(())
    }

    fn integer(&mut self, dtype: DType) -> PResult<()> {
        if self.ordinary(dtype) {
            return Ok(());
        }
        let rest = &self.text[self.pos..];
        let len = number_len(rest);
        let text = std::str::from_utf8(&rest[..len]).unwrap_or("");
        let value = match text.strip_prefix('-').map(hex_digits) {
            Some(Some(bits)) => bits.map(|b| -i128::from(b)),
            _ => match hex_digits(text) {
                Some(bits) => bits.map(i128::from),
                None => text.parse::<i128>().ok(),
            },
        };
        let Some(value) = value else {
            let message = format!("expected an integer of type {dtype}");
            return Err(self.error(len.max(1), message));
        };
        if !fits(dtype, value) {
            return Err(self.error(len, format!("{value} does not fit in {dtype}")));
        }
        let mut bytes = (value as u64).to_le_bytes();
        normalise(dtype, &mut bytes[..1]);
        self.out.extend_from_slice(&bytes[..dtype.size()]);
        self.pos += len;
        Ok(())
    }

    fn push(&mut self, bits: u64, dtype: DType) {
        push(&mut self.out, bits, dtype.size());
    }
}

/// The bits of an ordinary decimal as an element, if it is spelled as one.
#[inline]
fn ordinary(number: &Decimal, dtype: DType) -> Option<u64> {
    if dtype.is_float() {
        return number.float(dtype).filter(|_| number.point);
    }
    // Integers below a byte are normalised, booleans and complex numbers spelled otherwise.
    let whole = dtype.is_integer() && dtype.bits() >= 8;
    if whole { number.bits(dtype, true) } else { None }
}

/// Whether an integer type has a value. Signless integers take both readings of their bits: 255 and
/// -1 are one i8.
fn fits(dtype: DType, value: i128) -> bool {
    let bits = dtype.bits();
    let least = if dtype.is_unsigned_integer() { 0 } else { -(1i128 << (bits - 1)) };
    (least..1i128 << bits).contains(&value)
}

/// The value of `0x...`: `None` if the text is spelled otherwise, `Some(None)` if it is too long.
fn hex_digits(text: &str) -> Option<Option<u64>> {
    text.strip_prefix("0x").map(|digits| u64::from_str_radix(digits, 16).ok())
}
