//! How everything is put together, and how each command is done.

pub mod answers;
mod assembly;
mod clock_watch;
mod counters;
mod dead_letters;
pub mod escaped;
mod front;
mod gauges;
mod instance;
mod letter_pages;
mod lines;
mod lookups;
mod member_tier;
mod memory;
mod node;
pub mod operations;
mod patience;
mod redriven;
mod replay;
mod rule_files;
mod rules;
mod run;
mod setup;
mod signals;
mod store_watch;
mod topic_accept;
mod topic_move;
mod topic_watch;
mod topics;

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;

use crate::config::Settings;
use crate::domain::instant::Instant;

use self::answers::{Answers, Instance, Servers, Source};
use self::operations::{
    Accepted, Letters, Operations, Redriven, Replay, RuleFault, RuleSummary, TopicMove, TopicState,
};

/// The commands, on real Kafka and Redis.
pub struct App;

/// A command does one thing: one thread is enough for it.
fn wait<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

impl Operations for App {
    fn replay(&self, request: &Replay, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u64> {
        replay::replay(request, out, err)
    }

    fn run(&self, settings: Settings) -> anyhow::Result<()> {
        run::run(settings)
    }

    fn create_topics(&self, settings: &Settings) -> anyhow::Result<Vec<TopicState>> {
        wait(topics::create(settings, &setup::cluster(settings)))
    }

    fn check_topics(&self, settings: &Settings) -> anyhow::Result<Vec<TopicState>> {
        wait(topics::check(settings, &setup::cluster(settings)))
    }

    fn move_topics(&self, request: &TopicMove<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        wait(topic_move::run(request, out))
    }

    fn accept_topic(&self, settings: &Settings, topic: &str) -> anyhow::Result<Accepted> {
        wait(topic_accept::accept(settings, &setup::cluster(settings), topic))
    }

    fn check_rules(&self, files: &[PathBuf]) -> anyhow::Result<Result<Vec<RuleSummary>, Vec<RuleFault>>> {
        rules::check(files)
    }

    fn publish_rules(
        &self,
        settings: &Settings,
        files: &[PathBuf],
        time: Option<Instant>,
    ) -> anyhow::Result<Result<Vec<RuleSummary>, Vec<RuleFault>>> {
        wait(rules::publish(settings, &setup::cluster(settings), files, time))
    }

    fn show_rules(&self, settings: &Settings, shop_id: &str) -> anyhow::Result<Vec<RuleSummary>> {
        wait(rules::show(settings, &setup::cluster(settings), shop_id))
    }

    fn answers(&self, source: Source) -> anyhow::Result<Box<dyn Answers>> {
        Ok(match source {
            Source::Servers(settings) => Box::new(Servers::new(*settings)),
            Source::Instance(address) => Box::new(Instance::new(&address)?),
        })
    }

    fn redrive(
        &self,
        settings: &Settings,
        letters: &Letters,
        value: Option<Vec<u8>>,
    ) -> anyhow::Result<Redriven> {
        wait(dead_letters::redrive(
            settings,
            &setup::cluster(settings),
            letters,
            value,
        ))
    }
}
