//! What the changelogs of both sides say of a move.

use anyhow::bail;

use crate::adapters::kafka::TopicReader;
use crate::engine::changelog::{self, Entry, Meta};
use crate::engine::moving::{Mark, Phase};
use crate::engine::ports::{Offset, Partition};

use super::sides::{Pair, Plan};
use crate::app::patience::patiently;

/// Distances before the end at which the last meta record is looked for; then the beginning.
const PROBE_DISTANCES: [Offset; 3] = [500, 20_000, 500_000];
const READ_MAX_RECORDS: usize = 5_000;

/// How far the move of two sides is.
pub enum Standing {
    Fresh,
    Filling(Mark),
    /// The old side is closed, the new one not open yet.
    Closed(Mark),
    Complete(Mark),
}

/// The last of each in a changelog partition.
#[derive(Default)]
pub struct Last {
    pub meta: Option<Meta>,
    pub mark: Option<Mark>,
}

pub async fn standing(plan: &Plan) -> anyhow::Result<Standing> {
    let [orders, _, _] = &plan.pairs;
    if let Some(mark) = last(&orders.old.states, 0).await?.mark
        && mark.phase() == Some(Phase::Left)
    {
        if mark.other != orders.new.log() {
            bail!("{} was moved to {} already", orders.old.log(), mark.other);
        }
        // The first meta of the new side comes with its opening.
        return Ok(match last(&orders.new.states, 0).await?.meta {
            Some(_) => Standing::Complete(mark),
            None => Standing::Closed(mark),
        });
    }
    let mut found = Vec::new();
    for pair in plan.stateful() {
        for partition in 0..pair.new.partitions {
            found.push(first_mark(pair, partition).await?);
        }
    }
    let first = found[0].clone();
    if found
        .iter()
        .any(|mark| mark.as_ref().map(|mark| &mark.id) != first.as_ref().map(|mark| &mark.id))
    {
        bail!("the new changelogs are of two moves: {}", remedy(plan));
    }
    Ok(first.map_or(Standing::Fresh, Standing::Filling))
}

/// What a new changelog begins with: nothing, or the mark of a move.
async fn first_mark(pair: &Pair, partition: Partition) -> anyhow::Result<Option<Mark>> {
    let states = &pair.new.states;
    let chunk = patiently("marks", async || Ok(states.read(partition, 0, 1).await?)).await?;
    let Some(record) = chunk.records.first() else {
        return Ok(None);
    };
    match changelog::read(record) {
        Ok(Entry::Mark(mark)) => Ok(Some(mark)),
        _ => bail!(
            "{} {partition} is not empty: an instance of the new side has run already; stop it, delete {0} and \
             create it again",
            pair.new.log()
        ),
    }
}

fn remedy(plan: &Plan) -> String {
    let topics: Vec<&str> = plan.stateful().map(|pair| pair.new.log()).collect();
    format!(
        "delete {} and create them again, then run this again",
        topics.join(" and ")
    )
}

/// The last meta record and the last mark of a partition. What was left has nothing behind its
/// mark, and what was filled has its mark beside its first meta: whoever finds the last meta has
/// seen the mark that counts.
pub async fn last(states: &TopicReader, partition: Partition) -> anyhow::Result<Last> {
    let bounds = patiently("marks", async || Ok(states.bounds(partition).await?)).await?;
    for distance in PROBE_DISTANCES {
        let from = (bounds.end - distance).max(bounds.start);
        let last = last_behind(states, partition, from).await?;
        if last.meta.is_some() || from == bounds.start {
            return Ok(last);
        }
    }
    last_behind(states, partition, bounds.start).await
}

async fn last_behind(states: &TopicReader, partition: Partition, mut from: Offset) -> anyhow::Result<Last> {
    let mut last = Last::default();
    loop {
        let chunk = patiently("marks", async || {
            Ok(states.read(partition, from, READ_MAX_RECORDS).await?)
        });
        let chunk = chunk.await?;
        for record in &chunk.records {
            match changelog::read(record)? {
                Entry::Meta(meta) => last.meta = Some(meta),
                Entry::Mark(mark) => last.mark = Some(mark),
                _ => {}
            }
        }
        if chunk.next >= chunk.end || chunk.next <= from {
            return Ok(last);
        }
        from = chunk.next;
    }
}
