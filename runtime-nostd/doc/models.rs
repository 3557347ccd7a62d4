// The artifacts of the examples in the documentation, which include this. In a firmware, `microhlo-build` writes
// such a thing.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

#[allow(dead_code)]
static AFFINE: &[u8] = {
    static ARTIFACT: &Aligned<[u8]> = &Aligned(*include_bytes!("affine.mhlo"));
    &ARTIFACT.0
};

#[allow(dead_code)]
static TOTAL: &[u8] = {
    static ARTIFACT: &Aligned<[u8]> = &Aligned(*include_bytes!("total.mhlo"));
    &ARTIFACT.0
};
