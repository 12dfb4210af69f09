//! Where a taken-over partition goes on in its input, and when it must not (E5, E12).

use super::{Claimed, Failure, Takeover, stopped};
use crate::engine::changelog::Meta;
use crate::engine::mutation::{self, Mutation};
use crate::engine::ports::{Bounds, Clock, Log, Offset, Position, Store};

impl<L: Log, S: Store, C: Clock> Takeover<'_, L, S, C> {
    /// The offset behind the last decided record: from the last meta record; the group's offset is a
    /// copy of it and may only lag (E5). A stage without a changelog has the group's alone.
    pub(super) fn input_position(&self, claim: &Claimed, last: Option<Meta>) -> Result<Offset, Failure> {
        let start = claim.bounds.start;
        let committed = claim.committed.map_or(start, |committed| committed.offset);
        if let Some(accepted) = self.check_topic(claim, last)? {
            return Ok(accepted);
        }
        if mutation::on(Mutation::E5GroupOffset) || self.spec.changelog.is_none() {
            return Ok(committed);
        }
        let highest = last.map_or(start, |meta| meta.input);
        if claim.committed.is_some() && committed > highest && !mutation::on(Mutation::E12OffsetAhead) {
            return Err(stopped(
                claim.partition,
                "E12",
                format!("committed offset {committed} lies beyond {highest}, where the changelog ends"),
            ));
        }
        Ok(last.map_or(committed, |meta| meta.input))
    }

    /// Positions of another topic that had the input's name say nothing about this one: its records
    /// up to there would be skipped. Goes on only where somebody accepted this topic by committing
    /// an offset in it: answers that offset then.
    fn check_topic(&self, claim: &Claimed, last: Option<Meta>) -> Result<Option<Offset>, Failure> {
        let Some(present) = claim.topic else {
            return Ok(None);
        };
        let committed = claim.committed.and_then(|committed| committed.topic);
        let known = match last {
            Some(meta) => meta.topic(),
            None => committed,
        };
        match known {
            Some(known) if known != present => {}
            _ => return Ok(None),
        }
        if let Some(Position {
            offset,
            topic: Some(accepted),
        }) = claim.committed
            && accepted == present
        {
            return Ok(Some(offset));
        }
        let input = &self.spec.input_topic;
        let known = known.map_or_else(String::new, |known| known.to_string());
        Err(stopped(
            claim.partition,
            "E12",
            format!(
                "topic {input} was deleted and created again: the position is of topic id {known}, the \
                 topic now is {present}. To read it from its beginning: stop accrual, then \
                 `accrual topics accept {input}`"
            ),
        ))
    }

    pub(super) fn check_position(&self, claim: &Claimed, position: Offset) -> Result<(), Failure> {
        let Bounds { start, end } = claim.bounds;
        if (start..=end).contains(&position) {
            return Ok(());
        }
        let reason = format!(
            "input offset {position} of {} is gone: the topic holds {start} to {end}",
            self.spec.input_topic
        );
        Err(stopped(claim.partition, "E12", reason))
    }
}
