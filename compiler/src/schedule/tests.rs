use proptest::prelude::*;

use super::*;
use crate::ir::EntityId;

/// Choices that make a graph: the size of every task's result, what it reads, and how.
type Choices = Vec<(u8, Vec<u8>, u8)>;

/// A graph in which every task makes a tensor of what others made. Some results may lie on an
/// operand, some are written by two tasks, some outlast the graph, some tasks use scratch.
fn graph(choices: &Choices) -> Graph {
    let mut graph = Graph { base: 3, ..Graph::default() };
    let mut made: Vec<(TensorId, TaskId)> = Vec::new();
    let input = graph.tensors.push(Tensor { bytes: 9, before: true, after: false });
    for (size, reads, kind) in choices {
        let mut task = Task { work: 40, ..Task::default() };
        let part = kind & 16 != 0 && !made.is_empty();
        let bytes = 1 + u64::from(size % 12);
        let result = match made.last() {
            Some(&(tensor, _)) if part => tensor,
            _ => graph.tensors.push(Tensor { bytes, before: false, after: kind & 3 == 3 }),
        };
        task.touches.push(result);
        if made.is_empty() {
            task.touches.push(input);
        }
        for read in reads {
            let Some(&(tensor, _)) = made.get(usize::from(*read) % (made.len() + 1)) else {
                if !task.touches.contains(&input) {
                    task.touches.push(input);
                }
                continue;
            };
            if task.touches.contains(&tensor) {
                continue;
            }
            task.touches.push(tensor);
            // All that write a tensor come before whoever reads it.
            let writers = made.iter().filter(|(other, _)| *other == tensor);
            task.needs.extend(writers.map(|(_, writer)| *writer));
            if kind & 4 != 0 && !part && graph.tensors[tensor].bytes == graph.tensors[result].bytes
            {
                task.in_place.push((result, tensor));
            }
        }
        if kind & 8 != 0 {
            let scratch = Tensor { bytes: u64::from(size / 12 % 8), before: false, after: false };
            task.touches.push(graph.tensors.push(scratch));
        }
        let read = |id: TensorId| {
            graph.tasks.values().any(|t| t.touches[0] != id && t.touches.contains(&id))
        };
        if part && read(result) {
            // A tensor that was read is written no more.
            continue;
        }
        task.repeats = (kind & 32 != 0 && !part && task.touches.len() <= 2).then_some(result);
        let id = graph.tasks.push(task);
        made.push((result, id));
    }
    graph
}

fn choices(most: usize) -> impl Strategy<Value = Choices> {
    let reads = prop::collection::vec(any::<u8>(), 0..4);
    prop::collection::vec((any::<u8>(), reads, any::<u8>()), 1..most)
}

/// The least peak of all orders.
fn least(graph: &Graph) -> u64 {
    fn extend(graph: &Graph, order: &mut Vec<TaskId>, least: &mut u64) {
        if order.len() == graph.tasks.len() {
            let alive = check::alive(graph, order).into_iter().max();
            *least = (*least).min(alive.unwrap_or(0).max(graph.base));
        }
        for (id, task) in graph.tasks.iter() {
            if !order.contains(&id) && task.needs.iter().all(|need| order.contains(need)) {
                order.push(id);
                extend(graph, order, least);
                order.pop();
            }
        }
    }
    let mut least = u64::MAX;
    extend(graph, &mut Vec::new(), &mut least);
    least
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_order_of_a_small_graph_is_better(choices in choices(8)) {
        let graph = graph(&choices);
        let least = least(&graph);
        let found = order(&graph, 0, &Options::default());
        prop_assert_eq!(check(&graph, &found.tasks, found.peak), Ok(()));
        prop_assert_eq!(found.peak, least);
        prop_assert!(found.proven_optimal());
        prop_assert!(bound::lower_bound(&graph) <= least);
    }

    #[test]
    fn a_search_that_is_cut_short_says_what_it_knows(choices in choices(8), tries in 0u64..12) {
        let graph = graph(&choices);
        let least = least(&graph);
        let found = order(&graph, 0, &Options { tries, ..Options::default() });
        prop_assert_eq!(check(&graph, &found.tasks, found.peak), Ok(()));
        prop_assert!(found.lower_bound <= least && least <= found.peak);
        prop_assert!(found.peak <= graph.peak(&graph.given()).0);
        prop_assert!(found.tries <= tries);
    }

    #[test]
    fn large_graphs_get_an_order_that_is_no_worse(choices in choices(80)) {
        let graph = graph(&choices);
        let given = graph.peak(&graph.given()).0;
        let options = Options { tries: 500, ..Options::default() };
        let found = order(&graph, 0, &options);
        prop_assert_eq!(check(&graph, &found.tasks, found.peak), Ok(()));
        prop_assert!(found.lower_bound <= found.peak && found.peak <= given);
        prop_assert_eq!(&found, &order(&graph, 0, &options));
        if let Some((variant, Order { peak, .. })) = repeated(&graph, &found.tasks, 0, &options) {
            prop_assert!(peak < found.peak);
            prop_assert_eq!(check(&variant.graph, &variant.graph.given(), peak), Ok(()));
            check_variant(&graph, &variant);
        }
    }

    #[test]
    fn peaks_that_do_not_matter_are_left(choices in choices(8), floor in 0u64..60) {
        let graph = graph(&choices);
        let (given, least) = (graph.peak(&graph.given()).0, least(&graph));
        let found = order(&graph, floor, &Options::default());
        prop_assert_eq!(found.peak <= floor.max(least), true);
        if given <= floor {
            prop_assert_eq!(found.tasks, graph.given());
        }
    }
}

/// Every task of the first graph runs, each reads what the original reads or a repetition of that, and
/// only what may be repeated is.
fn check_variant(first: &Graph, variant: &Variant) {
    let mut runs = vec![0; first.tasks.len()];
    for ((id, task), &origin) in variant.graph.tasks.iter().zip(&variant.origin) {
        let renamed = &variant.renamed[id.index()];
        let new =
            |t: &TensorId| renamed.iter().find(|(old, _)| old == t).map_or(*t, |(_, new)| *new);
        let touches: Vec<TensorId> = first.tasks[origin].touches.iter().map(new).collect();
        assert_eq!(touches, task.touches);
        assert!(renamed.iter().all(|&(old, new)| variant.original(new) == old));
        for &need in &first.tasks[origin].needs {
            let met = task.needs.iter().any(|n| variant.origin[n.index()] == need);
            assert!(met || first.tasks[need].repeats.is_some());
        }
        runs[origin.index()] += 1;
    }
    for ((_, task), runs) in first.tasks.iter().zip(runs) {
        assert!(runs == 1 || runs > 1 && task.repeats.is_some());
    }
}

/// Two branches of a chain each, joined: whoever starts both first keeps both inputs.
#[test]
fn one_branch_is_finished_before_the_other_starts() {
    let mut graph = Graph::default();
    let tensor = |graph: &mut Graph, bytes, before| {
        graph.tensors.push(Tensor { bytes, before, after: false })
    };
    let input = tensor(&mut graph, 4, true);
    let large: Vec<_> = (0..2).map(|_| tensor(&mut graph, 10, false)).collect();
    let small: Vec<_> = (0..2).map(|_| tensor(&mut graph, 1, false)).collect();
    let mut task = |needs: &[usize], touches: &[TensorId]| {
        let needs = needs.iter().map(|&need| TaskId::new(need)).collect();
        graph.tasks.push(Task { needs, touches: touches.to_vec(), ..Task::default() });
    };
    task(&[], &[input, large[0]]);
    task(&[], &[input, large[1]]);
    task(&[0], &[large[0], small[0]]);
    task(&[1], &[large[1], small[1]]);
    task(&[2, 3], &[small[0], small[1]]);
    assert_eq!(graph.peak(&graph.given()).0, 24);
    let found = order(&graph, 0, &Options::default());
    assert_eq!((found.peak, found.proven_optimal()), (15, true));
    let wrong = [1, 0, 2, 3, 4].map(TaskId::new);
    assert_eq!(check(&graph, &wrong, 24), Ok(()));
    assert!(matches!(check(&graph, &wrong, 23), Err(Wrong::Peak { .. })));
    let early = [2, 0, 1, 3, 4].map(TaskId::new);
    assert_eq!(check(&graph, &early, 24), Err(Wrong::Early(TaskId::new(2), TaskId::new(0))));
    let twice = [0, 0, 1, 2, 3].map(TaskId::new);
    assert_eq!(check(&graph, &twice, 24), Err(Wrong::Runs(TaskId::new(0), 2)));
}

/// What a small input becomes is wanted at the beginning and at the end.
#[test]
fn a_cheap_result_is_made_again_after_the_peak() {
    let mut graph = Graph::default();
    // Input, its wide form, something large, something small, and the result.
    let sizes = [(2, true), (8, false), (12, false), (2, false), (4, false)];
    let tensors: Vec<TensorId> = sizes
        .map(|(bytes, before)| graph.tensors.push(Tensor { bytes, before, after: false }))
        .into();
    let mut task = |needs: &[usize], touches: &[usize], repeats: Option<usize>, work| {
        graph.tasks.push(Task {
            needs: needs.iter().map(|&need| TaskId::new(need)).collect(),
            touches: touches.iter().map(|&t| tensors[t]).collect(),
            repeats: repeats.map(|t| tensors[t]),
            work,
            in_place: Vec::new(),
        });
    };
    task(&[], &[0, 1], Some(1), 8);
    task(&[0], &[1, 3], None, 200);
    task(&[1], &[3, 2], None, 200);
    task(&[2], &[2, 3], None, 200);
    task(&[0, 3], &[1, 3, 4], None, 1);
    let found = order(&graph, 0, &Options::default());
    assert_eq!(found.peak, 22, "the wide form is kept");
    let (variant, lower) = repeated(&graph, &found.tasks, 0, &Options::default()).expect("cheap");
    assert_eq!((lower.peak, variant.added.as_slice()), (16, &tensors[1..2]));
    assert_eq!(variant.origin.iter().filter(|task| task.index() == 0).count(), 2);
    check_variant(&graph, &variant);
    // Not if it takes more than a twentieth of all effort.
    graph.tasks[TaskId::new(0)].work = 40;
    assert!(repeated(&graph, &found.tasks, 0, &Options::default()).is_none());
}
