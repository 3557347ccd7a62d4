//! Planner tests: every plan goes through the independent checker, small optima are compared
//! with exhaustive enumeration, and instances of the MiniMalloc suite are read when present.

use proptest::prelude::*;

use super::*;

fn buffer(size: u32, lower: u32, upper: u32) -> Buffer {
    Buffer { size, align: 1, lower, upper }
}

fn of(buffers: &[Buffer]) -> Problem {
    Problem { buffers: buffers.to_vec(), ..Problem::default() }
}

fn problem(buffers: &[(u32, u32, u32)]) -> Problem {
    Problem {
        buffers: buffers.iter().map(|&(s, l, u)| buffer(s, l, u)).collect(),
        ..Problem::default()
    }
}

/// Plans, checks, and returns the plan.
fn checked(problem: &Problem) -> Plan {
    let plan = plan(problem).expect("well-formed problem");
    assert_eq!(check(problem, &plan.offsets, plan.arena_bytes), Ok(()));
    assert_eq!(u64::from(plan.lower_bound), problem.lower_bound().bytes);
    assert!(plan.arena_bytes >= plan.lower_bound);
    plan
}

/// The optimum by brute force: every order, each buffer on top of what it conflicts with.
fn optimum(problem: &Problem) -> u64 {
    fn go(p: &Problem, placed: &mut Vec<(usize, u64)>, best: &mut u64) {
        let end = |&(i, o): &(usize, u64)| o + u64::from(p.buffers[i].size);
        if placed.len() == p.buffers.len() {
            *best = (*best).min(placed.iter().map(end).max().unwrap_or(0));
            return;
        }
        for i in 0..p.buffers.len() {
            if placed.iter().any(|(j, _)| *j == i) {
                continue;
            }
            let b = &p.buffers[i];
            let below = placed.iter().filter(|(j, _)| p.buffers[*j].conflicts(b)).map(end).max();
            placed.push((i, below.unwrap_or(0).next_multiple_of(u64::from(b.align))));
            go(p, placed, best);
            placed.pop();
        }
    }
    let mut best = u64::MAX;
    go(problem, &mut Vec::new(), &mut best);
    best
}

#[test]
fn empty_and_single() {
    let plan = checked(&Problem::default());
    assert_eq!((plan.arena_bytes, plan.proven_optimal), (0, true));
    let plan = checked(&problem(&[(7, 3, 4)]));
    assert_eq!((plan.arena_bytes, plan.offsets, plan.proven_optimal), (7, vec![0], true));
}

#[test]
fn half_open_lifetimes_may_share_storage() {
    let plan = checked(&problem(&[(64, 0, 2), (64, 2, 4), (64, 4, 5)]));
    assert_eq!(plan.arena_bytes, 64);
    assert_eq!(
        problem(&[(64, 0, 2), (32, 1, 4), (65, 4, 5)]).lower_bound(),
        LiveSet { bytes: 96, step: 1 }
    );
}

#[test]
fn chain_meets_the_largest_live_set() {
    // Activations of a chain: each is alive from its definition to the next step.
    let sizes = [784, 6272, 1568, 3136, 784, 10];
    let chain: Vec<_> = (0u32..).zip(sizes).map(|(i, s)| (s, i, i + 2)).collect();
    let plan = checked(&problem(&chain));
    assert_eq!((plan.arena_bytes, plan.proven_optimal), (6272 + 1568, true));
}

#[test]
fn equal_sizes_are_no_trap() {
    // Ties decide here: size order with reversed ties strands the last buffer above the others.
    let plan = checked(&problem(&[(4, 0, 2), (4, 1, 4), (4, 3, 6), (4, 5, 8), (8, 6, 8)]));
    assert_eq!(plan.arena_bytes, plan.lower_bound);
}

#[test]
fn fragmentation_above_the_lower_bound_is_proved() {
    // The largest live set is not reachable in this instance; the proof is exhaustive.
    let gap = problem(&[(2, 0, 3), (1, 2, 5), (2, 4, 7), (1, 6, 9), (2, 8, 9), (1, 0, 2)]);
    let plan = checked(&gap);
    assert_eq!(u64::from(plan.arena_bytes), optimum(&gap));
    assert!(plan.proven_optimal);
}

#[test]
fn zero_sizes_take_part_without_storage() {
    let mut p = problem(&[(0, 0, 9), (16, 0, 9), (0, 2, 3), (16, 3, 4)]);
    p.buffers[2].align = 64;
    let plan = checked(&p);
    assert_eq!(plan.arena_bytes, 32);
}

#[test]
fn alignment_is_respected_and_its_cost_proved() {
    let align = |size, align| Buffer { size, align, lower: 0, upper: 1 };
    let p = of(&[align(3, 1), align(8, 8), align(4, 4), align(1, 1)]);
    let plan = checked(&p);
    assert_eq!((plan.arena_bytes, plan.proven_optimal), (16, true));
    let p = of(&[align(3, 4), align(3, 4)]);
    let plan = checked(&p);
    assert_eq!((plan.arena_bytes, plan.lower_bound, plan.proven_optimal), (7, 6, true));
}

/// Known without a search: whole blocks are needed, but for the last one, whatever fills the gaps.
#[test]
fn blocks_of_aligned_buffers_bound_the_arena() {
    let align = |size, align| Buffer { size, align, lower: 0, upper: 1 };
    let none = Options { search_steps: 0, deadline: None };
    let solved = |buffers: &[Buffer]| plan_with(&of(buffers), &none).unwrap();
    let plan = solved(&[align(105, 16), align(35, 16), align(45, 16), align(4, 4)]);
    assert_eq!((plan.lower_bound, plan.proven_bound), (189, 112 + 48 + 48 - 13));
    assert!(plan.proven_optimal);
    // Bytes beyond the gaps count.
    let plan = solved(&[align(15, 16), align(15, 16), align(9, 1)]);
    assert_eq!((plan.proven_bound, plan.proven_optimal), (39, false));
    // What is not alive together needs no blocks of its own, nor does what a result lies over.
    let apart = Buffer { lower: 1, upper: 2, ..align(105, 16) };
    assert_eq!(solved(&[align(105, 16), apart]).proven_bound, 105);
    let input = Buffer { upper: 2, ..align(105, 16) };
    let overlaps = vec![Overlap { input: 0, output: 1, distance: Distance::AtLeast(0) }];
    let problem = Problem { buffers: vec![input, apart], overlaps };
    assert_eq!(plan_with(&problem, &none).unwrap().proven_bound, 105);
}

#[test]
fn independent_parts_take_the_tallest() {
    let plan = checked(&problem(&[(10, 0, 1), (30, 5, 7), (5, 6, 8), (20, 9, 10)]));
    assert_eq!((plan.arena_bytes, plan.proven_optimal), (35, true));
}

#[test]
fn malformed_problems_are_errors() {
    assert_eq!(plan(&problem(&[(1, 0, 1), (4, 3, 3)])), Err(PlanError::Lifetime(1)));
    let mut p = problem(&[(1, 0, 1)]);
    p.buffers[0].align = 12;
    assert_eq!(plan(&p), Err(PlanError::Align(0)));
    p.buffers[0].align = 0;
    assert_eq!(plan(&p), Err(PlanError::Align(0)));
    let huge = problem(&[(u32::MAX, 0, 2), (1, 1, 2)]);
    assert_eq!(plan(&huge), Err(PlanError::TooLarge(1 << 32)));
    let aligned = |size, align| Buffer { size, align, lower: 0, upper: 1 };
    let p = of(&[aligned(1 << 31, 1 << 31), aligned((1 << 31) - 1, 1), aligned(0, 1)]);
    assert_eq!(checked(&p).arena_bytes, u32::MAX);
}

#[test]
fn the_checker_rejects_bad_plans() {
    let p = of(&[
        Buffer { size: 8, align: 4, lower: 0, upper: 2 },
        Buffer { size: 8, align: 4, lower: 1, upper: 3 },
    ]);
    assert_eq!(check(&p, &[0, 8], 16), Ok(()));
    assert_eq!(check(&p, &[0, 8], 15), Err(Violation::Bounds(1)));
    assert_eq!(check(&p, &[2, 12], 20), Err(Violation::Align(0)));
    assert_eq!(check(&p, &[0, 4], 16), Err(Violation::Overlap(0, 1)));
    assert_eq!(check(&p, &[0], 16), Err(Violation::Count { offsets: 1, buffers: 2 }));
    assert_eq!(check(&p, &[u32::MAX - 3, 0], u32::MAX), Err(Violation::Bounds(0)));
}

#[test]
fn csv_round_trip_and_errors() {
    let text = "id,lower,upper,size\nb1,0,3,4\n\nb2, 3 ,9,5\n";
    let p = Problem::from_csv(text).unwrap();
    assert_eq!(p, problem(&[(4, 0, 3), (5, 3, 9)]));
    assert_eq!(p.to_csv(None), "id,lower,upper,size\n0,0,3,4\n1,3,9,5\n");
    assert_eq!(p.to_csv(Some(&[0, 7])), "id,lower,upper,size,offset\n0,0,3,4,0\n1,3,9,5,7\n");
    let mut aligned = p.clone();
    aligned.buffers[1].align = 16;
    assert_eq!(Problem::from_csv(&aligned.to_csv(Some(&[0, 0]))), Ok(aligned));
    for (bad, line) in [
        ("", 1),
        ("id,lower,upper", 1),
        ("id,lower,upper,size,colour\n", 1),
        ("id,lower,upper,size\n0,1,2", 2),
        ("id,lower,upper,size\n0,0,1,4\n1,0,1,4294967296", 3),
        ("id,lower,upper,size\n0,0,1,-4", 2),
        ("id,lower,upper,size\n0,5,5,4", 2),
        ("id,lower,upper,size,alignment\n0,5,6,4,3", 2),
    ] {
        assert_eq!(Problem::from_csv(bad).unwrap_err().line, line, "{bad}");
    }
}

/// The instances of the MiniMalloc suite, which are reference data beside the checkout.
fn instances() -> Vec<(String, Problem)> {
    let shared = std::env::var("MICROHLO_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").to_owned());
    let Ok(entries) = std::fs::read_dir(format!("{shared}/allocation")) else {
        eprintln!("no instances in {shared}: nothing is solved");
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "csv"));
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let p = Problem::from_csv(&std::fs::read_to_string(path).unwrap()).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), p)
    };
    paths.iter().map(read).collect()
}

/// Steps that stand for seconds: the instances take all searches together a fraction of one.
const AMPLE: Options = Options { search_steps: 20_000_000_000, deadline: None };

#[test]
fn hard_instances_fit_their_capacity() {
    for (name, p) in instances() {
        let fitted = fit(&p, 1 << 20, &AMPLE).unwrap();
        let Fit::Fits(plan) = fitted else { panic!("{name}: {fitted:?}") };
        assert!(plan.arena_bytes <= 1 << 20, "{name}");
        assert_eq!(check(&p, &plan.offsets, plan.arena_bytes), Ok(()), "{name}");
        assert_eq!(Problem::from_csv(&p.to_csv(None)), Ok(p), "{name}");
    }
}

/// Nobody has published less than 1,039,360 for the second and the third of these; the first is
/// optimal. A minute finds 1,009,664 for the second.
#[test]
fn hard_instances_are_lowered() {
    let reached = [("C.", 1_039_360), ("D.", 1_029_120), ("J.", 1_029_120)];
    for (name, p) in instances() {
        let Some((_, most)) = reached.iter().find(|r| name.starts_with(r.0)) else { continue };
        let fitted = fit(&p, *most, &AMPLE).unwrap();
        let Fit::Fits(plan) = fitted else { panic!("{name}: {fitted:?}") };
        assert_eq!(check(&p, &plan.offsets, *most), Ok(()), "{name}");
        assert_eq!(name.starts_with("C."), plan.arena_bytes == plan.lower_bound, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_proved() {
    let p = problem(&[(2, 0, 3), (1, 2, 5), (2, 4, 7), (1, 6, 9), (2, 8, 9), (1, 0, 2)]);
    let least = u32::try_from(optimum(&p)).unwrap();
    assert!(matches!(fit(&p, least, &AMPLE), Ok(Fit::Fits(_))));
    assert_eq!(fit(&p, least - 1, &AMPLE), Ok(Fit::Impossible(least.into())));
    assert_eq!(fit(&p, 1, &AMPLE), Ok(Fit::Impossible(3)));
}

fn buffers(count: std::ops::Range<usize>, size: u32, steps: u32) -> impl Strategy<Value = Problem> {
    let one = (0..size, 0u32..4, 0..steps, 1..=steps)
        .prop_map(|(size, align, lower, length)| (size, 1 << align, lower, lower + length))
        .prop_map(|(size, align, lower, upper)| Buffer { size, align, lower, upper });
    proptest::collection::vec(one, count).prop_map(|buffers| of(&buffers))
}

proptest! {
    #[test]
    fn random_plans_pass_the_checker(p in buffers(0..80, 5000, 60)) {
        let options = Options { search_steps: 100_000, deadline: None };
        let plan = plan_with(&p, &options).unwrap();
        prop_assert_eq!(check(&p, &plan.offsets, plan.arena_bytes), Ok(()));
        prop_assert_eq!(plan_with(&p, &options).unwrap(), plan);
    }

    #[test]
    fn small_plans_are_optimal(p in buffers(0..7, 12, 6)) {
        let plan = plan(&p).unwrap();
        prop_assert_eq!(check(&p, &plan.offsets, plan.arena_bytes), Ok(()));
        prop_assert!(plan.proven_optimal);
        prop_assert_eq!(u64::from(plan.arena_bytes), optimum(&p));
        prop_assert_eq!(plan.proven_bound, plan.arena_bytes);
    }

    /// Heuristics find most small optima; these are searched for alone.
    #[test]
    fn the_search_agrees_with_enumeration(p in buffers(1..8, 12, 6), below in 0u64..3) {
        let least = optimum(&p);
        let capacity = (least + 1).saturating_sub(below);
        let mut effort = exact::Effort { steps: 1 << 40, stop: &mut || false };
        let shapes = shapes::Shapes::new(&p, &[]);
        match exact::search(&shapes, capacity, 1 << 40, &mut effort) {
            exact::Outcome::Fits(offsets) => {
                let offsets: Vec<u32> = offsets.iter().map(|&o| o as u32).collect();
                prop_assert_eq!(check(&p, &offsets, capacity as u32), Ok(()));
                prop_assert!(capacity >= least);
            }
            exact::Outcome::Infeasible => prop_assert!(capacity < least),
            exact::Outcome::Undecided => prop_assert!(false, "undecided"),
        }
    }
}
