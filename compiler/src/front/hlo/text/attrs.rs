//! Attributes of instructions: `dimensions={0,1}`, `window={size=3x3 pad=1_1x1_1}`, ...

use std::sync::Arc;

use super::super::graph::{Attrs, Res, error};
use super::Parser;
use super::cursor::Cursor;

impl<'a> Parser<'a> {
    /// Takes the attributes after an instruction's operands.
    pub(super) fn attributes(&mut self, attrs: &mut Attrs) -> Res<()> {
        while self.c.eat(",") {
            let key = self.c.word("an attribute")?;
            self.c.expect("=")?;
            let known = self.callees(key)?
                || dimensions(&mut self.c, key, attrs)?
                || structures(&mut self.c, key, attrs)?
                || scalars(&mut self.c, key, attrs)?
                || flags(&mut self.c, key, attrs)?;
            if !known {
                self.c.raw_value()?;
            }
        }
        Ok(())
    }

    /// Attributes that name computations.
    fn callees(&mut self, key: &str) -> Res<bool> {
        let slot = match key {
            "to_apply" | "calls" | "called_computation" | "true_computation" | "body"
            | "select" => 0,
            "false_computation" | "condition" | "scatter" => 1,
            "branch_computations" | "called_computations" => 0,
            _ => return Ok(false),
        };
        if !self.c.eat("{") {
            let (name, span) = self.c.name("a computation's name")?;
            self.call(slot, name, span);
            return Ok(true);
        }
        let mut slot = slot;
        while !self.c.eat("}") {
            let (name, span) = self.c.name("a computation's name")?;
            self.call(slot, name, span);
            slot += 1;
            if self.c.peek() != b'}' {
                self.c.expect(",")?;
            }
        }
        Ok(true)
    }
}

/// Lists of dimensions and sizes.
fn dimensions(c: &mut Cursor<'_>, key: &str, attrs: &mut Attrs) -> Res<bool> {
    let list = match key {
        "dimensions" => &mut attrs.dimensions,
        "dynamic_slice_sizes" => &mut attrs.slice_sizes,
        "slice_sizes" => &mut attrs.index.slice_sizes,
        "fft_length" => &mut attrs.fft_length,
        "lhs_batch_dims" => &mut attrs.dot.lhs_batch,
        "rhs_batch_dims" => &mut attrs.dot.rhs_batch,
        "lhs_contracting_dims" => &mut attrs.dot.lhs_contracting,
        "rhs_contracting_dims" => &mut attrs.dot.rhs_contracting,
        "offset_dims" | "update_window_dims" => &mut attrs.index.offset,
        "collapsed_slice_dims" | "inserted_window_dims" => &mut attrs.index.collapsed,
        "start_index_map" | "scatter_dims_to_operand_dims" => &mut attrs.index.map,
        "operand_batching_dims" | "input_batching_dims" => &mut attrs.index.operand_batching,
        "start_indices_batching_dims" | "scatter_indices_batching_dims" => {
            &mut attrs.index.indices_batching
        }
        _ => return Ok(false),
    };
    *list = c.ints()?;
    Ok(true)
}

/// Attributes with a syntax of their own.
fn structures(c: &mut Cursor<'_>, key: &str, attrs: &mut Attrs) -> Res<bool> {
    match key {
        "window" => window(c, attrs)?,
        "dim_labels" => attrs.conv_dims = Some(dim_labels(c)?),
        "slice" => attrs.slice = slices(c)?,
        "padding" => attrs.padding = padding(c)?,
        "operand_precision" => {
            c.expect("{")?;
            while !c.eat("}") {
                attrs.precision.push(c.word("a precision")?.to_ascii_uppercase().into());
                c.eat(",");
            }
        }
        "source_target_pairs" => {
            c.expect("{")?;
            while !c.eat("}") {
                let (start, pair) = (c.pos(), c.ints()?);
                let [source, target] = pair[..] else {
                    return Err(error(c.span_since(start), "expected a pair `{source,target}`"));
                };
                attrs.pairs.push((source, target));
                c.eat(",");
            }
        }
        "metadata" => {
            let text = c.raw_value()?;
            attrs.op_name = op_name(text);
        }
        "backend_config" => {
            attrs.backend_config = match c.peek() {
                b'"' => c.string()?.to_string(),
                _ => c.raw_value()?.to_string(),
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Single numbers and words.
fn scalars(c: &mut Cursor<'_>, key: &str, attrs: &mut Attrs) -> Res<bool> {
    match key {
        "index" => attrs.tuple_index = c.int()?,
        "iota_dimension" => attrs.dimensions = vec![c.int()?],
        "feature_group_count" => attrs.feature_groups = Some(c.int()?),
        "batch_group_count" => attrs.batch_groups = Some(c.int()?),
        "exponent_bits" => attrs.exponent_bits = c.int()?,
        "mantissa_bits" => attrs.mantissa_bits = c.int()?,
        "feature_index" => attrs.feature_index = c.int()?,
        "index_vector_dim" => attrs.index.vector_dim = c.int()?,
        "k" => attrs.k = c.int()?,
        "epsilon" => {
            let start = c.pos();
            let text = c.raw_value()?;
            // The attribute is an f32; its decimal is rounded to that first.
            let epsilon: Result<f32, _> = text.parse();
            let epsilon = epsilon
                .map_err(|_| error(c.span_since(start), format!("`{text}` is not a number")))?;
            attrs.epsilon = f64::from(epsilon);
        }
        "custom_call_target" => attrs.target = c.string()?.to_string(),
        "direction" => attrs.direction = c.word("a direction")?.to_string(),
        "type" => attrs.compare_type = c.word("a comparison type")?.to_string(),
        "fft_type" => attrs.fft_type = c.word("a transform")?.to_string(),
        "transpose_a" => attrs.transpose = c.word("a transposition")?.to_string(),
        "algorithm" => attrs.algorithm = c.word("an algorithm")?.to_string(),
        "distribution" => attrs.distribution = c.word("a distribution")?.to_string(),
        "api_version" => {
            attrs.api_version = match c.word("an API version")? {
                "API_VERSION_STATUS_RETURNING" => 2,
                "API_VERSION_STATUS_RETURNING_UNIFIED" => 3,
                "API_VERSION_TYPED_FFI" => 4,
                _ => 1,
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `true` or `false`.
fn flags(c: &mut Cursor<'_>, key: &str, attrs: &mut Attrs) -> Res<bool> {
    let flag = match key {
        "left_side" => &mut attrs.left_side,
        "lower" => &mut attrs.lower,
        "unit_diagonal" => &mut attrs.unit_diagonal,
        "is_stable" => &mut attrs.stable,
        "indices_are_sorted" => &mut attrs.sorted,
        "unique_indices" => &mut attrs.unique,
        "custom_call_has_side_effect" => &mut attrs.side_effect,
        "largest" => &mut attrs.largest,
        _ => return Ok(false),
    };
    *flag = match c.peek_word() {
        "true" => true,
        "false" => false,
        _ => return Err(c.expected("`true` or `false`")),
    };
    c.word("a flag")?;
    Ok(true)
}

impl Cursor<'_> {
    /// `{0,1}`.
    fn ints(&mut self) -> Res<Vec<i64>> {
        self.expect("{")?;
        let mut all = Vec::new();
        while !self.eat("}") {
            all.push(self.int()?);
            if self.peek() != b'}' {
                self.expect(",")?;
            }
        }
        Ok(all)
    }

    /// `3x3`.
    fn by_x(&mut self) -> Res<Vec<i64>> {
        let mut all = vec![self.int()?];
        while self.rest().first() == Some(&b'x') {
            self.advance(1);
            all.push(self.int()?);
        }
        Ok(all)
    }

    /// `1_1x0_-1`: lists joined by `_`.
    fn lists_by_x(&mut self) -> Res<Vec<Vec<i64>>> {
        let mut all = Vec::new();
        loop {
            let mut list = vec![self.int()?];
            while self.rest().first() == Some(&b'_') {
                self.advance(1);
                list.push(self.int()?);
            }
            all.push(list);
            if self.rest().first() != Some(&b'x') {
                return Ok(all);
            }
            self.advance(1);
        }
    }
}

/// `{size=3x3 stride=2x2 pad=0_1x0_1 lhs_dilate=.. rhs_dilate=.. rhs_reversal=1x0}`.
fn window(c: &mut Cursor<'_>, attrs: &mut Attrs) -> Res<()> {
    let window = &mut attrs.window;
    c.expect("{")?;
    while !c.eat("}") {
        let start = c.pos();
        let key = c.word("a field of the window")?;
        c.expect("=")?;
        match key {
            "size" => window.size = c.by_x()?,
            "stride" => window.stride = c.by_x()?,
            "lhs_dilate" => window.lhs_dilate = c.by_x()?,
            "rhs_dilate" => window.rhs_dilate = c.by_x()?,
            "rhs_reversal" => window.reversal = c.by_x()?.iter().map(|&x| x != 0).collect(),
            "pad" => {
                let pair = |list: &Vec<i64>| match list[..] {
                    [low, high] => Some((low, high)),
                    _ => None,
                };
                let lists = c.lists_by_x()?;
                let pairs: Option<Vec<_>> = lists.iter().map(pair).collect();
                let message = "padding has two numbers per dimension, `low_high`";
                window.padding = pairs.ok_or_else(|| error(c.span_since(start), message))?;
            }
            _ => {
                let message = format!("`{key}` is not a field of a window");
                return Err(error(c.span_since(start), message));
            }
        }
    }
    Ok(())
}

/// `{[0:8], [1:9:2]}`.
fn slices(c: &mut Cursor<'_>) -> Res<Vec<(i64, i64, i64)>> {
    c.expect("{")?;
    let mut all = Vec::new();
    while !c.eat("}") {
        c.expect("[")?;
        let start = c.int()?;
        c.expect(":")?;
        let limit = c.int()?;
        let stride = if c.eat(":") { c.int()? } else { 1 };
        c.expect("]")?;
        all.push((start, limit, stride));
        c.eat(",");
    }
    Ok(all)
}

/// `0_1_2x3_4`: low, high and, if not zero, interior; nothing for a scalar.
fn padding(c: &mut Cursor<'_>) -> Res<Vec<(i64, i64, i64)>> {
    if !matches!(c.peek(), b'-' | b'0'..=b'9') {
        return Ok(Vec::new());
    }
    let start = c.pos();
    let one = |list: &Vec<i64>| match list[..] {
        [low, high] => Some((low, high, 0)),
        [low, high, interior] => Some((low, high, interior)),
        _ => None,
    };
    let lists = c.lists_by_x()?;
    let all: Option<Vec<_>> = lists.iter().map(one).collect();
    let message = "padding has two or three numbers per dimension, `low_high_interior`";
    all.ok_or_else(|| error(c.span_since(start), message))
}

/// `b01f_01io->b01f`.
fn dim_labels(c: &mut Cursor<'_>) -> Res<[Vec<Arc<str>>; 3]> {
    c.skip();
    let start = c.pos();
    let text = c.raw_value()?;
    let labels = |text: &str| text.trim().chars().map(|l| l.to_string().into()).collect();
    text.split_once("->")
        .and_then(|(from, out)| Some((from.split_once('_')?, out)))
        .map(|((lhs, rhs), out)| [labels(lhs), labels(rhs), labels(out)])
        .ok_or_else(|| {
            let message = "dimension labels are written `b01f_01io->b01f`";
            error(c.span_since(start), message)
        })
}

/// The field `op_name="..."` of `{op_type=".." op_name=".."}`.
fn op_name(metadata: &str) -> Option<Arc<str>> {
    let (_, rest) = metadata.split_once("op_name=\"")?;
    let (name, _) = rest.split_once('"')?;
    Some(name.into())
}
