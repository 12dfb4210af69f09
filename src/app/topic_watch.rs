//! Watches the topics while the process runs: whether each still exists, is still the one that was
//! there at the start, and has as many partitions (E12). One request for all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::adapters::kafka::{Admin, TopicDescription};
use crate::config::{Stage as StageKind, Topics};
use crate::engine::board::Board;
use crate::engine::ports::{Partition, TopicId};

use super::node::RunningStage;
use super::patience::however_long;

/// A change is noticed within this time, and the end of one within the shorter time.
const LOOK_EVERY_MS: u64 = 15_000;
const LOOK_AGAIN_MS: u64 = 3_000;
/// What goes on is logged this often.
const LOG_EVERY_MS: u64 = 60_000;

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Input(StageKind),
    Changelog,
    Rules,
    Output,
}

/// A topic as it was at the start.
#[derive(Clone, Debug)]
struct Watched {
    name: String,
    role: Role,
    partitions: Partition,
    id: Option<TopicId>,
}

/// What is wrong with a topic now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Missing,
    /// The input has more partitions than are read.
    Grown {
        known: Partition,
        found: Partition,
    },
    CreatedAgain {
        known: TopicId,
        found: TopicId,
        remedy: Remedy,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Remedy {
    Accept,
    Restart,
    Rebuild,
}

/// A topic and what is wrong with it, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Trouble {
    topic: String,
    change: Change,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = &self.topic;
        match self.change {
            Change::Missing => write!(f, "topic {topic} does not exist: `accrual topics create`"),
            Change::Grown { known, found } => write!(
                f,
                "topic {topic} has {found} partitions and {known} are read: records in the others wait, and \
                 no timer fires, since what would stop it may lie there [E12, E13]. A topic cannot \
                 shrink: `accrual topics move` carries everything into topics with more partitions"
            ),
            Change::CreatedAgain { known, found, remedy } => {
                write!(
                    f,
                    "topic {topic} was deleted and created again: it had the id {known} and has {found} [E12]. "
                )?;
                match remedy {
                    Remedy::Accept => write!(
                        f,
                        "To read it from its beginning: stop accrual, then `accrual topics accept {topic}`"
                    ),
                    Remedy::Restart => write!(f, "Restart accrual to read it from its beginning"),
                    Remedy::Rebuild => write!(
                        f,
                        "States written before are in Redis alone: keep Redis, stop accrual, and restore the \
                         topic from a backup"
                    ),
                }
            }
        }
    }
}

pub struct TopicWatch {
    admin: Admin,
    topics: Vec<Watched>,
    boards: BTreeMap<StageKind, Arc<Board>>,
    troubles: Mutex<Vec<Trouble>>,
}

impl TopicWatch {
    /// Notes how the topics are at the start.
    pub async fn start(admin: Admin, names: &Topics, stages: &[RunningStage]) -> anyhow::Result<Self> {
        let roles = roles(names, stages);
        let all: Vec<&str> = roles.iter().map(|(name, _)| *name).collect();
        let found = however_long("topics", async || Ok(admin.identify(&all).await?)).await?;
        let topics = roles.into_iter().map(|(name, role)| {
            let found = found.get(name);
            let read = stages.iter().find(|stage| role == Role::Input(stage.kind));
            Watched {
                name: name.to_owned(),
                role,
                partitions: read.map_or(0, |stage| stage.partitions),
                id: found.and_then(|found| found.id),
            }
        });
        let topics: Vec<Watched> = topics.collect();
        let troubles = compare(&topics, &found);
        Ok(Self {
            admin,
            topics,
            boards: stages
                .iter()
                .map(|stage| (stage.kind, stage.board.clone()))
                .collect(),
            troubles: Mutex::new(troubles),
        })
    }

    /// Why the process is not ready, a sentence for each topic.
    pub fn reasons(&self) -> Vec<String> {
        self.lock().iter().map(Trouble::to_string).collect()
    }

    /// Partitions of a stage's input that nobody reads.
    pub fn unread(&self, stage: StageKind) -> Range<Partition> {
        let input = self.topics.iter().find(|topic| topic.role == Role::Input(stage));
        let troubles = self.lock();
        let grown = troubles.iter().find_map(|trouble| match trouble.change {
            Change::Grown { known, found } if input.is_some_and(|input| input.name == trouble.topic) => {
                Some(known..found)
            }
            _ => None,
        });
        grown.unwrap_or(0..0)
    }

    /// Looks until it is dropped.
    pub async fn run(&self) {
        let names: Vec<&str> = self.topics.iter().map(|topic| topic.name.as_str()).collect();
        let mut logged: BTreeMap<Trouble, Instant> = BTreeMap::new();
        loop {
            self.act(&mut logged);
            let pause = match self.lock().is_empty() {
                true => LOOK_EVERY_MS,
                false => LOOK_AGAIN_MS,
            };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            match self.admin.identify(&names).await {
                Ok(found) => *self.lock() = compare(&self.topics, &found),
                // What was seen last stands: the brokers are away, which others report.
                Err(error) => tracing::debug!(%error, "looking at the topics"),
            }
        }
    }

    /// Logs what is wrong, and tells the stages.
    fn act(&self, logged: &mut BTreeMap<Trouble, Instant>) {
        let troubles = self.lock().clone();
        for topic in &self.topics {
            let Role::Input(stage) = topic.role else { continue };
            let Some(board) = self.boards.get(&stage) else {
                continue;
            };
            let change = troubles.iter().find(|trouble| trouble.topic == topic.name);
            let grown = change.is_some_and(|trouble| matches!(trouble.change, Change::Grown { .. }));
            board.hold_timers(grown);
            if let Some(trouble) = change
                && matches!(trouble.change, Change::CreatedAgain { .. })
                && !logged.contains_key(trouble)
            {
                // The takeover finds the position in the other topic, and stops.
                board.rejoin(trouble.to_string());
            }
        }
        logged.retain(|trouble, _| {
            let lasts = troubles.contains(trouble);
            if !lasts {
                tracing::info!(topic = trouble.topic, "no longer so: {trouble}");
            }
            lasts
        });
        for trouble in troubles {
            let due = logged
                .get(&trouble)
                .is_none_or(|at| at.elapsed() >= Duration::from_millis(LOG_EVERY_MS));
            if due {
                tracing::error!(topic = trouble.topic, "{trouble}");
                logged.insert(trouble, Instant::now());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Trouble>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every topic, once, with its role for the stages that run here.
fn roles<'a>(names: &'a Topics, stages: &[RunningStage]) -> Vec<(&'a str, Role)> {
    let input = |kind, name: &'a String| {
        let runs = stages.iter().any(|stage| stage.kind == kind);
        (name.as_str(), if runs { Role::Input(kind) } else { Role::Output })
    };
    vec![
        input(StageKind::Orders, &names.order_events),
        input(StageKind::Commands, &names.point_commands),
        input(StageKind::Ledger, &names.ledger_entries),
        (&names.point_rules, Role::Rules),
        (&names.orders_changelog, Role::Changelog),
        (&names.ledger_changelog, Role::Changelog),
        (&names.points_issued, Role::Output),
        (&names.points_expired, Role::Output),
        (&names.points_events, Role::Output),
        (&names.dead_letters, Role::Output),
    ]
}

fn compare(topics: &[Watched], found: &BTreeMap<String, TopicDescription>) -> Vec<Trouble> {
    let changed = topics.iter().filter_map(|topic| {
        let change = change(topic, found.get(&topic.name))?;
        Some(Trouble {
            topic: topic.name.clone(),
            change,
        })
    });
    changed.collect()
}

fn change(topic: &Watched, found: Option<&TopicDescription>) -> Option<Change> {
    let Some(found) = found else {
        return Some(Change::Missing);
    };
    let remedy = match topic.role {
        Role::Input(_) => Remedy::Accept,
        Role::Rules => Remedy::Restart,
        Role::Changelog => Remedy::Rebuild,
        // Nothing here keeps a position in it.
        Role::Output => return None,
    };
    match (topic.id, found.id) {
        (Some(known), Some(found)) if known != found => {
            return Some(Change::CreatedAgain { known, found, remedy });
        }
        _ => {}
    }
    let grown = matches!(topic.role, Role::Input(_)) && found.partitions > topic.partitions;
    grown.then_some(Change::Grown {
        known: topic.partitions,
        found: found.partitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(role: Role) -> Watched {
        Watched {
            name: "t".into(),
            role,
            partitions: 2,
            id: TopicId::new(7),
        }
    }

    #[test]
    fn each_change_of_a_topic_is_named_with_its_way_out() {
        let input = Role::Input(StageKind::Orders);
        let is = |id, partitions| {
            Some(TopicDescription {
                id: TopicId::new(id),
                partitions,
            })
        };
        let rows: [(&str, Role, Option<TopicDescription>, &[&str]); 10] = [
            ("as it was", input, is(7, 2), &[]),
            ("gone", input, None, &["topic t does not exist", "topics create"]),
            ("gone output", Role::Output, None, &["topic t does not exist"]),
            (
                "grown",
                input,
                is(7, 4),
                &["t has 4 partitions and 2 are read", "topics move"],
            ),
            (
                "created again",
                input,
                is(8, 2),
                &["topic t was deleted", "topics accept t"],
            ),
            ("created again, larger", input, is(8, 4), &["topics accept t"]),
            ("brokers without ids", input, is(0, 2), &[]),
            ("rules", Role::Rules, is(8, 2), &["Restart accrual"]),
            ("changelog", Role::Changelog, is(8, 2), &["keep Redis"]),
            ("output", Role::Output, is(8, 9), &[]),
        ];
        for (name, role, found, words) in rows {
            let found = found.into_iter().map(|found| ("t".to_owned(), found)).collect();
            let troubles = compare(&[watched(role)], &found);
            let said: Vec<String> = troubles.iter().map(Trouble::to_string).collect();
            assert_eq!(said.len(), usize::from(!words.is_empty()), "{name}: {said:?}");
            for word in words {
                assert!(said[0].contains(word), "{name}: {said:?}");
            }
        }
    }
}
