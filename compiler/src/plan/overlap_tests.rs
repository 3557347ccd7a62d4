//! Tests of buffers that share bytes: plans and proofs are compared with enumeration.

use proptest::prelude::*;

use super::*;

/// Buffers of size, first step and end, and overlaps of input, output and distance.
fn problem(buffers: &[(u32, u32, u32)], overlaps: &[(usize, usize, Distance)]) -> Problem {
    let buffer = |&(size, lower, upper)| Buffer { size, align: 1, lower, upper };
    let overlap = |&(input, output, distance)| Overlap { input, output, distance };
    Problem {
        buffers: buffers.iter().map(buffer).collect(),
        overlaps: overlaps.iter().map(overlap).collect(),
    }
}

fn checked(problem: &Problem) -> Plan {
    let plan = plan(problem).expect("well-formed problem");
    assert_eq!(check(problem, &plan.offsets, plan.arena_bytes), Ok(()));
    assert!(plan.arena_bytes >= plan.lower_bound);
    assert!(plan.proven_optimal);
    plan
}

use Distance::{AtLeast, Zero};

#[test]
fn a_chain_of_results_over_their_operands_needs_their_union() {
    // Three convolutions that keep a row back, beside a value that stays.
    let chain = [(0, 1, AtLeast(544)), (1, 2, AtLeast(544))].map(|(i, o, d)| (i + 1, o + 1, d));
    let p = problem(&[(100, 0, 9), (16384, 0, 2), (16384, 1, 3), (64, 2, 4)], &chain);
    assert_eq!(p.lower_bound(), LiveSet { bytes: 100 + 16384 + 544, step: 1 });
    let plan = checked(&p);
    assert_eq!(plan.arena_bytes, 100 + 16384 + 544);
    let without = Problem { overlaps: Vec::new(), ..p };
    assert_eq!(checked(&without).arena_bytes, 100 + 2 * 16384);
}

#[test]
fn distance_zero_lets_sizes_differ() {
    // The second result starts where its operand does, whose successor is as large as that.
    let p = problem(&[(40, 0, 2), (10, 1, 3), (30, 2, 4)], &[(0, 1, Zero)]);
    let plan = checked(&p);
    assert_eq!((plan.arena_bytes, plan.lower_bound), (40, 40));
    // What is alive beside both lies elsewhere; what only the operand meets, elsewhere too.
    let p = problem(&[(40, 0, 2), (10, 1, 3), (30, 1, 4), (5, 0, 4)], &[(0, 1, Zero)]);
    assert_eq!(checked(&p).arena_bytes, 75);
}

#[test]
fn tying_is_no_must() {
    // In place, the second would keep the third from lying over the first.
    let p = problem(&[(18, 0, 2), (18, 1, 3), (36, 2, 4)], &[(0, 1, Zero), (1, 2, AtLeast(18))]);
    assert_eq!(checked(&p).arena_bytes, 36);
    let p = problem(
        &[(27, 0, 2), (18, 1, 3), (18, 2, 4), (36, 3, 5)],
        &[(0, 1, AtLeast(1)), (1, 2, Zero), (2, 3, AtLeast(18))],
    );
    assert_eq!(checked(&p).arena_bytes, 36);
}

#[test]
fn a_result_shares_its_bytes_once() {
    let both = [(0, 2, AtLeast(0)), (1, 2, AtLeast(0))];
    let p = problem(&[(8, 0, 2), (8, 0, 2), (8, 1, 3)], &both);
    assert_eq!(p.lower_bound().bytes, 16);
    assert_eq!(checked(&p).arena_bytes, 16);
    let p = problem(&[(8, 0, 2), (8, 0, 2), (20, 1, 3)], &both);
    assert_eq!(checked(&p).arena_bytes, 20);
}

#[test]
fn alignment_widens_a_distance() {
    let mut p = problem(&[(16, 0, 2), (16, 1, 3)], &[(0, 1, AtLeast(3))]);
    assert_eq!(checked(&p).arena_bytes, 19);
    p.buffers.iter_mut().for_each(|b| b.align = 4);
    assert_eq!((p.lower_bound().bytes, checked(&p).arena_bytes), (20, 20));
}

#[test]
fn overlaps_that_are_none_are_errors() {
    let buffers = [(4, 0, 2), (4, 1, 3), (4, 0, 3), (4, 0, 1)];
    for (bad, at) in [
        (vec![(0, 1, Zero), (0, 2, Zero)], 1),
        (vec![(1, 0, Zero)], 0),
        (vec![(0, 0, Zero)], 0),
        (vec![(0, 7, Zero)], 0),
        (vec![(0, 1, Zero), (0, 1, AtLeast(2))], 1),
    ] {
        assert_eq!(plan(&problem(&buffers, &bad)), Err(PlanError::Overlap(at)), "{bad:?}");
    }
    // All in one step, each where the one before it starts.
    let circle = problem(&[(4, 0, 1), (4, 0, 1)], &[(0, 1, Zero), (1, 0, Zero)]);
    assert_eq!(plan(&circle), Err(PlanError::Overlap(0)));
}

#[test]
fn buffers_of_one_step_may_share_bytes() {
    // Either way: as if they were alive at different times.
    let both = |i, o| [(i, o, AtLeast(0)), (o, i, AtLeast(0))];
    let p = problem(&[(8, 0, 1), (6, 0, 1), (3, 0, 1)], &[both(0, 1), both(1, 2)].concat());
    assert_eq!((checked(&p).arena_bytes, p.lower_bound().bytes), (11, 8));
    // The second over the end of the first and the third over its start, but not over each other.
    let p = problem(&[(8, 0, 1), (6, 0, 1), (6, 0, 1)], &[(1, 0, AtLeast(5)), (0, 2, AtLeast(4))]);
    assert_eq!(checked(&p).arena_bytes, 15);
    // Each over the next, but the first not over the last.
    let p = problem(&[(8, 0, 1), (8, 0, 1), (8, 0, 1)], &[(0, 1, AtLeast(2)), (1, 2, AtLeast(2))]);
    assert_eq!(checked(&p).arena_bytes, 16);
}

#[test]
fn the_checker_knows_distances() {
    let p = |distance| problem(&[(8, 0, 2), (8, 1, 3)], &[(0, 1, distance)]);
    let overlap = Err(Violation::Overlap(0, 1));
    for (distance, offsets, verdict) in [
        (AtLeast(3), [3, 0], Ok(())),
        (AtLeast(3), [2, 0], overlap),
        (AtLeast(3), [0, 3], overlap),
        (AtLeast(0), [0, 0], Ok(())),
        (AtLeast(0), [0, 1], overlap),
        (AtLeast(0), [0, 8], Ok(())),
        (Zero, [4, 4], Ok(())),
        (Zero, [4, 3], overlap),
        (Zero, [8, 0], Ok(())),
    ] {
        assert_eq!(check(&p(distance), &offsets, 16), verdict, "{distance:?} {offsets:?}");
    }
    // They share another step: no distance makes that right.
    let longer = problem(&[(8, 0, 3), (8, 1, 3)], &[(0, 1, Zero)]);
    assert_eq!(check(&longer, &[0, 0], 16), overlap);
}

/// Whether two buffers may lie at these offsets.
fn compatible(p: &Problem, [i, j]: [usize; 2], offsets: &[u32]) -> bool {
    let (a, b) = (&p.buffers[i], &p.buffers[j]);
    let apart = |i: usize, j: usize| offsets[i] + p.buffers[i].size <= offsets[j];
    let behind = |input: usize, output: usize| {
        let overlap = p.overlaps.iter().find(|o| (o.input, o.output) == (input, output));
        overlap.is_some_and(|o| match o.distance {
            Zero => offsets[input] == offsets[output],
            AtLeast(least) => offsets[input] >= offsets[output] + least,
        })
    };
    !a.conflicts(b) || apart(i, j) || apart(j, i) || behind(i, j) || behind(j, i)
}

/// Whether all buffers from the last one on fit below `capacity` beside those that have offsets.
fn fits(p: &Problem, capacity: u32, offsets: &mut Vec<u32>) -> bool {
    let next = offsets.len();
    let Some(b) = p.buffers.get(next) else { return true };
    let Some(last) = capacity.checked_sub(b.size) else { return false };
    (0..=last).step_by(b.align as usize).any(|at| {
        offsets.push(at);
        let fits_here = (0..next).all(|other| compatible(p, [other, next], offsets));
        let found = fits_here && fits(p, capacity, offsets);
        offsets.pop();
        found
    })
}

/// The least capacity, by trying all offsets.
fn optimum(p: &Problem) -> u32 {
    (0..).find(|&capacity| fits(p, capacity, &mut Vec::new())).unwrap()
}

/// Chains whose buffers are mostly born where others end, with overlaps of some of them.
fn problems(
    count: std::ops::Range<usize>,
    sizes: u32,
    steps: u32,
    zero: bool,
) -> impl Strategy<Value = Problem> {
    let one = (0..sizes, 0u32..3, 0..steps, 1..=3u32)
        .prop_map(|(size, align, lower, length)| (size, 1 << align, lower, lower + length))
        .prop_map(|(size, align, lower, upper)| Buffer { size, align, lower, upper });
    let buffers = proptest::collection::vec(one, count);
    (buffers, proptest::collection::vec((0u8..4, 0..sizes), 64)).prop_map(
        move |(buffers, kinds)| {
            let mut p = Problem { buffers, overlaps: Vec::new() };
            let all = 0..p.buffers.len();
            let pairs =
                all.clone().flat_map(|input| all.clone().map(move |output| (input, output)));
            for ((input, output), (kind, distance)) in pairs.zip(kinds.iter().cycle()) {
                let distance = match kind {
                    0 => continue,
                    1 if zero => Zero,
                    1 | 2 => AtLeast(0),
                    _ => AtLeast(*distance),
                };
                let overlap = Overlap { input, output, distance };
                p.overlaps.push(overlap);
                if solve::validate(&p).is_err() {
                    p.overlaps.pop();
                }
            }
            p
        },
    )
}

proptest! {
    // Large problems take long.
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn random_plans_pass_the_checker(p in problems(0..40, 5000, 30, true)) {
        let options = Options { search_steps: 10_000, deadline: None };
        let plan = plan_with(&p, &options).unwrap();
        prop_assert_eq!(check(&p, &plan.offsets, plan.arena_bytes), Ok(()));
        prop_assert!(plan.proven_bound <= plan.arena_bytes);
        prop_assert_eq!(plan_with(&p, &options).unwrap(), plan);
    }
}

proptest! {
    #[test]
    fn small_plans_are_optimal(p in problems(0..6, 6, 4, false)) {
        let plan = plan(&p).unwrap();
        prop_assert_eq!(check(&p, &plan.offsets, plan.arena_bytes), Ok(()));
        prop_assert_eq!(plan.arena_bytes, optimum(&p));
        prop_assert!(plan.proven_optimal);
    }

    /// Where buffers may be tied, what is proved is true, and little is left to be desired.
    #[test]
    fn bounds_of_tied_plans_hold(p in problems(0..6, 6, 4, true)) {
        let plan = plan(&p).unwrap();
        prop_assert_eq!(check(&p, &plan.offsets, plan.arena_bytes), Ok(()));
        let least = optimum(&p);
        prop_assert!(plan.lower_bound <= plan.proven_bound && plan.proven_bound <= least);
        prop_assert!(!plan.proven_optimal || plan.arena_bytes == least);
    }

    /// Heuristics find most small optima; these are searched for alone.
    #[test]
    fn the_search_agrees_with_enumeration(p in problems(1..6, 6, 4, false), below in 0u32..3) {
        let least = optimum(&p);
        let capacity = (least + 1).saturating_sub(below);
        let mut effort = exact::Effort { steps: 1 << 40, stop: &mut || false };
        let choices = vec![shapes::Choice::Loose; p.overlaps.len()];
        let shapes = shapes::Shapes::new(&p, &choices);
        match exact::search(&shapes, capacity.into(), 1 << 40, &mut effort) {
            exact::Outcome::Fits(offsets) => {
                let offsets: Vec<u32> =
                    shapes.offsets(&offsets).iter().map(|&o| o as u32).collect();
                prop_assert_eq!(check(&p, &offsets, capacity), Ok(()));
                prop_assert!(capacity >= least);
            }
            exact::Outcome::Infeasible => prop_assert!(capacity < least),
            exact::Outcome::Undecided => prop_assert!(false, "undecided"),
        }
    }
}
