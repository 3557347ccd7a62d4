//! Sums of two `i8` tensors over many sizes and constants: boards give the same bytes as the host.

#[allow(dead_code, reason = "other tests use the rest")]
mod i8_shapes;

use i8_shapes::Random;
use microhlo_compiler::cmd::exec::Executor;
use microhlo_format::kernels::SumI8;
use microhlo_format::{ArtifactSpec, DType, Kernel, Place, TensorSpec, encode};
use microhlo_qemu::Job;
use microhlo_tests::{on_board, options, outputs};

/// A sum of any size; some are computed in place of the first operand.
fn sum(random: &mut Random) -> SumI8<Place> {
    let count = random.range(1, 70);
    let shift = random.range(0, 20) as u8;
    let most = (1u32 << shift).max(2);
    let mut multiplier = || random.range(0, 2 * most - 1) as i32 - most as i32 / 2;
    let (lhs_multiplier, rhs_multiplier) = (multiplier(), multiplier());
    let [min, max] = if random.range(0, 1) == 0 { [-128, 127] } else { [-40, 70] };
    let (lhs, rhs) = (Place::arena(0), Place::arena(128));
    SumI8 {
        lhs,
        rhs,
        output: if random.range(0, 2) == 0 { lhs } else { Place::arena(256) },
        count,
        lhs_multiplier,
        rhs_multiplier,
        offset: random.range(0, 40 << shift) as i32 - (20 << shift),
        shift,
        min,
        max,
    }
}

fn job(random: &mut Random) -> Job {
    let sum = sum(random);
    let tensor = |name: &str, place| TensorSpec {
        name: name.into(),
        dtype: DType::U8,
        dims: std::iter::once(sum.count).collect(),
        place,
    };
    let spec = ArtifactSpec {
        name: "sum".into(),
        compiler: "test".into(),
        inputs: vec![tensor("x", sum.lhs), tensor("y", sum.rhs)],
        outputs: vec![tensor("z", sum.output)],
        steps: vec![Kernel::sum_i8(sum)],
        arena_bytes: 384,
        ..ArtifactSpec::default()
    };
    let artifact = encode(&spec).expect("the step is encodable");
    let inputs = vec![random.bytes(sum.count), random.bytes(sum.count)];
    Job { artifact, cases: vec![inputs], profile: false }
}

#[test]
fn boards_give_the_same_sums() {
    let mut random = Random(5);
    let jobs: Vec<Job> = (0..200).map(|_| job(&mut random)).collect();
    let run = |name: &str| {
        let executor = Executor::find(name).expect("the board exists");
        executor.run(&jobs, &options()).expect("the board runs")
    };
    let here: Vec<_> = run("host").into_iter().map(|outcome| outputs("host", outcome)).collect();
    for board in ["mps2-an386", "virt-rv32"] {
        let pairs = here.iter().enumerate().zip(run(board)).collect();
        for ((i, here), there) in on_board(board, pairs) {
            assert_eq!(&outputs(board, there), here, "job {i} on {board}");
        }
    }
}
