//! Test vectors: `.npz` arrays as the inputs and outputs of a model, with an optional leading
//! case axis.

use std::path::Path;

use microhlo_format::DType;

use super::CmdError;
use super::text::shape;
use crate::eval::Element;
use crate::npz::{self, Array, ArrayType, Arrays};
use crate::stored::Stored;

/// An input or output of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Its name in the program.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Sizes, outermost first.
    pub dims: Vec<u64>,
    /// What its integers stand for, if it is quantised and that is known: artifacts do not say.
    pub stored: Option<Stored>,
}

impl Port {
    /// Size of one value in bytes.
    pub fn byte_len(&self) -> usize {
        self.dims.iter().product::<u64>() as usize * self.dtype.size()
    }

    /// Shape and type as text.
    pub fn shape(&self) -> String {
        shape(&self.dims, self.dtype.name())
    }
}

/// What values of a port are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Those that the model has.
    Own,
    /// `f32` that a quantised model's integers stand for.
    Floats,
    /// The model's integers, made of such floats.
    Quantized,
}

/// The values of one port: one for all cases, or one per case.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    bytes: Vec<u8>,
    each: usize,
    cases: Option<usize>,
    form: Form,
}

impl Values {
    /// The value of a case; `None` beyond the last one.
    pub fn case(&self, case: usize) -> Option<&[u8]> {
        match self.cases {
            None => Some(&self.bytes),
            Some(cases) if case < cases => self.bytes.get(case * self.each..(case + 1) * self.each),
            Some(_) => None,
        }
    }

    /// The number of cases; `None` when the array has no case axis.
    pub fn cases(&self) -> Option<usize> {
        self.cases
    }

    /// What they are.
    pub fn form(&self) -> Form {
        self.form
    }

    /// With integers of the port in place of floats.
    fn quantized(self, port: &Port) -> Values {
        match (self.form, port.stored) {
            (Form::Floats, Some(stored)) => Values {
                bytes: stored.quantize_bytes(port.dtype, &self.bytes),
                each: port.byte_len(),
                cases: self.cases,
                form: Form::Quantized,
            },
            _ => self,
        }
    }
}

/// The numbers of the cases whose inputs have the ports' shapes, in a file of cases of several
/// shapes: arrays `case0_in0`, `case0_in1`, `case1_in0`, ... `None` if it is no such file.
///
/// # Errors
/// The file cannot be read, or no case fits.
pub fn shaped_cases(path: &Path, ports: &[Port]) -> Result<Option<Vec<usize>>, CmdError> {
    let names = npz::names(path)?;
    if !names.iter().any(|n| n == "case0_in0") {
        return Ok(None);
    }
    let arrays = npz::read(path, |name| name.contains("_in"))?;
    let fits = |case: &usize| {
        let mut keyed = ports.iter().enumerate().map(|(i, p)| (format!("case{case}_in{i}"), p));
        keyed.all(|(key, port)| arrays.get(&key).is_some_and(|a| a.dims == port.dims))
    };
    let cases: Vec<usize> =
        (0..names.len()).take_while(|k| arrays.contains_key(&format!("case{k}_in0"))).collect();
    let found: Vec<usize> = cases.into_iter().filter(fits).collect();
    match found.is_empty() {
        false => Ok(Some(found)),
        true => {
            let shapes: Vec<String> = ports.iter().map(Port::shape).collect();
            let shapes = shapes.join(", ");
            let message = format!("{}: no case has inputs of {shapes}", path.display());
            Err(CmdError::BadInput(message))
        }
    }
}

/// Reads the inputs of a file, with the numbers of their cases if it has cases of several shapes. Floats for quantised
/// inputs become their integers.
///
/// # Errors
/// As [`read`] and [`shaped_cases`].
pub fn read_inputs(
    path: &Path,
    ports: &[Port],
) -> Result<(Vec<Values>, Option<Vec<usize>>), CmdError> {
    let shaped = shaped_cases(path, ports)?;
    let inputs = match &shaped {
        Some(cases) => read_cases(path, "in", ports, cases)?,
        None => read(path, "in", ports)?,
    };
    let inputs = inputs.into_iter().zip(ports).map(|(values, port)| values.quantized(port));
    Ok((inputs.collect(), shaped))
}

/// Reads the arrays `case{k}_{prefix}0`, `case{k}_{prefix}1`, ... of the cases.
///
/// # Errors
/// As [`read`].
pub fn read_cases(
    path: &Path,
    prefix: &str,
    ports: &[Port],
    cases: &[usize],
) -> Result<Vec<Values>, CmdError> {
    let mut arrays = npz::read(path, |name| name.contains(&format!("_{prefix}")))?;
    let bad = |message: String| CmdError::BadInput(format!("{}: {message}", path.display()));
    let mut all = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        let (mut bytes, mut form) = (Vec::new(), Form::Own);
        for case in cases {
            let key = format!("case{case}_{prefix}{i}");
            let Some(array) = arrays.remove(&key) else { return Err(missing(path, &key, port)) };
            let case = values(&key, array, port).map_err(bad)?;
            form = case.form;
            bytes.extend(case.bytes);
        }
        let each = bytes.len() / cases.len().max(1);
        all.push(Values { bytes, each, cases: Some(cases.len()), form });
    }
    Ok(all)
}

/// Reads the arrays `{prefix}0`, `{prefix}1`, ... for the ports in order, or arrays with the
/// ports' names.
///
/// # Errors
/// An array is missing or of another type or shape than its port; case axes differ.
pub fn read(path: &Path, prefix: &str, ports: &[Port]) -> Result<Vec<Values>, CmdError> {
    let present = npz::names(path)?;
    let order = if prefix == "out" { numbered_names(ports) } else { None };
    let key = |(i, port): (usize, &Port)| {
        let number = order.as_ref().map_or(i, |order| order[i]);
        let numbered = format!("{prefix}{number}");
        let named = !present.contains(&numbered) && present.contains(&port.name);
        if named { port.name.clone() } else { numbered }
    };
    let keys: Vec<String> = ports.iter().enumerate().map(key).collect();
    let mut arrays = npz::read(path, |name| keys.iter().any(|k| k == name))?;
    let bad = |message: String| CmdError::BadInput(format!("{}: {message}", path.display()));
    let mut all = Vec::new();
    for (key, port) in keys.iter().zip(ports) {
        let Some(array) = arrays.remove(key) else { return Err(missing(path, key, port)) };
        all.push(values(key, array, port).map_err(bad)?);
    }
    let mut axes = keys.iter().zip(&all).filter_map(|(key, v)| Some((key, v.cases?)));
    if let Some((first, n)) = axes.next()
        && let Some((other, m)) = axes.find(|(_, m)| *m != n)
    {
        return Err(bad(format!(
            "`{first}` has {n} cases, but `{other}` has {m}; give all arrays the same case axis"
        )));
    }
    Ok(all)
}

/// The numbers at the ends of the ports' names, if they number all of them: TensorFlow returns
/// `o1` before `o0` if it likes.
fn numbered_names(ports: &[Port]) -> Option<Vec<usize>> {
    let number = |port: &Port| {
        let base = port.name.trim_end_matches(|c: char| c.is_ascii_digit());
        port.name[base.len()..].parse::<usize>().ok()
    };
    let numbers = ports.iter().map(number).collect::<Option<Vec<usize>>>()?;
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    sorted.iter().copied().eq(0..ports.len()).then_some(numbers)
}

fn missing(path: &Path, key: &str, port: &Port) -> CmdError {
    let present = npz::names(path).unwrap_or_default();
    let present = if present.is_empty() { "no arrays".to_owned() } else { present.join(", ") };
    CmdError::BadInput(format!(
        "{}: no array `{key}`, which the model's `{}` ({}) needs; the file has {present}",
        path.display(),
        port.name,
        port.shape(),
    ))
}

/// What is wrong with the type of an array, and what to do. Floats for 8-bit integers are seldom meant to be cut off.
fn wrong_type(key: &str, ty: ArrayType, port: &Port) -> String {
    let float = matches!(ty, ArrayType::Plain(DType::F16 | DType::F32 | DType::F64));
    let advice = match float && matches!(port.dtype, DType::I8 | DType::U8) {
        true => {
            "an 8-bit model takes stored integers: round(x / scale) + zero point, see \
             docs/quantisation.md (the program in place of the artifact knows both and takes \
             floats); otherwise convert it with `astype`"
        }
        false => "convert it with `astype`",
    };
    format!("array `{key}` is {ty}, but the model's `{}` is {}; {advice}", port.name, port.dtype)
}

/// An array of floats as one of `f32`.
fn floats(array: Array, dtype: DType) -> Array {
    let float = |bytes: &[u8]| match Element::decode(dtype, bytes) {
        Element::Float(x) => (x as f32).to_le_bytes(),
        _ => [0; 4],
    };
    let bytes = array.bytes.chunks_exact(dtype.size()).flat_map(float).collect();
    Array { ty: ArrayType::Plain(DType::F32), dims: array.dims, bytes }
}

fn values(key: &str, array: Array, port: &Port) -> Result<Values, String> {
    let (array, form) = match array.ty {
        ty if ty.matches(port.dtype) => (array, Form::Own),
        ArrayType::Plain(dtype) if dtype.is_float() && port.stored.is_some() => {
            (floats(array, dtype), Form::Floats)
        }
        ty => return Err(wrong_type(key, ty, port)),
    };
    let each = match form {
        Form::Own => port.byte_len(),
        _ => port.byte_len() / port.dtype.size() * DType::F32.size(),
    };
    if array.dims == port.dims {
        return Ok(Values { bytes: array.bytes, each, cases: None, form });
    }
    match array.dims.split_first() {
        Some((0, dims)) if dims == port.dims => {
            Err(format!("array `{key}` has no cases: its first axis is empty"))
        }
        Some((&cases, dims)) if dims == port.dims => {
            let cases = usize::try_from(cases).map_err(|_| "too many cases".to_owned())?;
            Ok(Values { bytes: array.bytes, each, cases: Some(cases), form })
        }
        _ => Err(format!(
            "array `{key}` has the shape {:?}, but the model's `{}` has {:?} (or one axis more, \
             of cases, in front)",
            array.dims, port.name, port.dims
        )),
    }
}

/// The number of cases: that of the case axes, or 1 without any.
pub fn case_count(values: &[Values]) -> usize {
    values.iter().find_map(Values::cases).unwrap_or(1)
}

/// Outputs as arrays `out0`, `out1`, ...; `outputs[case][port]`.
///
/// With `axis`, every array has a leading case axis.
pub fn output_arrays(ports: &[Port], outputs: &[Vec<Vec<u8>>], axis: bool) -> Arrays {
    let mut arrays = Arrays::new();
    for (i, port) in ports.iter().enumerate() {
        let mut dims = port.dims.clone();
        if axis {
            dims.insert(0, outputs.len() as u64);
        }
        let bytes = outputs.iter().filter_map(|case| case.get(i)).flatten().copied().collect();
        let ty = match port.dtype.size() {
            size @ 1..=2 if npz::lacks(port.dtype) => ArrayType::Raw(size),
            _ => ArrayType::Plain(port.dtype),
        };
        arrays.insert(format!("out{i}"), Array { ty, dims, bytes });
    }
    arrays
}

/// Reads an array of labels: whole numbers, one per case.
pub fn read_labels(path: &Path, key: &str) -> Result<Vec<i64>, CmdError> {
    let bad = |message: String| CmdError::BadInput(format!("{}: {message}", path.display()));
    let array = npz::read(path, |name| name == key)?.remove(key).ok_or_else(|| {
        let present = npz::names(path).unwrap_or_default().join(", ");
        bad(format!("no array `{key}` for --labels; the file has {present}"))
    })?;
    let ArrayType::Plain(dtype) = array.ty else {
        return Err(bad(format!("labels `{key}` are {}, not whole numbers", array.ty)));
    };
    let label = |bytes: &[u8]| {
        crate::eval::Element::decode(dtype, bytes).as_int().and_then(|i| i64::try_from(i).ok())
    };
    let labels: Option<Vec<i64>> = array.bytes.chunks_exact(dtype.size()).map(label).collect();
    labels.ok_or_else(|| bad(format!("labels `{key}` are {dtype}, not whole numbers")))
}
