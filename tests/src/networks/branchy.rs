//! Networks with many branches, where the order of the layers decides how much memory they need.

use super::builder::{Activation, Conv, Network, Tensor};
use crate::generate::entropy;

/// Choices drawn from a seed.
struct Choices(std::vec::IntoIter<u8>);

impl Choices {
    fn new(seed: u64, count: usize) -> Choices {
        Choices(entropy(seed, 2 * count).into_iter())
    }

    /// A number below `end`, which is at most 256.
    fn below(&mut self, end: usize) -> usize {
        let word = u16::from_le_bytes([0, 1].map(|_| self.0.next().expect("few choices")));
        (usize::from(word) * end) >> 16
    }
}

/// The edges of a random graph after Watts and Strogatz (1998) with `nodes` nodes, from lower to higher
/// numbers: on a ring, everyone is joined to `degree / 2` neighbours on each side, and each of these
/// edges is then led elsewhere in `percent` of all cases.
fn small_world(nodes: usize, degree: usize, percent: usize, seed: u64) -> Vec<(usize, usize)> {
    let mut choices = Choices::new(seed, 16 * nodes * degree);
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for distance in 1..=degree / 2 {
        edges.extend((0..nodes).map(|node| (node, (node + distance) % nodes)));
    }
    for at in 0..edges.len() {
        if choices.below(100) >= percent {
            continue;
        }
        let (from, _) = edges[at];
        let joined = |a: usize, b: usize| edges.contains(&(a, b)) || edges.contains(&(b, a));
        let free: Vec<usize> = (0..nodes).filter(|&to| to != from && !joined(from, to)).collect();
        if !free.is_empty() {
            edges[at].1 = free[choices.below(free.len())];
        }
    }
    let mut edges: Vec<_> = edges.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
    edges.sort_unstable();
    edges
}

/// A randomly wired network (Xie et al., 2019): one stage WS(`nodes`, 4, 0.75) on values of `size` by
/// `size` by `channels`. Every node adds what it reads and has a depthwise 3x3 and a pointwise
/// convolution; the results that no node reads are added.
pub fn randwire(nodes: usize, size: u64, channels: u64, seed: u64) -> String {
    let edges = small_world(nodes, 4, 75, seed);
    let mut net = Network::new(&[1, 2 * size, 2 * size, 3]);
    let stem = net.conv(&net.input(), Conv::new(3, 2, channels));
    let mut values: Vec<Tensor> = Vec::new();
    for node in 0..nodes {
        let read: Vec<Tensor> = edges
            .iter()
            .filter(|(_, to)| *to == node)
            .map(|(from, _)| values[*from].clone())
            .collect();
        let sum = sum(&mut net, &read).unwrap_or_else(|| stem.clone());
        let x = net.depthwise(&sum, Conv::new(3, 1, 0).linear());
        values.push(net.pointwise(&x, channels, Activation::Relu));
    }
    let unread = |node: &usize| edges.iter().all(|(from, _)| from != node);
    let last: Vec<Tensor> = (0..nodes).filter(unread).map(|node| values[node].clone()).collect();
    let result = sum(&mut net, &last).expect("the last node is read by none");
    finish(net, &result)
}

/// The sum of all, one after the other.
fn sum(net: &mut Network, all: &[Tensor]) -> Option<Tensor> {
    let (first, rest) = all.split_first()?;
    Some(rest.iter().fold(first.clone(), |sum, x| net.add(&sum, x)))
}

fn finish(mut net: Network, result: &Tensor) -> String {
    let mean = net.mean(result);
    let classes = net.dense(&mean, 10);
    net.finish(&classes)
}

/// Cells like those of NASNet-A (Zoph et al., 2018), with maximum pools for the means: each reads the
/// results of the two before it, and its five blocks add two branches each and are put side by side.
pub fn nasnet(cells: usize, size: u64, channels: u64) -> String {
    let mut net = Network::new(&[1, 2 * size, 2 * size, 3]);
    let mut x = net.conv(&net.input(), Conv::new(3, 2, channels));
    let mut before = x.clone();
    for _ in 0..cells {
        let new = nasnet_cell(&mut net, &before, &x, channels);
        before = std::mem::replace(&mut x, new);
    }
    finish(net, &x)
}

fn nasnet_cell(net: &mut Network, before: &Tensor, x: &Tensor, channels: u64) -> Tensor {
    let p = net.pointwise(before, channels, Activation::Relu);
    let h = net.pointwise(x, channels, Activation::Relu);
    let separable = |net: &mut Network, x: &Tensor, kernel| {
        let x = net.depthwise(x, Conv::new(kernel, 1, 0).linear());
        net.pointwise(&x, channels, Activation::Relu)
    };
    // All branches first, as frameworks trace them that build a cell block by block.
    let left = [
        separable(net, &h, 3),
        separable(net, &p, 3),
        net.max_pool(&h, 3),
        net.max_pool(&p, 3),
        separable(net, &p, 5),
    ];
    let right = [h.clone(), separable(net, &h, 5), p.clone(), p.clone(), separable(net, &p, 3)];
    let blocks: Vec<Tensor> = left.iter().zip(&right).map(|(a, b)| net.add(a, b)).collect();
    net.concat(&blocks)
}

/// Irregularly wired cells like those of SwiftNet (Cheng et al., 2019): layers read several of the values
/// before them, side by side.
pub fn swiftnet(cells: usize, size: u64, channels: u64) -> String {
    let mut net = Network::new(&[1, 2 * size, 2 * size, 3]);
    let mut x = net.conv(&net.input(), Conv::new(3, 2, channels));
    for cell in 0..cells {
        x = swiftnet_cell(&mut net, &x, channels, 70 + cell as u64);
    }
    finish(net, &x)
}

fn swiftnet_cell(net: &mut Network, x: &Tensor, channels: u64, seed: u64) -> Tensor {
    let mut choices = Choices::new(seed, 200);
    let mut values = vec![x.clone()];
    let mut unread = vec![true];
    for _ in 0..10 {
        let mut read: Vec<usize> =
            (0..1 + choices.below(3)).map(|_| choices.below(values.len())).collect();
        read.sort_unstable();
        read.dedup();
        read.iter().for_each(|&value| unread[value] = false);
        let parts: Vec<Tensor> = read.iter().map(|&value| values[value].clone()).collect();
        let joined = net.concat(&parts);
        let wide = channels * (1 + choices.below(2) as u64);
        let y = net.pointwise(&joined, wide, Activation::Relu);
        values.push(match choices.below(2) {
            0 => net.depthwise(&y, Conv::new(3, 1, 0)),
            _ => y,
        });
        unread.push(true);
    }
    let last: Vec<Tensor> =
        values.iter().zip(&unread).filter(|(_, unread)| **unread).map(|(v, _)| v.clone()).collect();
    let joined = net.concat(&last);
    net.pointwise(&joined, channels, Activation::Relu)
}

/// Inception modules (Szegedy et al., 2015): 1x1, 3x3 and 5x5 convolutions and a pool side by side, the
/// larger ones behind 1x1 convolutions that narrow.
pub fn inception(modules: usize, size: u64, channels: u64) -> String {
    let mut net = Network::new(&[1, 2 * size, 2 * size, 3]);
    let mut x = net.conv(&net.input(), Conv::new(3, 2, channels));
    for _ in 0..modules {
        // Layer by layer, as a framework traces them that runs branches side by side.
        let one = net.pointwise(&x, channels, Activation::Relu);
        let three = net.pointwise(&x, channels * 3 / 2, Activation::Relu);
        let five = net.pointwise(&x, channels / 2, Activation::Relu);
        let pool = net.max_pool(&x, 3);
        let three = net.conv(&three, Conv::new(3, 1, channels * 2));
        let five = net.conv(&five, Conv::new(5, 1, channels / 2));
        let pool = net.pointwise(&pool, channels / 2, Activation::Relu);
        x = net.concat(&[one, three, five, pool]);
    }
    finish(net, &x)
}
