//! Building the image of jobs for the model partition.

use crate::pieces::Piece;
use microhlo_protocol::VERSION;
use microhlo_protocol::image::{ALIGNMENT, FLAG_PROFILE, HEADER, INPUT_RECORD, JOB_RECORD, MAGIC};

/// Bytes a piece adds to an image.
pub fn size_of(piece: &Piece<'_>) -> u64 {
    let cases: u64 = piece.cases.iter().map(|case| size_of_case(case)).sum();
    (JOB_RECORD + aligned(piece.artifact.len()) + aligned(piece.debug.len())) as u64 + cases
}

/// Bytes a case adds to an image.
pub fn size_of_case(case: &[Vec<u8>]) -> u64 {
    case.iter().map(|input| (INPUT_RECORD + aligned(input.len())) as u64).sum()
}

/// Bytes an image has apart from its jobs.
pub const FIXED_SIZE: u64 = (HEADER + ALIGNMENT) as u64;

/// Builds the image with a job per piece.
///
/// Every case of a piece has as many inputs as its first; the caller sees to
/// it. The image is smaller than 4 GiB, as partitions are.
pub fn build(pieces: &[Piece<'_>]) -> Vec<u8> {
    let job_count = pieces.len();
    let input_count = pieces.iter().flat_map(|piece| piece.cases).flatten().count();
    let tables = HEADER + job_count * JOB_RECORD + input_count * INPUT_RECORD;
    let mut builder = Builder { records: Vec::new(), blobs: Vec::new(), base: aligned(tables) };
    let mut inputs = Vec::new();
    for job in pieces {
        let first_input = inputs.len() / 2;
        let artifact = builder.blob(job.artifact);
        let debug = builder.blob(job.debug);
        let per_case = job.cases.first().map_or(0, Vec::len);
        builder.records.extend([
            artifact,
            job.artifact.len(),
            job.cases.len(),
            per_case,
            first_input,
            if job.profile { FLAG_PROFILE as usize } else { 0 },
            debug,
            job.debug.len(),
        ]);
        for input in job.cases.iter().flatten() {
            inputs.extend([builder.blob(input), input.len()]);
        }
    }
    let length = builder.base + builder.blobs.len();
    let header = [VERSION as usize, length, job_count, input_count];
    let mut image = MAGIC.to_vec();
    for word in header.iter().chain(&builder.records).chain(&inputs) {
        // The partition, and with it every offset, is far below 4 GiB.
        image.extend((*word as u32).to_le_bytes());
    }
    image.resize(builder.base, 0);
    image.extend(builder.blobs);
    image
}

struct Builder {
    records: Vec<usize>,
    blobs: Vec<u8>,
    base: usize,
}

impl Builder {
    /// Appends bytes and returns their offset in the image.
    fn blob(&mut self, bytes: &[u8]) -> usize {
        let offset = self.base + self.blobs.len();
        self.blobs.extend_from_slice(bytes);
        self.blobs.resize(aligned(self.blobs.len()), 0);
        offset
    }
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Job;
    use microhlo_protocol::image::{Image, ImageError};

    fn jobs() -> Vec<Job> {
        let case = |n: u8| vec![vec![n; 3], vec![n + 1; 20]];
        vec![
            Job { artifact: vec![1; 17], cases: vec![case(10), case(20)], profile: true },
            Job { artifact: vec![2; 5], cases: vec![], profile: false },
            Job { artifact: vec![3; 16], cases: vec![vec![vec![7; 4]]], profile: false },
        ]
    }

    const DEBUG: &[u8] = &[5; 18];

    fn built(jobs: &[Job]) -> Vec<u8> {
        build(&pieces(jobs))
    }

    fn pieces(jobs: &[Job]) -> Vec<Piece<'_>> {
        jobs.iter().flat_map(|job| crate::pieces::cut(0, job, DEBUG, 1 << 20).unwrap()).collect()
    }

    #[test]
    fn the_firmware_reads_what_the_host_builds() {
        let jobs = jobs();
        let bytes = built(&jobs);
        let image = Image::parse(&bytes).unwrap();
        assert_eq!(image.jobs() as usize, jobs.len());
        for (index, job) in jobs.iter().enumerate() {
            let read = image.job(index as u32).unwrap();
            assert_eq!(read.artifact, job.artifact);
            assert_eq!(read.profile, job.profile);
            assert_eq!(read.debug, DEBUG);
            assert_eq!(read.cases as usize, job.cases.len());
            for (case, inputs) in job.cases.iter().enumerate() {
                for (input, bytes) in inputs.iter().enumerate() {
                    let read = read.input(case as u32, input as u32).unwrap();
                    assert_eq!(read, bytes);
                }
            }
            assert_eq!(read.input(read.cases, 0).unwrap_err(), ImageError::OutOfBounds);
        }
    }

    #[test]
    fn every_artifact_and_input_is_aligned() {
        let bytes = built(&jobs());
        let image = Image::parse(&bytes).unwrap();
        let offset = |part: &[u8]| part.as_ptr() as usize - bytes.as_ptr() as usize;
        for index in 0..image.jobs() {
            let job = image.job(index).unwrap();
            assert_eq!(offset(job.artifact) % ALIGNMENT, 0);
            for (case, input) in (0..job.cases).flat_map(|c| (0..job.inputs).map(move |i| (c, i))) {
                assert_eq!(offset(job.input(case, input).unwrap()) % ALIGNMENT, 0);
            }
        }
    }

    #[test]
    fn the_size_is_known_beforehand() {
        let jobs = jobs();
        let sum = FIXED_SIZE + pieces(&jobs).iter().map(size_of).sum::<u64>();
        let length = built(&jobs).len() as u64;
        assert!(length <= sum && sum - length < 2 * ALIGNMENT as u64, "{length} {sum}");
    }

    #[test]
    fn a_truncated_image_is_an_error() {
        let bytes = built(&jobs());
        for end in 0..bytes.len() {
            assert!(Image::parse(&bytes[..end]).is_err());
        }
    }
}
