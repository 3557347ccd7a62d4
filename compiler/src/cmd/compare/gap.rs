//! How far two computations are apart, tensor by tensor.

use microhlo_format::DType;
use serde_json::{Value, json};

use super::super::difference::{Difference, Tolerance};
use super::super::run::index_text;

/// Something that both sides compute.
#[derive(Clone, Debug)]
pub struct Item {
    /// Name of the value after all passes, or of the output.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Shape.
    pub dims: Vec<u64>,
    /// The operation that defines it.
    pub op: String,
    /// Where that is written; empty if it is not known.
    pub location: String,
    /// The step that completes it; none for outputs.
    pub step: Option<u32>,
    /// That step by name, and its kernel.
    pub kernel: Option<String>,
}

/// How far an item of one side is from that of the other.
#[derive(Clone, Debug, Default)]
pub struct Gap {
    /// By value.
    pub values: Difference,
    /// Elements whose bits differ, but for those that are not a number on both sides.
    pub differing: usize,
    /// The largest distance in representable values: units in the last place of floats, steps of integers.
    pub steps: u128,
    /// Cases in which only one side has it.
    pub missing: usize,
}

/// Two ways to compute the same, over all cases.
pub struct Sides {
    /// What is looked at.
    actual: String,
    /// What it is measured by.
    expected: String,
    /// Nothing, if not a bit may differ.
    tolerance: Option<Tolerance>,
    items: Vec<(Item, Gap)>,
}

impl Sides {
    /// Sides that may differ by a tolerance.
    pub fn new(actual: &str, expected: &str, items: &[Item], tolerance: Tolerance) -> Sides {
        Sides { tolerance: Some(tolerance), ..Sides::exact(actual, expected, items) }
    }

    /// Sides that may not differ.
    pub fn exact(actual: &str, expected: &str, items: &[Item]) -> Sides {
        let items = items.iter().map(|item| (item.clone(), Gap::default())).collect();
        Sides { actual: actual.to_owned(), expected: expected.to_owned(), tolerance: None, items }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Takes in one case of both sides, which have a value for each item.
    pub fn add(&mut self, case: usize, actual: &[Option<Vec<u8>>], expected: &[Option<Vec<u8>>]) {
        let tolerance = self.tolerance.unwrap_or(Tolerance { atol: 0.0, rtol: 0.0 });
        for (i, (item, gap)) in self.items.iter_mut().enumerate() {
            match (actual.get(i).and_then(Option::as_ref), expected.get(i).and_then(Option::as_ref))
            {
                (Some(a), Some(e)) if a.len() == e.len() => {
                    gap.values.add(case, item.dtype, a, e, tolerance);
                    gap.add_bits(item.dtype, a, e);
                }
                // A way through the program that was not taken computes nothing.
                (None, None) => {}
                _ => gap.missing += 1,
            }
        }
    }

    /// The first item that differs by more than it may.
    pub fn first(&self) -> Option<&(Item, Gap)> {
        self.items.iter().find(|(_, gap)| self.beyond(gap))
    }

    fn beyond(&self, gap: &Gap) -> bool {
        let bits = self.tolerance.is_none() && gap.differing > 0;
        gap.missing > 0 || gap.values.beyond > 0 || bits
    }

    /// One line on whether they differ.
    pub fn summary(&self) -> String {
        let Sides { actual, expected, .. } = self;
        let differing: Vec<&str> = self
            .items
            .iter()
            .filter(|(_, gap)| self.beyond(gap))
            .map(|(item, _)| item.name.as_str())
            .collect();
        if !differing.is_empty() {
            return format!(
                "{actual} and {expected}: {} of {} differ: {}\n",
                differing.len(),
                self.items.len(),
                differing.join(", ")
            );
        }
        let most = self.items.iter().map(|(_, gap)| gap.values.max_abs).fold(0.0, f64::max);
        match self.items.iter().all(|(_, gap)| gap.differing == 0) {
            true => format!("{actual} and {expected}: the same to the bit\n"),
            false => format!("{actual} and {expected}: at most {most:.3e} apart\n"),
        }
    }

    /// What is wrong, if something is.
    pub fn failure(&self) -> Option<String> {
        let (item, gap) = self.first()?;
        let place = match item.location.as_str() {
            "" => String::new(),
            location => format!(" at {location}"),
        };
        let step = match (&item.step, &item.kernel) {
            (Some(step), Some(kernel)) => format!(", computed by step {step} ({kernel})"),
            (Some(step), None) => format!(", computed by step {step}"),
            (None, _) => String::new(),
        };
        let Sides { actual, expected, .. } = self;
        Some(format!(
            "{actual} and {expected} differ first in `{}` {}: {}{place}{step}: {}",
            item.name,
            item.ty(),
            item.op,
            self.measured(item, gap)
        ))
    }

    fn measured(&self, item: &Item, gap: &Gap) -> String {
        if gap.missing > 0 {
            return format!("in {} cases only one of them computes it", gap.missing);
        }
        let unit = match item.dtype.is_float() || item.dtype.is_complex() {
            true => "units in the last place",
            false => "steps",
        };
        let values = &gap.values;
        let first = values.first.as_ref().map_or(String::new(), |first| {
            format!(
                "; first in case {} at {}: {} {}, {} {}",
                first.case,
                index_text(&item.dims, first.position),
                first.actual,
                self.actual,
                first.expected,
                self.expected
            )
        });
        format!(
            "{} of {} elements, by at most {:.3e} ({} {unit}){first}",
            gap.differing, values.elements, values.max_abs, gap.steps
        )
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let item = |(item, gap): &(Item, Gap)| {
            json!({
                "name": item.name, "op": item.op, "location": item.location,
                "dtype": item.dtype.name(), "dims": item.dims, "step": item.step,
                "kernel": item.kernel, "elements": gap.values.elements,
                "differing": gap.differing, "missing_cases": gap.missing,
                "max_abs": gap.values.max_abs.min(f64::MAX),
                "max_steps": u64::try_from(gap.steps).unwrap_or(u64::MAX),
                "differs": self.beyond(gap),
            })
        };
        json!({
            "first": self.first().map(|(item, _)| &item.name),
            "compared": self.items.iter().map(item).collect::<Vec<_>>(),
        })
    }
}

impl Item {
    fn ty(&self) -> String {
        let dims: String = self.dims.iter().map(|dim| format!("{dim}x")).collect();
        dims + self.dtype.name()
    }
}

impl Gap {
    /// Counts elements whose bits differ.
    fn add_bits(&mut self, dtype: DType, actual: &[u8], expected: &[u8]) {
        // The parts of a complex number are elements of their own.
        let (size, part) = match dtype {
            DType::C64 => (4, DType::F32),
            DType::C128 => (8, DType::F64),
            _ => (dtype.size(), dtype),
        };
        let mut nan = Difference::default();
        for (a, e) in actual.chunks_exact(size).zip(expected.chunks_exact(size)) {
            if a == e {
                continue;
            }
            let before = nan.beyond;
            nan.add(0, part, a, e, Tolerance { atol: 0.0, rtol: 0.0 });
            let zeros = part.is_float() && nan.beyond == before && !is_nan(part, a);
            // Zeros of either sign are no distance apart, but not the same.
            if nan.beyond > before || zeros {
                self.differing += 1;
                self.steps = self.steps.max(ordinal(part, a).abs_diff(ordinal(part, e)));
            }
        }
    }
}

fn is_nan(dtype: DType, bytes: &[u8]) -> bool {
    matches!(crate::eval::Element::decode(dtype, bytes), crate::eval::Element::Float(x) if x.is_nan())
}

/// The position of an element among all values of its type, in order.
fn ordinal(dtype: DType, bytes: &[u8]) -> i128 {
    let mut wide = [0; 16];
    wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    let bits = i128::from_le_bytes(wide);
    if !dtype.is_float() || dtype == DType::F8E8M0FNU {
        return crate::eval::Element::decode(dtype, bytes).as_int().unwrap_or(bits);
    }
    let sign = 1_i128 << (dtype.bits() - 1);
    if bits & sign == 0 { bits } else { -(bits & (sign - 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(dtype: DType, tolerance: Option<Tolerance>, a: &[u8], e: &[u8]) -> Sides {
        let dims = vec![(a.len() / dtype.size()) as u64];
        let item = Item {
            name: "%1".to_owned(),
            dtype,
            dims,
            op: "stablehlo.add".to_owned(),
            location: "m.mlir:3:4".to_owned(),
            step: Some(2),
            kernel: Some("2:add, map".to_owned()),
        };
        let mut sides = Sides { tolerance, ..Sides::exact("board", "host", &[item]) };
        sides.add(0, &[Some(a.to_vec())], &[Some(e.to_vec())]);
        sides
    }

    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    #[test]
    fn distances_are_counted_in_representable_values() {
        let next = f32::from_bits(1.0_f32.to_bits() + 3);
        let (a, e) = (floats(&[0.0, next, f32::NAN]), floats(&[0.0, 1.0, -f32::NAN]));
        let found = sides(DType::F32, None, &a, &e);
        let (_, gap) = found.first().expect("a difference");
        assert_eq!((gap.differing, gap.steps), (1, 3));
        assert_eq!(
            found.failure().expect("a difference"),
            "board and host differ first in `%1` 3xf32: stablehlo.add at m.mlir:3:4, computed by \
             step 2 (2:add, map): 1 of 3 elements, by at most 3.576e-7 (3 units in the last place); \
             first in case 0 at [1]: 1.0000004 board, 1.0 host"
        );
        let within = Tolerance { atol: 1e-6, rtol: 0.0 };
        let found = sides(DType::F32, Some(within), &a, &e);
        assert!(found.first().is_none());
        assert_eq!(found.summary(), "board and host: at most 3.576e-7 apart\n");
    }

    #[test]
    fn zeros_of_either_sign_are_not_the_same_to_the_bit() {
        let (a, e) = (floats(&[0.0]), floats(&[-0.0]));
        let loose = Tolerance { atol: 0.0, rtol: 0.0 };
        assert!(sides(DType::F32, Some(loose), &a, &e).first().is_none());
        assert_eq!(sides(DType::F32, None, &a, &e).first().map(|(_, gap)| gap.differing), Some(1));
    }

    #[test]
    fn integers_differ_by_steps() {
        let found = sides(DType::I8, None, &[0x80, 4], &[0x7f, 4]);
        assert_eq!(found.first().map(|(_, gap)| (gap.differing, gap.steps)), Some((1, 255)));
        assert_eq!(found.summary(), "board and host: 1 of 1 differ: %1\n");
    }

    #[test]
    fn what_only_one_side_computes_is_a_difference() {
        let mut found = sides(DType::I8, None, &[1], &[1]);
        assert!(found.first().is_none() && found.failure().is_none());
        found.add(1, &[None], &[None]);
        assert!(found.first().is_none());
        found.add(2, &[None], &[Some(vec![1])]);
        assert!(found.failure().expect("a difference").contains("only one of them computes it"));
    }
}
