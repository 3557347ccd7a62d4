//! Numbers that look random, for tests whose cases boards and hosts share.

/// Reproducible numbers.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// A number from `low` to `high`.
    pub fn range(&mut self, low: u32, high: u32) -> u32 {
        low + self.next() % (high - low + 1)
    }

    pub fn pair(&mut self, low: u32, high: u32) -> [u32; 2] {
        [self.range(low, high), self.range(low, high)]
    }

    pub fn bytes(&mut self, n: u32) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}
