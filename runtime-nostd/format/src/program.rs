//! The program: steps one after another, each a kernel id, the length of its parameters, and the
//! postcard-encoded parameters. Control flow names a step by its number and its byte offset.

use serde::{Serialize, Serializer};

use crate::{ArtifactError, Fields, KernelId};

/// One step of a program, its parameters still encoded. See the example of [`Artifact`](crate::Artifact).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// The kernel.
    pub kernel: KernelId,
    /// The postcard encoding of its parameters.
    pub body: &'a [u8],
    /// Where the step starts in the program section, in bytes.
    pub offset: usize,
}

/// The checked program section: every step header is known to decode.
/// See the example of [`Artifact`](crate::Artifact).
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    bytes: &'a [u8],
    steps: u32,
}

/// A position in a program. See the example of [`Artifact`](crate::Artifact).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    offset: usize,
    index: u32,
}

impl Cursor {
    /// Number of the step at the cursor. See the example of [`Artifact`](crate::Artifact).
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The cursor at a target, which must be one that the program [has](Program::has).
    ///
    /// ```
    /// use microhlo_format::{Cursor, Target};
    ///
    /// // As a branch goes on: the encoder has filled in where the step lies.
    /// let target = Target { step: 3, offset: 120 };
    /// assert_eq!(Cursor::at(target).index(), 3);
    /// ```
    pub const fn at(target: Target) -> Cursor {
        Cursor { offset: target.offset as usize, index: target.step }
    }
}

/// A step that control flow continues with.
///
/// It is encoded as two little-endian words of four bytes each, so that the length of a step does
/// not depend on where its targets lie. See the example of [`Cursor::at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Number of the step; the number of steps for the program's end.
    pub step: u32,
    /// Where the step starts in the program section, in bytes. The encoder fills it in.
    pub offset: u32,
}

impl Target {
    /// A target for the encoder, which fills in the offset. See the example of [`Kernel`](crate::Kernel).
    pub const fn step(step: u32) -> Target {
        Target { step, offset: 0 }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        (self.step.to_le_bytes(), self.offset.to_le_bytes()).serialize(s)
    }
}

pub(crate) enum StepFault {
    Encoding,
    Kernel(u16),
}

/// Decodes the step at the start of `bytes`, and what follows it.
pub(crate) fn take_step(bytes: &[u8]) -> Result<(KernelId, &[u8], &[u8]), StepFault> {
    let mut fields = Fields::new(bytes);
    let (code, len): (u16, u32) = (fields.take(), fields.take());
    let body = fields.bytes(len as usize);
    if !fields.good() {
        return Err(StepFault::Encoding);
    }
    let kernel = KernelId::from_code(code).ok_or(StepFault::Kernel(code))?;
    Ok((kernel, body, fields.rest()))
}

impl<'a> Program<'a> {
    /// Checks the headers of all steps of the section, which starts at `base` in the file.
    pub(crate) fn parse(
        bytes: &'a [u8],
        base: usize,
        steps: u32,
    ) -> Result<Program<'a>, ArtifactError> {
        let mut rest = bytes;
        let mut step = 0;
        while !rest.is_empty() {
            let offset = base + (bytes.len() - rest.len());
            if step == steps {
                return Err(ArtifactError::StepCount { stated: steps, offset });
            }
            match take_step(rest) {
                Ok((_, _, after)) => rest = after,
                Err(StepFault::Encoding) => return Err(ArtifactError::BadStep { step, offset }),
                Err(StepFault::Kernel(code)) => {
                    return Err(ArtifactError::UnknownKernel { step, code });
                }
            }
            step += 1;
        }
        if step != steps {
            return Err(ArtifactError::StepCount { stated: steps, offset: base + bytes.len() });
        }
        Ok(Program { bytes, steps })
    }

    /// Number of steps. See the example of [`Artifact`](crate::Artifact).
    pub const fn len(&self) -> u32 {
        self.steps
    }

    /// Whether there are no steps. See the example of [`Artifact`](crate::Artifact).
    pub const fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// The step at the cursor, which moves to the next one; `None` at the end.
    /// See the example of [`Artifact`](crate::Artifact).
    pub fn next(&self, cursor: &mut Cursor) -> Option<Step<'a>> {
        let bytes = self.bytes.get(cursor.offset..)?;
        let (kernel, body, rest) = take_step(bytes).ok()?;
        let step = Step { kernel, body, offset: cursor.offset };
        cursor.offset += bytes.len() - rest.len();
        cursor.index += 1;
        Some(step)
    }

    /// Whether `target` is a step of the program other than the first, or its end. `at` is a
    /// position in the program to start looking from.
    ///
    /// The first step is no target, so that a run has begun once its cursor has moved.
    /// See the example of [`Artifact`](crate::Artifact).
    pub fn has(&self, target: Target, at: Cursor) -> bool {
        // Only positions reached from the start are known to be steps.
        let mut cursor = if target.step < at.index { Cursor::default() } else { at };
        while cursor.index < target.step {
            if self.next(&mut cursor).is_none() {
                return false;
            }
        }
        target.step != 0 && cursor == Cursor::at(target)
    }

    /// All steps in order. See the example of [`Artifact`](crate::Artifact).
    pub fn iter(&self) -> impl Iterator<Item = Step<'a>> + use<'a> {
        let program = *self;
        let mut cursor = Cursor::default();
        core::iter::from_fn(move || program.next(&mut cursor))
    }
}
