//! Literals: `{ { /*i0=0*/ 1, 2.5e-05 }, { nan, -inf } }`.

use microhlo_format::DType;

use super::super::graph::{ArrayShape, Literal, MAX_DEPTH, Res, Shape, error};
use super::cursor::{Cursor, is_word};
use crate::front::decimal::{Decimal, parse_float, push, read_many};
use crate::ir::{ConstData, TensorType};

impl Cursor<'_> {
    /// Takes a literal of a shape.
    pub(super) fn literal(&mut self, shape: &Shape) -> Res<Literal> {
        self.literal_at(shape, 0)
    }

    fn literal_at(&mut self, shape: &Shape, depth: usize) -> Res<Literal> {
        if self.eat("{...}") {
            return Ok(Literal::Elided);
        }
        match shape {
            Shape::Tuple(parts) if depth < MAX_DEPTH => {
                self.expect("(")?;
                let mut items = Vec::new();
                for (i, part) in parts.iter().enumerate() {
                    if i > 0 {
                        self.expect(",")?;
                    }
                    items.push(self.literal_at(part, depth + 1)?);
                }
                self.expect(")")?;
                Ok(Literal::Tuple(items))
            }
            Shape::Array(array) => self.array(array),
            _ => Err(self.expected("a constant of an array type")),
        }
    }

    fn array(&mut self, array: &ArrayShape) -> Res<Literal> {
        self.skip();
        let start = self.pos();
        let ty = &array.ty;
        let (Some(dims), Some(dtype)) = (ty.static_dims(), ty.dtype()) else {
            return Err(self.expected("a constant of static shape"));
        };
        let bytes = match dims.len() {
            0 => self.scalar(dtype)?,
            _ => self.elements(&dims, dtype)?,
        };
        if ty.bytes() != Some(bytes.len() as u64) {
            let (have, want) = (bytes.len() / dtype.size(), ty.elements().unwrap_or(0));
            let message = format!("the constant has {have} elements, its shape {want}");
            return Err(error(self.span_since(start), message));
        }
        Ok(Literal::Array(packed(ty, &bytes)))
    }

    fn scalar(&mut self, dtype: DType) -> Res<Vec<u8>> {
        let mut out = Vec::new();
        self.skip();
        self.element(dtype, &mut out)?;
        Ok(out)
    }

    /// The elements of nested braces.
    fn elements(&mut self, dims: &[u64], dtype: DType) -> Res<Vec<u8>> {
        // Elements in one brace of each depth.
        let inner: Vec<u64> = (0..dims.len()).map(|d| dims[d..].iter().product()).collect();
        let total = inner.first().copied().unwrap_or(0);
        // An element and its comma take two bytes of text at least.
        let room = usize::try_from(total).unwrap_or(usize::MAX).min(self.rest().len() / 2 + 1);
        let mut out = Vec::with_capacity(room.saturating_mul(dtype.size()));
        let (mut depth, mut complete) = (0usize, false);
        loop {
            match self.peek() {
                b'{' if depth < dims.len() && !complete => {
                    depth += 1;
                    self.advance(1);
                }
                b'}' if depth > 0 => {
                    let have = (out.len() / dtype.size()) as u64;
                    let want = inner.get(depth - 1).copied().unwrap_or(0);
                    if have.checked_rem(want).unwrap_or(have) != 0 {
                        return Err(self.expected(&format!("{want} elements in this brace")));
                    }
                    (depth, complete) = (depth - 1, true);
                    self.advance(1);
                    if depth == 0 {
                        return Ok(out);
                    }
                }
                b',' if complete => {
                    complete = false;
                    self.advance(1);
                }
                _ if depth == dims.len() && !complete => {
                    let bits = |number: &Decimal| ordinary(number, dtype);
                    let (_, len) = read_many(self.rest(), dtype.size(), bits, &mut out);
                    self.advance(len);
                    self.skip();
                    self.element(dtype, &mut out)?;
                    complete = true;
                }
                _ if complete => return Err(self.expected("`,` or `}`")),
                _ if depth == 0 || depth < dims.len() => return Err(self.expected("`{`")),
                _ => return Err(self.expected("an element")),
            }
        }
    }

    /// One element, at the cursor.
    fn element(&mut self, dtype: DType, out: &mut Vec<u8>) -> Res<()> {
        match dtype {
            DType::C64 => self.complex(DType::F32, out),
            DType::C128 => self.complex(DType::F64, out),
            DType::I1 => self.boolean(out),
            d if d.is_integer() => self.integer(d, out),
            d => self.float(d, out),
        }
    }

    fn complex(&mut self, part: DType, out: &mut Vec<u8>) -> Res<()> {
        self.expect("(")?;
        self.skip();
        self.float(part, out)?;
        self.expect(",")?;
        self.skip();
        self.float(part, out)?;
        self.expect(")")
    }

    fn boolean(&mut self, out: &mut Vec<u8>) -> Res<()> {
        let word = self.peek_word();
        let value = match word {
            "true" | "1" => 1,
            "false" | "0" => 0,
            _ => return Err(self.expected("`true` or `false`")),
        };
        self.advance(word.len());
        out.push(value);
        Ok(())
    }

    /// Takes an ordinary decimal, which almost all elements are.
    fn ordinary(&mut self, dtype: DType, out: &mut Vec<u8>) -> bool {
        let number = Decimal::read(self.rest());
        let read = number.and_then(|number| Some((ordinary(&number, dtype)?, number.len)));
        let Some((bits, len)) = read else { return false };
        push(out, bits, dtype.size());
        self.advance(len);
        true
    }

    fn integer(&mut self, dtype: DType, out: &mut Vec<u8>) -> Res<()> {
        if self.ordinary(dtype, out) {
            return Ok(());
        }
        let rest = self.rest();
        let negative = rest.first() == Some(&b'-');
        let digits = &rest[usize::from(negative)..];
        let mut value = 0i128;
        let mut len = 0;
        while let Some(digit) = digits.get(len).filter(|b| b.is_ascii_digit()) {
            // More than 20 digits cannot fit 64 bits; saturating keeps the value too large.
            value = value.saturating_mul(10).saturating_add(i128::from(digit - b'0'));
            len += 1;
        }
        let value = if negative { -value } else { value };
        let (least, most) = range(dtype);
        if len == 0 || value < least || value > most {
            return Err(self.expected(&format!("an integer from {least} to {most}")));
        }
        self.advance(len + usize::from(negative));
        out.extend_from_slice(&value.to_le_bytes()[..dtype.size()]);
        Ok(())
    }

    /// A float of any type, `nan` and `inf` with a sign or a payload included.
    fn float(&mut self, dtype: DType, out: &mut Vec<u8>) -> Res<()> {
        if self.ordinary(dtype, out) {
            return Ok(());
        }
        let rest = self.rest();
        let len = rest.iter().position(|&b| !is_word(b) && b != b'+').unwrap_or(rest.len());
        let start = self.pos();
        if len == 0 {
            return Err(self.expected(&format!("an element of type {dtype}")));
        }
        self.advance(len);
        let text = self.text_since(start);
        let (negative, magnitude) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let bits = match magnitude {
            "nan" => self.nan(dtype, negative)?,
            _ => parse_float(text, dtype),
        };
        let Some(bits) = bits else {
            let message = format!("expected a number of type {dtype}, found `{}`", shortened(text));
            return Err(error(self.span_since(start), message));
        };
        out.extend_from_slice(&bits.to_le_bytes()[..dtype.size()]);
        Ok(())
    }

    /// The bits after `nan`, whose mantissa may follow as `(0x400000)`.
    fn nan(&mut self, dtype: DType, negative: bool) -> Res<Option<u64>> {
        let payload = match self.rest().first() {
            Some(b'(') => {
                self.advance(1);
                let word = self.word("a hexadecimal payload")?;
                self.expect(")")?;
                word.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        let sign = |bits: u32| u64::from(negative) << (bits - 1);
        let ieee = |exponent: u64, mantissa: u32, bits: u32| {
            let quiet = 1 << (mantissa - 1);
            let payload = payload.unwrap_or(quiet) & ((1 << mantissa) - 1);
            sign(bits) | exponent << mantissa | if payload == 0 { quiet } else { payload }
        };
        Ok(match dtype {
            DType::F64 => Some(ieee(0x7ff, 52, 64)),
            DType::F32 => Some(ieee(0xff, 23, 32)),
            DType::BF16 => Some(ieee(0xff, 7, 16)),
            DType::F16 => Some(ieee(0x1f, 10, 16)),
            _ => parse_float("nan", dtype),
        })
    }
}

/// The bits of an ordinary decimal as an element, if it is one.
#[inline]
fn ordinary(number: &Decimal, dtype: DType) -> Option<u64> {
    match dtype.is_integer() {
        true => number.bits(dtype, false),
        false => number.float(dtype),
    }
}

/// The least and the greatest value of an integer type.
fn range(dtype: DType) -> (i128, i128) {
    let bits = dtype.bits();
    match dtype.is_signed_integer() {
        true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
        false => (0, (1i128 << bits) - 1),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A constant's storage: a splat if all elements are equal.
pub(in super::super) fn packed(ty: &TensorType, bytes: &[u8]) -> ConstData {
    let size = ty.elem.storage().size();
    let (first, rest) = bytes.split_at(size.min(bytes.len()));
    match !first.is_empty() && rest.chunks_exact(size).all(|e| e == first) {
        true => ConstData::Splat(first.to_vec()),
        false => ConstData::Dense(bytes.into()),
    }
}
