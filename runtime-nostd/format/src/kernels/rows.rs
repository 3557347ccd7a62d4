//! Parameters of chains that run row by row.

use serde::{Serialize, Serializer};

use super::Params;
use super::check::{product, scratch, write};
use super::decode::Decode;
use crate::program::take_step;
use crate::rows::{MAX_STAGES, STAGE_BYTES, Stage};
use crate::{Access, Fields, KernelId, ParamError, Place};

/// Bytes of scratch for each stage of a chain: a [`State`](crate::rows::State).
pub const STATE_BYTES: u32 = size_of::<crate::rows::State>() as u32;

/// Runs the steps that follow row by row, one for each stage (but for the first, if the caller
/// [feeds](Feed) it), as [`Schedule`](crate::rows::Schedule) says, and then goes on behind them.
///
/// A step is a kernel with parameters for its whole value, of which `stages` says how many rows there
/// are. Its result's place is that of a window if the stage's capacity is less than its rows: the window
/// holds adjacent rows. An operand that another stage makes has that stage's place.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rows<P> {
    /// The values, in the order of their steps.
    pub stages: heapless::Vec<Stage, MAX_STAGES>,
    /// Scratch: [`STATE_BYTES`] for each stage.
    pub state: P,
    /// Scratch of a `pool_i8` that gathers its sums from row to row.
    pub sums: Option<Sums<P>>,
    /// Whether the first stage is an input that the caller gives row by row.
    pub feed: Option<Feed<P>>,
}

/// Sums that are kept from row to row. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sums<P> {
    /// Where they lie.
    pub place: P,
    /// Number of `i32`.
    pub count: u32,
}

/// An input that the caller gives row by row. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Feed<P> {
    /// Its window.
    pub place: P,
    /// Bytes of a row.
    pub row_bytes: u32,
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.to_bytes().serialize(s)
    }
}

impl Decode for Stage {
    fn empty() -> Stage {
        Stage::from_bytes([0; STAGE_BYTES])
    }

    fn decode(&mut self, fields: &mut Fields<'_>) {
        *self = Stage::from_bytes(fields.take());
    }
}

#[doc(hidden)]
impl<P> Rows<P> {
    /// Number of steps that belong to the chain, behind this one.
    pub fn steps(&self) -> usize {
        self.stages.len().saturating_sub(usize::from(self.feed.is_some()))
    }

    /// The stage of a step, counted from the first one behind this.
    pub fn stage_of(&self, step: usize) -> Option<&Stage> {
        self.stages.get(step.saturating_add(usize::from(self.feed.is_some())))
    }
}

impl<P: Copy> Params<P> for Rows<P> {
    type With<Q: Copy> = Rows<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Rows<Q> {
        Rows {
            stages: self.stages.clone(),
            state: f(self.state),
            sums: self.sums.map(|sums| Sums { place: f(sums.place), count: sums.count }),
            feed: self.feed.map(|feed| Feed { place: f(feed.place), row_bytes: feed.row_bytes }),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let fed = self.stages.first().filter(|_| self.feed.is_some());
        report(self.stages.len(), self.state, self.sums, self.feed.zip(fed.copied()), visit)
    }
}

/// The memory of a chain that is not its steps'.
fn report<P: Copy>(
    stages: usize,
    state: P,
    sums: Option<Sums<P>>,
    feed: Option<(Feed<P>, Stage)>,
    visit: &mut dyn FnMut(Access<P>),
) -> Result<(), ParamError> {
    scratch(state, 4).of(&[stages as u32, STATE_BYTES], visit)?;
    if let Some(sums) = sums {
        scratch(sums.place, 4).of(&[sums.count, 4], visit)?;
    }
    if let Some((feed, stage)) = feed {
        product(&[stage.rows.into(), feed.row_bytes])?;
        write(feed.place, 1).of(&[stage.capacity.into(), feed.row_bytes], visit)?;
    }
    Ok(())
}

/// A chain in the artifact: [`Rows`] and its steps, read where they lie.
///
/// The body of a `rows` step is the parameters and then the steps of the chain, encoded as those of a
/// program.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// The stages.
    pub table: &'a [[u8; STAGE_BYTES]],
    /// As in [`Rows`].
    pub state: Place,
    /// As in [`Rows`].
    pub sums: Option<Sums<Place>>,
    /// As in [`Rows`].
    pub feed: Option<Feed<Place>>,
    /// The steps.
    pub steps: &'a [u8],
}

#[doc(hidden)]
impl<'a> Chain<'a> {
    /// Reads the body of a `rows` step.
    pub fn parse(body: &'a [u8]) -> Option<Chain<'a>> {
        let mut fields = Fields::new(body);
        let count: u32 = fields.take();
        let table = fields.bytes((count as usize).checked_mul(STAGE_BYTES)?);
        let (table, _) = table.as_chunks();
        let state = fields.take();
        let (mut sums, mut feed) = (Option::<Sums<Place>>::empty(), Option::<Feed<Place>>::empty());
        sums.decode(&mut fields);
        feed.decode(&mut fields);
        fields.good().then_some(Chain { table, state, sums, feed, steps: fields.rest() })
    }

    /// Rows of the fed input.
    pub fn fed_rows(&self) -> u32 {
        let first = self.table.first().filter(|_| self.feed.is_some());
        first.map_or(0, |&bytes| Stage::from_bytes(bytes).rows.into())
    }

    /// Bytes of the body before the steps.
    #[cfg(feature = "std")]
    pub(crate) fn params(body: &'a [u8]) -> Option<(&'a [u8], Chain<'a>)> {
        let chain = Chain::parse(body)?;
        Some((body.get(..body.len() - chain.steps.len())?, chain))
    }

    /// The step that starts `at` so many bytes behind the first, and where the next one does.
    pub fn step(&self, at: usize) -> Option<(KernelId, &'a [u8], usize)> {
        let bytes = self.steps.get(at..)?;
        let (kernel, body, rest) = take_step(bytes).ok()?;
        Some((kernel, body, at + (bytes.len() - rest.len())))
    }

    /// See [`Params::accesses`].
    ///
    /// # Errors
    /// A size overflows.
    pub fn accesses(&self, visit: &mut dyn FnMut(Access<Place>)) -> Result<(), ParamError> {
        let fed = self.table.first().map(|&bytes| Stage::from_bytes(bytes));
        report(self.table.len(), self.state, self.sums, self.feed.zip(fed), visit)
    }
}
