//! Where an order or a member stands, read from the replica in Redis by any instance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use chrono_tz::Tz;
use tokio::time::Instant as Deadline;

use crate::adapters::kafka::{Admin, Cluster};
use crate::adapters::redis::{Peeked, RedisStore};
use crate::config::{Retention, Settings, Stage as StageKind};
use crate::domain::instant::Instant;
use crate::domain::ledger::Terms;
use crate::domain::ledger::member::Member;
use crate::domain::ledger::receipt_words::LedgerWords;
use crate::domain::ledger::redemption::Amounts;
use crate::domain::ledger::tiers::Rules;
use crate::domain::order::OrderKey;
use crate::domain::order::explain::Explanation;
use crate::domain::rules::book::RuleBook;
use crate::engine::board::Board;
use crate::engine::error::StoreError;
use crate::engine::partitioner::Partitioner;
use crate::engine::ports::{Millis, Partition};
use crate::engine::stored;
use crate::http::backend::Problem;
use crate::http::views;
use crate::stages::keys;
use crate::wire::{member_state, order_state};

use super::member_tier;
use super::setup::{placing, store_settings};

/// How long a look-up waits for a partition that is being restored, and how often it looks.
const RESTORE_WAIT_MS: u64 = 3_000;
const RESTORE_POLL_MS: u64 = 20;

/// The replicas of the two stages that keep state.
pub struct Lookups {
    orders: Replica,
    ledger: Replica,
    retention: Retention,
}

/// A stage's replica, and where it keeps a key.
struct Replica {
    stage: StageKind,
    store: RedisStore,
    /// Of the stage in this process: it may own the partition that is looked at.
    board: Option<Arc<Board>>,
    placed: Partitioner,
    partitions: Partition,
}

impl Lookups {
    /// `boards`: of the stages in this process.
    pub async fn open(
        settings: &Settings,
        cluster: &Cluster,
        boards: &BTreeMap<StageKind, Arc<Board>>,
    ) -> anyhow::Result<Self> {
        let admin = Admin::new(cluster, "accrual-lookups")?;
        let identity = admin.cluster_id().await?;
        let names = &settings.topics;
        let from_outside = placing(names.partitioner);
        let open = async |kind: StageKind, input: &str, changelog: &str, placed| -> anyhow::Result<Replica> {
            let found = admin.describe(input).await?;
            let topic =
                found.with_context(|| format!("topic {input} does not exist: `accrual topics create`"))?;
            let store = RedisStore::connect(store_settings(settings, kind, &identity, changelog)).await;
            let store = store.with_context(|| format!("redis.url: {:?}", settings.redis.urls))?;
            Ok(Replica {
                stage: kind,
                store,
                board: boards.get(&kind).cloned(),
                placed,
                partitions: topic.partitions,
            })
        };
        Ok(Self {
            orders: open(
                StageKind::Orders,
                &names.order_events,
                &names.orders_changelog,
                from_outside,
            )
            .await?,
            // The stages themselves place what they hand to the ledger.
            ledger: open(
                StageKind::Ledger,
                &names.ledger_entries,
                &names.ledger_changelog,
                Partitioner::Murmur2,
            )
            .await?,
            retention: settings.retention,
        })
    }

    /// `None`: not known.
    pub async fn order(
        &self,
        book: &RuleBook,
        shop_id: &str,
        order_id: &str,
        clock: Option<Millis>,
    ) -> Result<Option<views::Order>, Problem> {
        let key = keys::key(shop_id, order_id);
        let found = self.orders.state(order_id.as_bytes(), &key).await?;
        let Some(bytes) = found.bytes else { return Ok(None) };
        let order = order_state::decode(&bytes).map_err(unreadable)?;
        let now = found.as_of.now(clock);
        let zone = book.zone(shop_id, now);
        let explained = order.explain(OrderKey { shop_id, order_id }, book, now);
        // A rule that was published a moment ago may not have been read here yet.
        let mut explained = explained.map_err(|error| Problem::Unavailable(error.to_string()))?;
        if let Some(member_id) = explained.decided_by.take() {
            let (member, _) = self.account(shop_id, &member_id).await?;
            let words = member.and_then(|member| member.explain_order(order_id, zone));
            if let Some(LedgerWords { points, why }) = words {
                explained.points = points;
                explained.why.extend(why);
            }
        }
        let answer = Answer {
            as_of: now,
            last_change: found.as_of,
            zone,
        };
        Ok(Some(order_view(shop_id, order_id, explained, answer)))
    }

    /// `None`: not known.
    pub async fn member(
        &self,
        book: &RuleBook,
        (shop_id, member_id): (&str, &str),
        clock: Option<Millis>,
    ) -> Result<Option<views::Member>, Problem> {
        let (member, as_of) = self.account(shop_id, member_id).await?;
        let Some(member) = member else { return Ok(None) };
        let now = as_of.now(clock);
        let answer = Answer {
            as_of: now,
            last_change: as_of,
            zone: book.zone(shop_id, now),
        };
        let mut view = member_view((shop_id, member_id), &member, answer);
        view.tier = member_tier::view(&member, Rules { book, shop_id }, now);
        Ok(Some(view))
    }

    /// Of a member who is not known: nothing to redeem.
    pub async fn quote(
        &self,
        book: &RuleBook,
        (shop_id, member_id): (&str, &str),
        amounts: Amounts,
        tier: Option<&str>,
        clock: Option<Millis>,
    ) -> Result<views::Quote, Problem> {
        let (member, as_of) = self.account(shop_id, member_id).await?;
        let now = as_of.now(clock);
        let terms = Terms {
            book,
            gift_horizon: None,
            command_ids_days: self.retention.command_ids_days,
            tier_facts_months: self.retention.tier_facts_months,
        };
        let quote = terms.quote(shop_id, &member.unwrap_or_default(), amounts, tier, now);
        let rules = book.in_force(shop_id, now);
        Ok(views::Quote {
            points: quote.points,
            amount: quote.amount.map(|amount| amount.to_string()),
            currency: rules.map(|version| version.rules.currency.code.to_string()),
            limit: quote.limit.as_str().to_string(),
            as_of: now.rfc3339(),
            last_change: as_of.shown(),
            timezone: book.zone(shop_id, now).map(|zone| zone.name().to_owned()),
        })
    }

    async fn account(&self, shop_id: &str, member_id: &str) -> Result<(Option<Member>, AsOf), Problem> {
        let key = keys::key(shop_id, member_id);
        let found = self.ledger.state(&key, &key).await?;
        let member = match found.bytes {
            Some(bytes) => Some(member_state::decode_member(shop_id, &bytes).map_err(unreadable)?),
            None => None,
        };
        // Of a member whose commands were all refused nothing but their ids is there.
        Ok((member.filter(|member| !member.is_unknown()), found.as_of))
    }
}

/// A state's bytes as the stage wrote them.
struct Found {
    bytes: Option<Bytes>,
    as_of: AsOf,
}

/// When a replica was last brought up to date.
#[derive(Clone, Copy)]
enum AsOf {
    /// By an owner whose time is everybody's.
    Wall(Millis),
    /// By an owner whose clock stood here and stands still until it is set.
    Standing(Millis),
}

impl AsOf {
    fn of(peeked: &Peeked) -> Self {
        peeked.clock.map_or(Self::Wall(peeked.stamp), Self::Standing)
    }

    fn millis(self) -> Millis {
        let (Self::Wall(at) | Self::Standing(at)) = self;
        at
    }

    /// The time to answer for. `clock`: where the asker's own stands, if it stands still.
    fn now(self, clock: Option<Millis>) -> Instant {
        match (self, clock) {
            (Self::Wall(_), None) => Instant::from_utc(chrono::Utc::now()),
            (Self::Wall(_), Some(clock)) => Instant::from_millis(clock),
            (Self::Standing(at), clock) => Instant::from_millis(clock.map_or(at, |clock| clock.max(at))),
        }
    }

    fn shown(self) -> String {
        Instant::from_millis(self.millis()).rfc3339()
    }
}

impl Replica {
    /// Looks on the partition where `placed_by` belongs; where that is not known, on every one.
    async fn state(&self, placed_by: &[u8], key: &[u8]) -> Result<Found, Problem> {
        let partitions = match self.placed.place(placed_by, self.partitions) {
            Some(partition) => partition..partition + 1,
            None => 0..self.partitions,
        };
        let deadline = Deadline::now() + Duration::from_millis(RESTORE_WAIT_MS);
        let mut oldest = None::<AsOf>;
        for partition in partitions {
            let peeked = self.peek_restored(partition, key, deadline).await?;
            let as_of = AsOf::of(&peeked);
            if let Some(value) = peeked.value {
                let saved = stored::decode(&value).map_err(unreadable)?;
                return Ok(Found {
                    bytes: Some(saved.bytes),
                    as_of,
                });
            }
            oldest = oldest
                .into_iter()
                .chain([as_of])
                .min_by_key(|as_of| as_of.millis());
        }
        let as_of = oldest.ok_or_else(|| Problem::Unavailable("the topic has no partition".to_owned()))?;
        Ok(Found { bytes: None, as_of })
    }

    /// Waits a bounded time for a partition that Redis lost or that has no owner yet.
    async fn peek_restored(
        &self,
        partition: Partition,
        key: &[u8],
        deadline: Deadline,
    ) -> Result<Peeked, Problem> {
        loop {
            let problem = match self.store.peek(partition, key).await {
                Ok(Some(peeked)) => return Ok(peeked),
                Ok(None) => "it has no owner yet, or its owner restores it".to_owned(),
                Err(StoreError::Lost { found }) => format!("Redis lost a part of it ({found})"),
                Err(error) => return Err(Problem::Unavailable(error.to_string())),
            };
            if let Some(board) = &self.board {
                board.doubt_store(partition);
            }
            if Deadline::now() >= deadline {
                return Err(Problem::Unavailable(format!(
                    "{} {partition}: not restored in Redis: {problem}",
                    self.stage.as_str()
                )));
            }
            tokio::time::sleep(Duration::from_millis(RESTORE_POLL_MS)).await;
        }
    }
}

/// What every answer says of itself.
struct Answer {
    as_of: Instant,
    /// When the replica was last written.
    last_change: AsOf,
    zone: Option<Tz>,
}

fn order_view(shop_id: &str, order_id: &str, explained: Explanation, answer: Answer) -> views::Order {
    let (mut facts, mut told_by) = (BTreeMap::new(), BTreeMap::new());
    for fact in explained.facts {
        facts.insert(fact.name.clone(), fact.at.rfc3339());
        told_by.insert(fact.name, fact.event_id);
    }
    let (base_amount, currency) = explained
        .base
        .map(|(amount, currency)| (amount.to_string(), currency))
        .unzip();
    views::Order {
        shop_id: shop_id.to_string(),
        order_id: order_id.to_string(),
        member_id: explained.member_id,
        rule_version: explained.rule_version,
        facts,
        told_by,
        due_at: explained.due_at.map(Instant::rfc3339),
        outcome: explained.outcome.to_string(),
        reason: explained.reason.map(str::to_string),
        points: explained.points,
        base_amount,
        currency,
        why: explained.why,
        as_of: answer.as_of.rfc3339(),
        last_change: answer.last_change.shown(),
        timezone: answer.zone.map(|zone| zone.name().to_owned()),
    }
}

fn member_view((shop_id, member_id): (&str, &str), member: &Member, answer: Answer) -> views::Member {
    let view = member.view(answer.as_of);
    let lots = view.lots.into_iter().map(|lot| views::Lot {
        lot_id: lot.part.lot_id,
        points: lot.part.points,
        issued_at: lot.issued_at.rfc3339(),
        expires_at: lot.part.expires_at.map(Instant::rfc3339),
        order_id: lot.order_id,
    });
    views::Member {
        shop_id: shop_id.to_string(),
        member_id: member_id.to_string(),
        balance: view.balance,
        usable: view.usable,
        pending: view.pending,
        lots: lots.collect(),
        sequence: view.sequence,
        tier: None,
        as_of: answer.as_of.rfc3339(),
        last_change: answer.last_change.shown(),
        timezone: answer.zone.map(|zone| zone.name().to_owned()),
    }
}

fn unreadable(error: impl std::fmt::Display) -> Problem {
    Problem::Unavailable(format!("the stored state cannot be read: {error}"))
}
