//! Plain text: aligned tables, sizes and large numbers.

/// A table whose columns are aligned: the first ones to the left, the others to the right.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    left: usize,
    ragged: bool,
}

impl Table {
    /// An empty table whose first `left` columns are aligned to the left.
    pub fn new(left: usize) -> Self {
        Table { left, ..Table::default() }
    }

    /// Aligns the last column to the left, as its cells differ much in length.
    pub fn ragged(mut self) -> Self {
        self.ragged = true;
        self
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The table's lines, each indented by two spaces.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            self.rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let left = i < self.left || (self.ragged && i + 1 == columns);
                let cell = match left {
                    true => format!(" {cell:<width$}"),
                    false => format!(" {cell:>width$}"),
                };
                line += &cell;
                line.push(' ');
            }
            out += line.trim_end();
            out.push('\n');
        }
        out
    }
}

/// A number with its thousands apart, for example `12 345`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// A size: bytes, and KiB where that is shorter.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        _ => format!("{} B ({:.1} KiB)", grouped(bytes), bytes as f64 / 1024.0),
    }
}

/// A shape with its type as StableHLO spells it, for example `1x8x8x1xf32`.
pub fn shape(dims: &[u64], dtype: &str) -> String {
    let dims: String = dims.iter().map(|d| format!("{d}x")).collect();
    format!("{dims}{dtype}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(1).ragged();
        table.row(["a", "1", "x"]);
        table.row(["bcd", "23", "yyy"]);
        assert_eq!(table.render(), "  a     1  x\n  bcd  23  yyy\n");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
        assert_eq!(size(1536), "1 536 B (1.5 KiB)");
        assert_eq!(shape(&[1, 8], "f32"), "1x8xf32");
    }
}
