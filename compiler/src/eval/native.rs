//! Tensors as vectors of the machine's own numbers, for algorithms that the device shares.

use super::Tensor;

/// A number that an element's bytes are.
pub trait Native: Copy {
    /// Reads little-endian bytes, of which there are as many as the number has.
    fn read(bytes: &[u8]) -> Self;

    /// Appends little-endian bytes.
    fn write(self, out: &mut Vec<u8>);
}

macro_rules! native {
    ($($t:ty),*) => {$(
        impl Native for $t {
            fn read(bytes: &[u8]) -> $t {
                let mut all = [0; size_of::<$t>()];
                all.copy_from_slice(bytes);
                <$t>::from_le_bytes(all)
            }

            fn write(self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
        }

        impl Native for [$t; 2] {
            fn read(bytes: &[u8]) -> [$t; 2] {
                let (re, im) = bytes.split_at(size_of::<$t>());
                [Native::read(re), Native::read(im)]
            }

            fn write(self, out: &mut Vec<u8>) {
                self[0].write(out);
                self[1].write(out);
            }
        }
    )*};
}

native!(f32, f64);

/// The elements of a tensor whose element type has the size of `T`.
pub fn vector<T: Native>(tensor: &Tensor) -> Vec<T> {
    tensor.bytes().chunks_exact(size_of::<T>()).map(T::read).collect()
}

/// Elements as bytes.
pub fn bytes<T: Native>(values: &[T]) -> Vec<u8> {
    let mut out = Vec::with_capacity(size_of_val(values));
    values.iter().for_each(|v| v.write(&mut out));
    out
}
