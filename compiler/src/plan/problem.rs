//! What is to be planned: buffers with sizes and lifetimes, and the CSV form of such instances.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

/// One buffer: how large it is and when it is alive. See the example of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// Size in bytes. A buffer of size zero occupies nothing and conflicts with nothing.
    pub size: u32,
    /// Alignment of the offset in bytes; a power of two.
    pub align: u32,
    /// First step of the schedule at which the buffer is alive.
    pub lower: u32,
    /// One past the last step at which the buffer is alive; greater than `lower`.
    pub upper: u32,
}

impl Buffer {
    /// Whether both buffers need storage during a common step.
    pub(crate) fn conflicts(&self, other: &Buffer) -> bool {
        self.size > 0 && other.size > 0 && self.lower < other.upper && other.lower < self.upper
    }
}

/// The largest sum of sizes alive at one step. See the example of [`Problem`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveSet {
    /// Bytes alive together; no plan needs fewer.
    pub bytes: u64,
    /// The first step at which that many are alive.
    pub step: u32,
}

/// How far a result may lie over an operand. See the example of [`Overlap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distance {
    /// The operand starts so many bytes behind the start of the result, or more.
    AtLeast(u32),
    /// Both start at the same offset.
    Zero,
}

impl Distance {
    /// The least distance.
    pub(crate) fn least(self) -> u32 {
        match self {
            Distance::AtLeast(bytes) => bytes,
            Distance::Zero => 0,
        }
    }
}

/// Two buffers that may share bytes although both are alive at a step, the last of one and the first of
/// the other: the step writes no byte of its result before it has read what lay there.
///
/// ```
/// use microhlo_compiler::plan::{Buffer, Distance, Overlap, Problem, plan};
///
/// let buffer = |size, lower, upper| Buffer { size, align: 4, lower, upper };
/// let buffers = vec![buffer(64, 0, 2), buffer(48, 1, 3)];
/// // Step 1 reads 64 bytes for the last time while it writes 48.
/// let apart = plan(&Problem { buffers: buffers.clone(), overlaps: Vec::new() })?;
/// assert_eq!(apart.arena_bytes, 112);
/// // It never writes further than 16 bytes behind what it has read.
/// let overlap = Overlap { input: 0, output: 1, distance: Distance::AtLeast(16) };
/// let over = plan(&Problem { buffers, overlaps: vec![overlap] })?;
/// assert_eq!(over.arena_bytes, 80);
/// # Ok::<(), microhlo_compiler::plan::PlanError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Overlap {
    /// The buffer that is read for the last time, by position.
    pub input: usize,
    /// The buffer that is written for the first time.
    pub output: usize,
    /// How they may lie unless they share nothing.
    pub distance: Distance,
}

/// What two buffers may share. Of all that are counted one after the other, the later one counts for so
/// much less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// The one that is counted first.
    pub first: usize,
    /// The other one.
    pub later: usize,
    /// Bytes at most.
    pub bytes: u64,
}

/// A set of buffers to be placed in one arena.
///
/// ```
/// use microhlo_compiler::plan::{Buffer, Problem};
///
/// let text = "id,lower,upper,size\na,0,2,100\nb,1,3,50\nc,2,4,100\n";
/// let problem = Problem::from_csv(text)?;
/// assert_eq!(problem.buffers[1], Buffer { size: 50, align: 1, lower: 1, upper: 3 });
/// // Two are alive at a time.
/// let most = problem.lower_bound();
/// assert_eq!((most.bytes, most.step), (150, 1));
/// assert_eq!(problem.to_csv(None).lines().nth(1), Some("0,0,2,100"));
/// # Ok::<(), microhlo_compiler::plan::CsvError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The buffers; plans refer to them by position.
    pub buffers: Vec<Buffer>,
    /// Pairs of buffers that may share bytes, each pair once, or once with either below the other.
    pub overlaps: Vec<Overlap>,
}

impl Problem {
    /// The problem of these buffers alone, in this order, with the overlaps that they have with each other.
    ///
    /// # Panics
    /// If there is no buffer at one of the positions.
    pub(crate) fn part(&self, members: &[usize]) -> Problem {
        let position = |i: usize| members.iter().position(|&member| member == i);
        let overlaps = self.overlaps.iter().filter_map(|overlap| {
            let (input, output) = (position(overlap.input)?, position(overlap.output)?);
            Some(Overlap { input, output, ..*overlap })
        });
        Problem {
            buffers: members.iter().map(|&i| self.buffers[i]).collect(),
            overlaps: overlaps.collect(),
        }
    }

    /// Whether the buffers of an overlap exist, and share exactly the step in which one ends and the
    /// other begins.
    pub(crate) fn is_overlap(&self, overlap: &Overlap) -> bool {
        let (input, output) = (self.buffers.get(overlap.input), self.buffers.get(overlap.output));
        overlap.input != overlap.output
            && input.zip(output).is_some_and(|(i, o)| {
                i.lower <= o.lower && o.lower < o.upper && o.lower.checked_add(1) == Some(i.upper)
            })
    }

    /// The least bytes from the start of an overlap's output to that of its input: what both are
    /// aligned to divides their distance, and behind the end of the output any distance is allowed.
    pub(crate) fn distance(&self, overlap: &Overlap) -> u64 {
        let (input, output) = (&self.buffers[overlap.input], &self.buffers[overlap.output]);
        let unit = u64::from(input.align.min(output.align).max(1));
        let least = u64::from(overlap.distance.least()).next_multiple_of(unit);
        least.min(output.size.into())
    }

    /// Bytes that an overlap's buffers share at most.
    pub(crate) fn shared_bytes(&self, overlap: &Overlap) -> u64 {
        let (input, output) = (&self.buffers[overlap.input], &self.buffers[overlap.output]);
        u64::from(input.size).min(u64::from(output.size) - self.distance(overlap))
    }

    /// The two buffers of an overlap, in an order in which all buffers are counted.
    fn in_order(&self, overlap: &Overlap) -> (usize, usize) {
        let key = |i: usize| (self.buffers[i].lower, i);
        let (input, output) = (overlap.input, overlap.output);
        if key(input) <= key(output) { (input, output) } else { (output, input) }
    }

    /// What buffers may share, each pair once.
    pub(super) fn shares(&self) -> Vec<Share> {
        let mut shares: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for overlap in &self.overlaps {
            let most = shares.entry(self.in_order(overlap)).or_default();
            *most = self.shared_bytes(overlap).max(*most);
        }
        shares.into_iter().map(|((first, later), bytes)| Share { first, later, bytes }).collect()
    }

    /// Bytes of each buffer that those counted before it may share, each of its bytes once.
    pub(super) fn shared_limits(&self) -> Vec<u64> {
        // If it lies below others, they share its end; if it lies above, its start.
        let mut ends = vec![[0; 2]; self.buffers.len()];
        for overlap in &self.overlaps {
            let (_, later) = self.in_order(overlap);
            let below = u64::from(self.buffers[overlap.output].size) - self.distance(overlap);
            let end = &mut ends[later][usize::from(later == overlap.input)];
            *end = below.max(*end);
        }
        let limit =
            |(end, buffer): (&[u64; 2], &Buffer)| end.iter().sum::<u64>().min(buffer.size.into());
        ends.iter().zip(&self.buffers).map(limit).collect()
    }

    /// Bytes that buffers share at most with those before them, by the step in which they do.
    pub(crate) fn shared_by_step(&self) -> HashMap<u32, u64> {
        let shares = self.shares();
        let limits = self.shared_limits();
        let mut sums = vec![0; self.buffers.len()];
        for share in &shares {
            sums[share.later] += share.bytes;
        }
        let mut steps = HashMap::new();
        for (later, sum) in sums.into_iter().enumerate().filter(|(_, sum)| *sum > 0) {
            *steps.entry(self.buffers[later].lower).or_default() += limits[later].min(sum);
        }
        steps
    }

    /// The largest live set, less what its buffers may share. Its size bounds every plan from below.
    /// See the example of [`Problem`].
    ///
    /// # Panics
    /// If the buffers of an overlap do not exist, or share other steps than the one in which one of them ends.
    pub fn lower_bound(&self) -> LiveSet {
        let shared = self.shared_by_step();
        let mut events: Vec<(u32, i64)> = Vec::with_capacity(2 * self.buffers.len());
        for b in self.buffers.iter().filter(|b| b.lower < b.upper) {
            events.push((b.lower, i64::from(b.size)));
            events.push((b.upper, -i64::from(b.size)));
        }
        // At equal steps the negative amounts come first: lifetimes are half open.
        events.sort_unstable();
        let (mut alive, mut best) = (0i64, LiveSet::default());
        for (i, &(step, change)) in events.iter().enumerate() {
            alive += change;
            if events.get(i + 1).is_some_and(|next| next.0 == step) {
                continue;
            }
            let shared = shared.get(&step).copied().unwrap_or(0);
            let bytes = alive.unsigned_abs().saturating_sub(shared);
            if bytes > best.bytes {
                best = LiveSet { bytes, step };
            }
        }
        best
    }

    /// Reads an instance in the CSV format of MiniMalloc: a header naming the columns, of which
    /// `id`, `lower`, `upper` and `size` are required and `alignment` (default 1) is understood,
    /// then one buffer per line. Buffers keep the order of the lines. `offset` columns, as solved
    /// instances have them, are skipped.
    ///
    /// Format: <https://github.com/google/minimalloc#input>. See the example of [`Problem`].
    pub fn from_csv(text: &str) -> Result<Problem, CsvError> {
        let mut lines =
            text.lines().enumerate().map(|(i, l)| (i + 1, l.trim())).filter(|l| !l.1.is_empty());
        let (line, header) = lines
            .next()
            .ok_or_else(|| CsvError::new(1, "the file is empty; expected a header line"))?;
        let columns = Columns::read(line, header)?;
        let buffers = lines.map(|(line, row)| columns.buffer(line, row)).collect::<Result<_, _>>();
        Ok(Problem { buffers: buffers?, overlaps: Vec::new() })
    }

    /// Writes the instance as CSV with the positions as ids, and the offsets of a plan as a last
    /// column if given. Alignments are written only where one differs from 1. See the example of [`Problem`].
    pub fn to_csv(&self, offsets: Option<&[u32]>) -> String {
        let aligned = self.buffers.iter().any(|b| b.align != 1);
        let mut out = String::from("id,lower,upper,size");
        out.push_str(if aligned { ",alignment" } else { "" });
        out.push_str(if offsets.is_some() { ",offset\n" } else { "\n" });
        for (id, b) in self.buffers.iter().enumerate() {
            let _ = write!(out, "{id},{},{},{}", b.lower, b.upper, b.size);
            if aligned {
                let _ = write!(out, ",{}", b.align);
            }
            if let Some(offset) = offsets.and_then(|o| o.get(id)) {
                let _ = write!(out, ",{offset}");
            }
            out.push('\n');
        }
        out
    }
}

/// A malformed instance file.
///
/// ```
/// use microhlo_compiler::plan::Problem;
///
/// let error = Problem::from_csv("id,lower,upper,size\na,3,3,100\n").unwrap_err();
/// assert_eq!(error.line, 2);
/// assert!(error.to_string().contains("`lower` must be below `upper`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct CsvError {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

impl CsvError {
    fn new(line: usize, message: impl Into<String>) -> Self {
        CsvError { line, message: message.into() }
    }
}

/// Where the header puts each column.
struct Columns {
    count: usize,
    lower: usize,
    upper: usize,
    size: usize,
    align: Option<usize>,
}

impl Columns {
    fn read(line: usize, header: &str) -> Result<Columns, CsvError> {
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        const KNOWN: [&str; 6] = ["id", "lower", "upper", "size", "alignment", "offset"];
        if let Some(name) = names.iter().find(|n| !KNOWN.contains(n)) {
            let message = format!("unknown column `{name}`; known are {}", KNOWN.join(", "));
            return Err(CsvError::new(line, message));
        }
        let find = |name: &str| names.iter().position(|n| *n == name);
        let need = |name: &str| {
            find(name).ok_or_else(|| {
                let message =
                    format!("no column `{name}`; the header must name id, lower, upper and size");
                CsvError::new(line, message)
            })
        };
        need("id")?;
        Ok(Columns {
            count: names.len(),
            lower: need("lower")?,
            upper: need("upper")?,
            size: need("size")?,
            align: find("alignment"),
        })
    }

    fn buffer(&self, line: usize, row: &str) -> Result<Buffer, CsvError> {
        let fields: Vec<&str> = row.split(',').map(str::trim).collect();
        if fields.len() != self.count {
            let message = format!("{} fields, but the header has {}", fields.len(), self.count);
            return Err(CsvError::new(line, message));
        }
        let number = |column: usize| {
            fields[column].parse::<u32>().map_err(|_| {
                let message =
                    format!("`{}` is not a whole number below 4294967296", fields[column]);
                CsvError::new(line, message)
            })
        };
        let buffer = Buffer {
            size: number(self.size)?,
            align: self.align.map_or(Ok(1), number)?,
            lower: number(self.lower)?,
            upper: number(self.upper)?,
        };
        if buffer.lower >= buffer.upper {
            return Err(CsvError::new(line, "`lower` must be below `upper` (half-open lifetime)"));
        }
        if !buffer.align.is_power_of_two() {
            return Err(CsvError::new(line, "`alignment` must be a power of two"));
        }
        Ok(buffer)
    }
}
