//! Facts in the order of time, for a fold that goes through many of them: each look at a window
//! then costs the logarithm of their number, and not all of them.
//!
//! It goes forward only: who has asked what counted by an instant does not ask for an earlier one.

use super::facts::{Look, Record};
use super::measure::Measures;
use super::window::Window;
use crate::domain::instant::Instant;

pub struct Index {
    /// In the order of time.
    looks: Vec<(Instant, Look)>,
    /// What orders and `member.qualify` count, by the instant from which they do.
    counted: Tree,
    /// Points of orders, by the instant at which they were issued.
    points: Tree,
}

impl Index {
    /// For what lies behind `after`.
    pub fn of(record: &Record, after: Instant) -> Self {
        #[cfg(test)]
        super::fixtures::note_pass();
        let (mut counted, mut points) = (Rows::new(), Rows::new());
        for order in record.orders.values() {
            if let Some(at) = order.counts_at() {
                let steps = order.fact.steps.iter();
                let amounts = steps.map(|step| (step.at, Measures::of_order(step.amount, step.goods)));
                counted.push((at, amounts.collect()));
            }
            if let Some((at, _)) = order.points.first() {
                let sums = order.points.iter().scan(0i64, |sum, (at, points)| {
                    *sum = sum.saturating_add(*points);
                    Some((*at, Measures::of_points(*sum)))
                });
                points.push((*at, sums.collect()));
            }
        }
        for one in &record.qualified {
            let mut measures = Measures::default();
            measures.add(one.amount, one.orders);
            counted.push((one.at, vec![(one.at, measures)]));
        }
        Index {
            looks: record.looks(after),
            counted: Tree::of(counted, after),
            points: Tree::of(points, after),
        }
    }

    pub fn looks_at(&self, at: Instant) -> Look {
        let place = self.looks.binary_search_by_key(&at, |(at, _)| *at);
        place.map_or(Look::default(), |place| self.looks[place].1)
    }

    /// The first instant behind `after` at which something happens.
    pub fn next_after(&self, after: Instant) -> Option<Instant> {
        let place = self.looks.partition_point(|(at, _)| *at <= after);
        self.looks.get(place).map(|(at, _)| *at)
    }

    pub fn measures(&mut self, window: Window, as_of: Instant, points_as_of: Instant) -> Measures {
        let counted = self.counted.over(window.from, window.to, as_of);
        let points = self
            .points
            .over(window.points_from, window.points_to, points_as_of);
        counted.and(points)
    }
}

/// The instant that windows look at, and what counts from each instant on.
type Rows = Vec<(Instant, Vec<(Instant, Measures)>)>;

/// Sums over neighbours, each the sum of two below it.
struct Tree {
    /// Of the leaves.
    instants: Vec<Instant>,
    /// The root is at 1, the two below a node at twice its place.
    nodes: Vec<Measures>,
    /// From when on a leaf counts what.
    changes: Vec<(Instant, usize, Measures)>,
    /// So many changes are in the nodes.
    done: usize,
}

impl Tree {
    fn of(mut rows: Rows, after: Instant) -> Self {
        rows.sort_by_key(|(at, _)| *at);
        let leaves = rows.iter().enumerate();
        let changes =
            leaves.flat_map(|(leaf, (_, steps))| steps.iter().map(move |step| (step.0, leaf, step.1)));
        let mut changes: Vec<_> = changes.collect();
        changes.sort_by_key(|(at, ..)| *at);
        let done = changes.partition_point(|(at, ..)| *at <= after);
        let mut nodes = vec![Measures::default(); 2 * rows.len()];
        for (_, leaf, measures) in &changes[..done] {
            nodes[rows.len() + leaf] = *measures;
        }
        for node in (1..rows.len()).rev() {
            nodes[node] = nodes[2 * node].and(nodes[2 * node + 1]);
        }
        Tree {
            nodes,
            instants: rows.into_iter().map(|(at, _)| at).collect(),
            changes,
            done,
        }
    }

    fn over(&mut self, from: Instant, to: Instant, as_of: Instant) -> Measures {
        while let Some((at, leaf, measures)) = self.changes.get(self.done)
            && *at <= as_of
        {
            let (leaf, measures) = (*leaf, *measures);
            self.set(leaf, measures);
            self.done += 1;
        }
        let leaves = self.instants.len();
        let mut low = leaves + self.instants.partition_point(|at| *at < from);
        let mut high = leaves + self.instants.partition_point(|at| *at <= to);
        let mut sum = Measures::default();
        while low < high {
            if low % 2 == 1 {
                sum = sum.and(self.nodes[low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                sum = sum.and(self.nodes[high]);
            }
            (low, high) = (low / 2, high / 2);
        }
        sum
    }

    fn set(&mut self, leaf: usize, measures: Measures) {
        let mut node = self.instants.len() + leaf;
        self.nodes[node] = measures;
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[2 * node].and(self.nodes[2 * node + 1]);
        }
    }
}
