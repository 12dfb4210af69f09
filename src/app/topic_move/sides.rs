//! The two sides of a move, and whether one can be moved to the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::adapters::kafka::{Admin, Cluster, ReadTo, TopicReader};
use crate::config::{self, Stage as StageKind};
use crate::engine::partitioner::Partitioner;
use crate::engine::ports::{Offset, Partition, Position};

use super::super::operations::TopicMove;
use super::super::patience::patiently;
use super::super::setup::{self, placing};

/// Transactions of the dead end within this time.
const SETTLED_WAIT: Duration = Duration::from_secs(120);
const SETTLED_POLL: Duration = Duration::from_millis(50);

/// One stage of one side.
pub struct Side {
    /// `<application>-<stage>`
    pub group: String,
    pub input: Arc<str>,
    /// An input may have grown since.
    pub input_partitions: Partition,
    changelog: Option<Arc<str>>,
    /// What the stage's states, or without any its input, are divided into.
    pub partitions: Partition,
    /// Reads the input.
    pub records: TopicReader,
    /// Reads the changelog, or without one the input.
    pub states: TopicReader,
}

impl Side {
    /// Panics for a stage without state.
    pub fn changelog(&self) -> Arc<str> {
        self.changelog.clone().expect("a stage with a changelog")
    }

    /// The end of an input partition once no transaction on it is open: nothing that was committed
    /// is hidden behind one.
    pub async fn settled_end(&self, partition: Partition) -> anyhow::Result<Offset> {
        let records = &self.records;
        let written = patiently("ends", async || Ok(records.written_end(partition).await?)).await?;
        let begun = Instant::now();
        while patiently("ends", async || Ok(records.bounds(partition).await?.end)).await? < written {
            if begun.elapsed() > SETTLED_WAIT {
                bail!(
                    "a transaction on {} {partition} stays open (`kafka-transactions.sh find-hanging`)",
                    self.input
                );
            }
            tokio::time::sleep(SETTLED_POLL).await;
        }
        Ok(written)
    }

    /// The name of the changelog, or without one of the input.
    pub fn log(&self) -> &str {
        self.changelog.as_ref().unwrap_or(&self.input)
    }
}

/// How far a topic's partition was read, for a group of the move.
pub fn read(topic: &Arc<str>, partition: Partition, offset: Offset) -> ReadTo {
    let position = Position { offset, topic: None };
    (topic.clone(), partition, position)
}

/// One stage, from the old side to the new one.
pub struct Pair {
    pub kind: StageKind,
    pub old: Side,
    pub new: Side,
    pub placing: Partitioner,
    cluster: Cluster,
}

impl Pair {
    pub fn is_stateful(&self) -> bool {
        self.old.changelog.is_some()
    }

    /// Others write its input, and may go on writing to the old one.
    pub fn is_from_outside(&self) -> bool {
        self.kind != StageKind::Ledger
    }

    /// How far the old input was forwarded, by the group of the move. `None`: the broker has dropped
    /// the group's offsets, which nobody has committed for long.
    pub async fn forwarded(&self, group: &str) -> anyhow::Result<Option<Vec<(Partition, Offset)>>> {
        let committed = self
            .committed(group, &self.old.input, self.old.input_partitions)
            .await?;
        if committed.iter().all(|(_, offset)| offset.is_none()) {
            return Ok(None);
        }
        let mut found = Vec::new();
        for (partition, offset) in committed {
            let offset = match offset {
                Some(offset) => offset,
                // The input has grown by this partition since.
                None => self.old.records.bounds(partition).await?.start,
            };
            found.push((partition, offset));
        }
        Ok(Some(found))
    }

    /// How far the old changelog was moved, by the group of the move.
    pub async fn moved(&self, group: &str) -> anyhow::Result<Vec<(Partition, Option<Offset>)>> {
        self.committed(group, self.old.log(), self.old.partitions).await
    }

    async fn committed(
        &self,
        group: &str,
        topic: &str,
        partitions: Partition,
    ) -> anyhow::Result<Vec<(Partition, Option<Offset>)>> {
        let reader = TopicReader::new(&self.cluster, "accrual-topics-move", group, topic)?;
        let mut found = Vec::new();
        for partition in 0..partitions {
            let committed = patiently("offsets", async || Ok(reader.committed(partition).await?)).await?;
            found.push((partition, committed.map(|committed| committed.offset)));
        }
        Ok(found)
    }
}

/// What is moved to where.
pub struct Plan {
    pub cluster: Cluster,
    /// Of the cluster.
    pub identity: String,
    pub application: String,
    /// In the order of the path.
    pub pairs: [Pair; 3],
    /// Records and bytes in one transaction.
    pub records_max: usize,
    pub bytes_max: usize,
}

impl Plan {
    pub async fn of(request: &TopicMove<'_>, cluster: &Cluster) -> anyhow::Result<Self> {
        check_names(&request.from.topics, &request.to.topics)?;
        let placed = placing(request.to.topics.partitioner);
        if placed == Partitioner::Any {
            bail!(
                "topics.partitioner is \"any\": where an order's next event will be is not known; \
                 set it as the producers of the new topics place keys"
            );
        }
        let admin = Admin::new(cluster, "accrual-topics-move")?;
        let identity = patiently("Kafka", async || Ok(admin.cluster_id().await?)).await?;
        if request.from.kafka.brokers != request.to.kafka.brokers {
            let other = Admin::new(&setup::cluster(request.from), "accrual-topics-move")?;
            let other = patiently("Kafka of --from", async || Ok(other.cluster_id().await?)).await?;
            if other != identity {
                bail!("the two configurations name two Kafka clusters: a move is within one");
            }
        }
        let pair = async |kind| -> anyhow::Result<Pair> {
            let old = side(kind, request.from, cluster, &admin).await?;
            let new = side(kind, request.to, cluster, &admin).await?;
            if new.input_partitions != new.partitions {
                bail!(
                    "{} has {} partitions and {} has {}: they must be equal [E12]",
                    new.input,
                    new.input_partitions,
                    new.log(),
                    new.partitions
                );
            }
            Ok(Pair {
                kind,
                old,
                new,
                placing: if kind == StageKind::Ledger {
                    Partitioner::Murmur2
                } else {
                    placed
                },
                cluster: cluster.clone(),
            })
        };
        Ok(Self {
            pairs: [
                pair(StageKind::Orders).await?,
                pair(StageKind::Commands).await?,
                pair(StageKind::Ledger).await?,
            ],
            cluster: cluster.clone(),
            identity,
            application: request.from.application_id.clone(),
            records_max: request.to.limits.batch_max_records,
            bytes_max: request.to.limits.batch_max_bytes,
        })
    }

    /// Transactional id and client id: two moves of one system at a time fence each other.
    pub fn name(&self) -> String {
        format!("{}-topics-move", self.application)
    }

    /// Its offsets say how far the move of this id is.
    pub fn group(&self, id: &str) -> String {
        format!("{}-{id}", self.name())
    }

    /// The stages that keep states.
    pub fn stateful(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(|pair| pair.is_stateful())
    }
}

/// Every partitioned topic that is read goes to another name; rules are the same for both.
fn check_names(old: &config::Topics, new: &config::Topics) -> anyhow::Result<()> {
    let of = |topics: &config::Topics| {
        [
            ("topics.order_events", topics.order_events.clone()),
            ("topics.point_commands", topics.point_commands.clone()),
            ("topics.ledger_entries", topics.ledger_entries.clone()),
            ("topics.orders_changelog", topics.orders_changelog.clone()),
            ("topics.ledger_changelog", topics.ledger_changelog.clone()),
        ]
    };
    let old_names = of(old);
    for (setting, name) in of(new) {
        if let Some((taken, _)) = old_names.iter().find(|(_, old)| *old == name) {
            bail!("{setting}: {name} is {taken} of the old side: give the new side a topic of its own");
        }
    }
    if old.point_rules != new.point_rules {
        bail!(
            "topics.point_rules: {} and {}: rules are not moved, both sides read one topic",
            old.point_rules,
            new.point_rules
        );
    }
    Ok(())
}

async fn side(
    kind: StageKind,
    settings: &config::Settings,
    cluster: &Cluster,
    admin: &Admin,
) -> anyhow::Result<Side> {
    let names = &settings.topics;
    let (input, changelog) = match kind {
        StageKind::Orders => (&names.order_events, Some(&names.orders_changelog)),
        StageKind::Commands => (&names.point_commands, None),
        StageKind::Ledger => (&names.ledger_entries, Some(&names.ledger_changelog)),
    };
    let partitions = async |topic: &str| -> anyhow::Result<Partition> {
        let found = patiently("topics", async || Ok(admin.describe(topic).await?)).await?;
        let found =
            found.with_context(|| format!("topic {topic} does not exist: `accrual topics create`"))?;
        Ok(found.partitions)
    };
    let group = format!("{}-{}", settings.application_id, kind.as_str());
    let reader = |topic: &str| TopicReader::new(cluster, "accrual-topics-move", &group, topic);
    let log = changelog.unwrap_or(input);
    Ok(Side {
        input_partitions: partitions(input).await?,
        partitions: partitions(log).await?,
        records: reader(input)?,
        states: reader(log)?,
        input: input.as_str().into(),
        changelog: changelog.map(|name| name.as_str().into()),
        group,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn topics(set: &[(&str, &str)]) -> config::Topics {
        let set = set
            .iter()
            .map(|(name, value)| (format!("ACCRUAL_TOPICS__{name}"), value.to_string()));
        Settings::resolve(None, set, "host").expect("settings").topics
    }

    #[test]
    fn every_topic_that_is_read_needs_another_name() {
        let new = [
            ("ORDER_EVENTS", "o-12"),
            ("POINT_COMMANDS", "c-12"),
            ("LEDGER_ENTRIES", "l-12"),
            ("ORDERS_CHANGELOG", "oc-12"),
            ("LEDGER_CHANGELOG", "lc-12"),
        ];
        let old = topics(&[]);
        check_names(&old, &topics(&new)).expect("all are others");
        for left_out in 0..new.len() {
            let set = new.iter().enumerate().filter(|(n, _)| *n != left_out);
            let set: Vec<_> = set.map(|(_, set)| *set).collect();
            let wrong = check_names(&old, &topics(&set))
                .expect_err("one is the same")
                .to_string();
            assert!(wrong.contains(&new[left_out].0.to_lowercase()), "{wrong}");
        }
        let mut rules = new.to_vec();
        rules.push(("POINT_RULES", "rules-2"));
        let wrong = check_names(&old, &topics(&rules))
            .expect_err("other rules")
            .to_string();
        assert!(wrong.contains("rules are not moved"), "{wrong}");
    }
}
