//! NumPy's `.npz` archives: named arrays of plain elements, as test vectors come.
//!
//! Format: NumPy enhancement proposal 1 (`.npy`) inside a zip archive. Arrays become row-major
//! little-endian bytes, the form that artifacts and the evaluator take. `V1` and `V2` arrays, as
//! `ml_dtypes` writes its narrow floats, are kept as raw elements and take the type that the
//! program asks for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use microhlo_format::DType;
use npyz::{NpyHeader, Order, TypeChar};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The type of an array's elements.
///
/// ```
/// use microhlo_compiler::npz::ArrayType;
/// use microhlo_format::DType;
///
/// let bytes = ArrayType::Plain(DType::I8);
/// assert_eq!(bytes.size(), 1);
/// // NumPy has no integers of 4 bits; their values are stored in bytes.
/// assert!(bytes.matches(DType::I4) && !bytes.matches(DType::I32));
/// // Nor bfloat16, whose elements it stores as they are.
/// assert!(ArrayType::Raw(2).matches(DType::BF16));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayType {
    /// A type that NumPy has itself.
    Plain(DType),
    /// Elements of this many bytes without a type (NumPy's `V`).
    Raw(usize),
}

impl ArrayType {
    /// Size of one element in bytes. See the example of [`ArrayType`].
    pub fn size(self) -> usize {
        match self {
            ArrayType::Plain(dtype) => dtype.size(),
            ArrayType::Raw(size) => size,
        }
    }

    /// Whether a program's value of type `dtype` can be taken from such elements as they are.
    /// See the example of [`ArrayType`].
    pub fn matches(self, dtype: DType) -> bool {
        match self {
            ArrayType::Plain(plain) => {
                plain == dtype || (dtype.size() == 1 && sub_byte_of(dtype) == Some(plain))
            }
            ArrayType::Raw(size) => size == dtype.size() && numpy_code(dtype).is_none(),
        }
    }
}

/// NumPy has no 2- and 4-bit integers; their values are stored as 8-bit ones.
fn sub_byte_of(dtype: DType) -> Option<DType> {
    match dtype {
        DType::I2 | DType::I4 => Some(DType::I8),
        DType::U2 | DType::U4 => Some(DType::U8),
        _ => None,
    }
}

impl std::fmt::Display for ArrayType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ArrayType::Plain(dtype) => write!(f, "{dtype}"),
            ArrayType::Raw(size) => write!(f, "raw elements of {size} bytes"),
        }
    }
}

/// One array. See the example of [`write()`].
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Type of the elements.
    pub ty: ArrayType,
    /// Sizes, outermost first.
    pub dims: Vec<u64>,
    /// The elements, row-major and little-endian.
    pub bytes: Vec<u8>,
}

/// Named arrays. See the example of [`write()`].
pub type Arrays = BTreeMap<String, Array>;

/// Why an archive cannot be read or written.
///
/// ```
/// use microhlo_compiler::npz::{NpzError, read};
/// use std::path::Path;
///
/// let error = read(Path::new("no-such-vectors.npz"), |_| true).unwrap_err();
/// assert!(matches!(&error, NpzError::File { source, .. } if source.to_string().contains("check the path")));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum NpzError {
    /// The file as a whole.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// One of its arrays.
    #[error("{}: array `{name}`: {message}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// What is wrong and what to do.
        message: String,
    },
}

/// Reads the arrays whose names `wanted` accepts. See the example of [`write()`].
///
/// # Errors
/// The file cannot be read, is no zip archive, or an array is corrupt, pickled or of a type
/// without a StableHLO counterpart.
pub fn read(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Arrays, NpzError> {
    let mut archive = open(path)?;
    let mut arrays = Arrays::new();
    for name in array_names(&archive).into_iter().filter(|name| wanted(name)) {
        let array = read_entry(&mut archive, &name).map_err(|message| NpzError::Array {
            path: path.to_owned(),
            name: name.clone(),
            message,
        })?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// The names of all arrays in a file. See the example of [`write()`].
///
/// # Errors
/// The file cannot be read or is no zip archive.
pub fn names(path: &Path) -> Result<Vec<String>, NpzError> {
    Ok(array_names(&open(path)?))
}

fn open(path: &Path) -> Result<ZipArchive<BufReader<File>>, NpzError> {
    let failed = |kind: io::ErrorKind, text: String| NpzError::File {
        path: path.to_owned(),
        source: io::Error::new(kind, text),
    };
    let file = File::open(path).map_err(|e| failed(e.kind(), format!("{e}; check the path")))?;
    ZipArchive::new(BufReader::new(file)).map_err(|e| {
        let text = format!("not an .npz file (`numpy.savez` writes one): {e}");
        failed(io::ErrorKind::InvalidData, text)
    })
}

fn array_names(archive: &ZipArchive<BufReader<File>>) -> Vec<String> {
    let files = archive.file_names().flatten();
    files.filter_map(|f| npyz::npz::array_name_from_file_name(&f).map(str::to_owned)).collect()
}

fn read_entry(archive: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<Array, String> {
    let entry_name = npyz::npz::file_name_from_array_name(name);
    let mut entry = archive.by_name(&entry_name).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    // Reading to the end also verifies the archive's checksum of the entry.
    entry.read_to_end(&mut bytes).map_err(|e| format!("corrupt: {e}"))?;
    parse_npy(&bytes)
}

fn parse_npy(bytes: &[u8]) -> Result<Array, String> {
    refuse_overflow(bytes)?;
    let mut rest = bytes;
    let header = NpyHeader::from_reader(&mut rest).map_err(|e| format!("corrupt header: {e}"))?;
    let (ty, big_endian) = array_type(&header.dtype())?;
    let dims = header.shape().to_vec();
    let size = ty.size() as u64;
    let expected = dims.iter().try_fold(size, |n, &d| n.checked_mul(d));
    if expected != Some(rest.len() as u64) {
        return Err(format!("shape {dims:?} of {ty} does not fit its {} bytes", rest.len()));
    }
    let mut data = rest.to_vec();
    if big_endian {
        data.chunks_exact_mut(scalar_size(ty)).for_each(<[u8]>::reverse);
    }
    if header.order() == Order::Fortran {
        data = row_major(&data, &dims, ty.size());
    }
    if ty == ArrayType::Plain(DType::I1) {
        data.iter_mut().for_each(|b| *b = u8::from(*b != 0));
    }
    Ok(Array { ty, dims, bytes: data })
}

/// The header's shape must not overflow: the header parser multiplies it unchecked.
fn refuse_overflow(bytes: &[u8]) -> Result<(), String> {
    let head = &bytes[..bytes.len().min(1 << 16)];
    let text = String::from_utf8_lossy(head);
    let Some(at) = text.find("shape") else { return Ok(()) };
    let list = text[at..].split_once('(').map_or("", |(_, rest)| rest);
    let list = list.split(')').next().unwrap_or_default();
    let sizes = list.split(|c: char| !c.is_ascii_digit()).filter(|s| !s.is_empty());
    let mut product = 1u64;
    for size in sizes {
        let size: u64 =
            size.parse().map_err(|_| format!("size {size} in its shape is too large"))?;
        // Zero would hide an overflow of the other sizes from this check.
        product = product
            .checked_mul(size.max(1))
            .filter(|&n| n <= 1 << 48)
            .ok_or("its shape is too large")?;
    }
    Ok(())
}

fn array_type(dtype: &npyz::DType) -> Result<(ArrayType, bool), String> {
    let unsupported =
        || format!("type {} has no StableHLO counterpart; convert the array first", dtype.descr());
    let npyz::DType::Plain(text) = dtype else { return Err(unsupported()) };
    let size = text.num_bytes().ok_or_else(unsupported)?;
    let plain = match (text.type_char(), size) {
        (TypeChar::RawData, 1 | 2) => return Ok((ArrayType::Raw(size), false)),
        (TypeChar::Bool, 1) => DType::I1,
        (TypeChar::Int, 1) => DType::I8,
        (TypeChar::Int, 2) => DType::I16,
        (TypeChar::Int, 4) => DType::I32,
        (TypeChar::Int, 8) => DType::I64,
        (TypeChar::Uint, 1) => DType::U8,
        (TypeChar::Uint, 2) => DType::U16,
        (TypeChar::Uint, 4) => DType::U32,
        (TypeChar::Uint, 8) => DType::U64,
        (TypeChar::Float, 2) => DType::F16,
        (TypeChar::Float, 4) => DType::F32,
        (TypeChar::Float, 8) => DType::F64,
        (TypeChar::Complex, 8) => DType::C64,
        (TypeChar::Complex, 16) => DType::C128,
        _ => return Err(unsupported()),
    };
    Ok((ArrayType::Plain(plain), text.endianness() == npyz::Endianness::Big))
}

/// Bytes of the part of an element that byte order applies to.
fn scalar_size(ty: ArrayType) -> usize {
    match ty {
        ArrayType::Plain(dtype) => dtype.align(),
        ArrayType::Raw(_) => 1,
    }
}

/// Reorders column-major elements.
fn row_major(data: &[u8], dims: &[u64], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut index = vec![0u64; dims.len()];
    for _ in 0..data.len() / size {
        let mut at = 0u64;
        for (i, d) in index.iter().zip(dims).rev() {
            at = at * d + i;
        }
        let at = at as usize * size;
        out.extend_from_slice(&data[at..at + size]);
        for (i, d) in index.iter_mut().zip(dims).rev() {
            *i += 1;
            if *i < *d {
                break;
            }
            *i = 0;
        }
    }
    out
}

/// Whether NumPy has no type for these elements, so that they are stored as raw ones.
pub(crate) fn lacks(dtype: DType) -> bool {
    numpy_code(dtype).is_none()
}

/// NumPy's code of a type; `None` for types that NumPy lacks.
fn numpy_code(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::I1 => "|b1",
        DType::I2 | DType::I4 | DType::I8 => "|i1",
        DType::I16 => "<i2",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::U2 | DType::U4 | DType::U8 => "|u1",
        DType::U16 => "<u2",
        DType::U32 => "<u4",
        DType::U64 => "<u8",
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::C64 => "<c8",
        DType::C128 => "<c16",
        _ => return None,
    })
}

/// Writes arrays to a new file, uncompressed as `numpy.savez` does.
///
/// ```
/// use microhlo_compiler::npz::{Array, ArrayType, Arrays, names, read, write};
/// use microhlo_format::DType;
///
/// # let path = std::env::temp_dir().join(format!("microhlo-npz-{}.npz", std::process::id()));
/// let array = Array { ty: ArrayType::Plain(DType::I8), dims: vec![2, 2], bytes: vec![1, 2, 3, 4] };
/// let arrays = Arrays::from([("in0".to_owned(), array.clone()), ("out0".to_owned(), array)]);
/// write(&path, &arrays)?;
/// assert_eq!(names(&path)?, ["in0", "out0"]);
/// let inputs = read(&path, |name| name.starts_with("in"))?;
/// assert_eq!((inputs.len(), &inputs["in0"]), (1, &arrays["in0"]));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, arrays: &Arrays) -> Result<(), NpzError> {
    let failed = |source: io::Error| NpzError::File { path: path.to_owned(), source };
    let file = BufWriter::new(File::create(path).map_err(failed)?);
    let mut archive = ZipWriter::new(file);
    for (name, array) in arrays {
        write_entry(&mut archive, name, array).map_err(|source| NpzError::Array {
            path: path.to_owned(),
            name: name.clone(),
            message: source.to_string(),
        })?;
    }
    let mut file = archive.finish().map_err(|e| failed(e.into()))?;
    file.flush().map_err(failed)
}

fn write_entry(
    archive: &mut ZipWriter<BufWriter<File>>,
    name: &str,
    array: &Array,
) -> io::Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(array.bytes.len() > (1 << 31));
    archive.start_file(npyz::npz::file_name_from_array_name(name), options)?;
    archive.write_all(&npy_header(array)?)?;
    archive.write_all(&array.bytes)
}

/// The header of an `.npy` file. The elements' bytes are at hand, so nothing has to be written
/// element by element.
fn npy_header(array: &Array) -> io::Result<Vec<u8>> {
    let code = match array.ty {
        ArrayType::Plain(dtype) => numpy_code(dtype).map(str::to_owned),
        ArrayType::Raw(_) => None,
    };
    let code = code.unwrap_or_else(|| format!("|V{}", array.ty.size()));
    let dims: Vec<String> = array.dims.iter().map(|d| format!("{d},")).collect();
    let dict =
        format!("{{'descr': '{code}', 'fortran_order': False, 'shape': ({}), }}", dims.join(" "));
    // Version 1.0: magic, version, header length; the data starts at a multiple of 64.
    let unpadded = 10 + dict.len() + 1;
    let padding = unpadded.next_multiple_of(64) - unpadded;
    let length = u16::try_from(dict.len() + 1 + padding)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "too many dimensions"))?;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(length.to_le_bytes());
    header.extend(dict.bytes());
    header.extend(std::iter::repeat_n(b' ', padding));
    header.push(b'\n');
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Arrays {
        let f32s = [1.5f32, f32::NAN, -0.0, 4.0, 5.0, 6.0];
        let bytes = f32s.iter().flat_map(|x| x.to_le_bytes()).collect();
        let a = Array { ty: ArrayType::Plain(DType::F32), dims: vec![2, 3], bytes };
        let b = Array { ty: ArrayType::Plain(DType::I1), dims: vec![], bytes: vec![1] };
        let c = Array { ty: ArrayType::Raw(2), dims: vec![2], bytes: vec![1, 2, 3, 4] };
        let d = Array { ty: ArrayType::Plain(DType::U64), dims: vec![0, 7], bytes: vec![] };
        [("in0", a), ("in1", b), ("out0", c), ("x", d)].map(|(n, a)| (n.to_owned(), a)).into()
    }

    #[test]
    fn what_is_written_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        write(&path, &sample()).unwrap();
        assert_eq!(read(&path, |_| true).unwrap(), sample());
        assert_eq!(read(&path, |name| name == "in0").unwrap().len(), 1);
    }

    #[test]
    fn corrupt_archives_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        write(&path, &sample()).unwrap();
        let good = std::fs::read(&path).unwrap();
        for cut in [0, 1, 20, good.len() / 2, good.len() - 1] {
            std::fs::write(&path, &good[..cut]).unwrap();
            assert!(read(&path, |_| true).is_err(), "cut at {cut}");
        }
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 0x15;
            std::fs::write(&path, &bad).unwrap();
            // Many bytes of an archive are redundant; whatever is wrong must not crash.
            let _ = read(&path, |_| true);
        }
    }

    fn npy(dict: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((dict.len() as u16 + 1).to_le_bytes());
        bytes.extend(dict.bytes());
        bytes.push(b'\n');
        bytes.extend(data);
        bytes
    }

    #[test]
    fn column_major_and_big_endian_are_converted() {
        let dict = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }";
        let data = [0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6];
        let array = parse_npy(&npy(dict, &data)).unwrap();
        assert_eq!(array.bytes, [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0]);
    }

    #[test]
    fn bad_headers_are_errors() {
        let huge = "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999, 4)}";
        assert!(parse_npy(&npy(huge, &[0; 4])).unwrap_err().contains("too large"));
        let zero = "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9999999999, 9999999999)}";
        assert!(parse_npy(&npy(zero, &[])).is_err());
        let short = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}";
        assert!(parse_npy(&npy(short, &[0; 8])).unwrap_err().contains("does not fit"));
        let text = "{'descr': '<U3', 'fortran_order': False, 'shape': (1,)}";
        assert!(parse_npy(&npy(text, &[0; 12])).unwrap_err().contains("counterpart"));
        let object = "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}";
        assert!(parse_npy(&npy(object, &[0; 8])).is_err());
    }
}
