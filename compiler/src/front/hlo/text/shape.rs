//! Shapes: `f32[2,3]{1,0}`, `(s32[], f32[4])`, `token[]`.

use microhlo_format::DType;

use super::super::graph::{ArrayShape, MAX_DEPTH, MAX_LEAVES, Res, Shape, error, type_of};
use super::cursor::Cursor;
use crate::ir::{Dim, ElementType, TensorType};

impl Cursor<'_> {
    /// Takes a shape.
    pub(super) fn shape(&mut self) -> Res<Shape> {
        let mut leaves = 0;
        self.shape_at(0, &mut leaves)
    }

    fn shape_at(&mut self, depth: usize, leaves: &mut usize) -> Res<Shape> {
        self.skip();
        let start = self.pos();
        *leaves += 1;
        if depth > MAX_DEPTH || *leaves > MAX_LEAVES {
            let message = format!(
                "the shape nests deeper than {MAX_DEPTH} levels or has more than {MAX_LEAVES} parts"
            );
            return Err(error(self.span_since(start), message));
        }
        if self.eat("(") {
            let mut parts = Vec::new();
            while !self.eat(")") {
                parts.push(self.shape_at(depth + 1, leaves)?);
                if self.peek() != b')' {
                    self.expect(",")?;
                }
            }
            return Ok(Shape::Tuple(parts));
        }
        let name = self.word("a shape")?;
        self.expect("[")?;
        let dims = self.dims()?;
        let (minor_to_major, tiled) = self.layout(dims.len())?;
        match (name, type_of(name)) {
            ("token", _) => Ok(Shape::Token),
            (_, None) => Ok(Shape::Other(name.to_string())),
            (_, Some(dtype)) => {
                let ty = tensor(dims, dtype).ok_or_else(|| {
                    error(self.span_since(start), "the size of the shape overflows 63 bits")
                })?;
                Ok(Shape::Array(ArrayShape { ty, minor_to_major, tiled }))
            }
        }
    }

    /// `2,<=8,?]`.
    fn dims(&mut self) -> Res<Vec<Dim>> {
        let mut dims = Vec::new();
        while !self.eat("]") {
            let unknown = self.eat("?");
            let bounded = self.eat("<=");
            dims.push(match (unknown, bounded) {
                (true, false) => Dim::Dynamic { bound: None },
                (_, true) => Dim::Dynamic { bound: Some(self.size()?) },
                (false, false) => Dim::Static(self.size()?),
            });
            if self.peek() != b']' {
                self.expect(",")?;
            }
        }
        Ok(dims)
    }

    fn size(&mut self) -> Res<u64> {
        self.skip();
        let start = self.pos();
        let size = self.int()?;
        u64::try_from(size).map_err(|_| error(self.span_since(start), "a size is negative"))
    }

    /// `{1,0:T(8,128)}` directly after the `]`. In a computation's header a blank and the body's
    /// brace follow.
    fn layout(&mut self, rank: usize) -> Res<(Vec<usize>, bool)> {
        if self.rest().first() != Some(&b'{') {
            return Ok((Vec::new(), false));
        }
        let start = self.pos();
        self.advance(1);
        let mut order = Vec::new();
        while self.peek().is_ascii_digit() {
            order.push(self.size()? as usize);
            self.eat(",");
        }
        let mut tiled = false;
        if self.eat(":") {
            let notes = self.raw_value()?;
            // `S(n)` is a memory space and `E(n)` a bit width: neither changes an order.
            tiled = notes.contains(['T', 'D', 'L', 'P']);
            while self.eat(",") {
                self.raw_value()?;
            }
        }
        self.expect("}")?;
        if !is_permutation(&order, rank) && !order.is_empty() {
            let message = format!("the layout {order:?} does not order {rank} dimensions");
            return Err(error(self.span_since(start), message));
        }
        Ok((order, tiled))
    }
}

/// Whether `order` holds each of `0..rank` once.
pub(in super::super) fn is_permutation(order: &[usize], rank: usize) -> bool {
    let mut seen = vec![false; rank.min(order.len())];
    order.len() == rank
        && order.iter().all(|&d| seen.get_mut(d).is_some_and(|s| !std::mem::replace(s, true)))
}

/// A tensor type whose size, each dynamic dimension at its bound, fits 63 bits.
pub(in super::super) fn tensor(dims: Vec<Dim>, dtype: DType) -> Option<TensorType> {
    let largest = |d: &Dim| match *d {
        Dim::Static(n) | Dim::Dynamic { bound: Some(n) } => n,
        Dim::Dynamic { bound: None } => 1,
    };
    // Zero would hide an overflow of the other sizes.
    let bytes =
        dims.iter().try_fold(dtype.size() as u64, |n, d| n.checked_mul(largest(d).max(1)))?;
    i64::try_from(bytes).ok()?;
    Some(TensorType { dims, elem: ElementType::Plain(dtype) })
}
