//! Models for linkers and C compilers: the artifact as an ELF object or as a C array, and a header that
//! tells its sizes and signature.

mod c;
mod header;
mod object;

pub use c::source;
pub use header::header;
pub use object::{ObjectError, object};

/// The name of a model as the start of C names: ASCII letters, digits and underscores, and no digit first.
///
/// ```
/// use microhlo_compiler::embed::identifier;
///
/// assert_eq!(identifier("kws-2.int8"), "kws_2_int8");
/// assert_eq!(identifier("3d"), "_3d");
/// ```
pub fn identifier(model: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = model.chars().map(plain).collect();
    match name.starts_with(|c: char| !c.is_ascii_digit()) {
        true => name,
        false => format!("_{name}"),
    }
}

/// The symbol of a model's artifact.
fn symbol(model: &str) -> String {
    format!("{}_artifact", identifier(model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_becomes_an_identifier() {
        for (model, name) in
            [("kws", "kws"), ("kws-2.int8", "kws_2_int8"), ("3d", "_3d"), ("", "_"), ("ä", "_")]
        {
            assert_eq!(identifier(model), name);
        }
    }
}
