//! `accrual run`: from the first signal handler to the last drained stage.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::adapters::clock::ProcessorClock;
use crate::adapters::kafka::Admin;
use crate::config::{ClockKind, Settings};
use crate::engine::error::LogError;
use crate::http;
use crate::metrics::Exposition;
use crate::stages::rule_table::RuleTable;

use super::assembly::{Assembly, follow_rules};
use super::clock_watch::ClockWatch;
use super::counters;
use super::front::Front;
use super::gauges::Gauges;
use super::instance::Instance;
use super::letter_pages::Pages;
use super::lookups::Lookups;
use super::memory;
use super::node::Node;
use super::patience::however_long;
use super::setup::cluster;
use super::signals::Signals;
use super::store_watch::watch_stores;
use super::topic_watch::TopicWatch;

/// How often gauges are brought up to date.
const GAUGES_EVERY_MS: u64 = 5_000;
/// Calls to servers that do not answer are left behind at the end.
const ABANDON_AFTER: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT, or until a stage cannot go on.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    memory::keep_no_freed_pages();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(settings));
    runtime.shutdown_timeout(ABANDON_AFTER);
    outcome
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    // First, so that a signal ends a start in good order, too.
    let signals = Signals::listen()?;
    let metrics = Exposition::install()?;
    counters::stand_at_zero(&settings.stages);
    let listener = TcpListener::bind(settings.http.listen)
        .await
        .with_context(|| format!("http.listen: cannot listen on {}", settings.http.listen))?;
    let front = Arc::new(Front::new(metrics.clone()));
    let (stop, stopped) = watch::channel(false);
    let web = serve_http(&settings, listener, front.clone(), stopped.clone());
    let mut tasks = JoinSet::new();
    let instance = Instance::new(&settings);
    let outcome = tokio::select! {
        signal = signals.any() => {
            tracing::info!("{signal} while starting");
            Ok(None)
        }
        lost = instance.lost() => Err(lost),
        node = async {
            instance.claim(&settings).await?;
            start(&settings, metrics, stopped, &mut tasks).await
        } => node.map(Some),
    };
    let outcome = match outcome {
        Ok(Some(node)) => tokio::select! {
            lost = instance.lost() => Err(lost),
            ended = watch_over(&settings, node, &front, &signals, &mut tasks) => ended,
        },
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    let _ = stop.send(true);
    let drained = drain(&mut tasks, settings.limits.shutdown_timeout_seconds).await;
    // Renewed until here: what drains still runs as this instance.
    let (_, _) = tokio::join!(instance.release(), web);
    tracing::info!("accrual has ended");
    outcome.and(drained)
}

/// Serves probes and metrics at once; the rest is unavailable until the stages run.
fn serve_http(
    settings: &Settings,
    listener: TcpListener,
    front: Arc<Front>,
    mut closing: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let token = settings.http.token.as_ref();
    let options = http::Options {
        token: token.map(|token| token.expose().to_string()),
        manual_clock: settings.clock == ClockKind::Manual,
        ..http::Options::default()
    };
    let routes = http::routes(front, &options);
    let limits = http::server::Limits {
        connections_per_peer: settings.http.connections_per_peer,
        ..http::server::Limits::default()
    };
    tokio::spawn(http::server::serve(listener, routes, limits, async move {
        let _ = closing.wait_for(|closing| *closing).await;
    }))
}

/// Waits for Kafka and Redis, and starts the stages.
async fn start(
    settings: &Settings,
    metrics: Exposition,
    stopped: watch::Receiver<bool>,
    tasks: &mut JoinSet<Result<(), LogError>>,
) -> anyhow::Result<Arc<Node>> {
    let cluster = cluster(settings);
    let clock = Arc::new(match settings.clock {
        ClockKind::System => ProcessorClock::System,
        ClockKind::Manual => ProcessorClock::manual(),
    });
    let rules = Arc::new(RuleTable::default());
    let table = however_long("rules", async || follow_rules(settings, &cluster, &rules).await);
    let table = Arc::new(table.await?);
    let assembly = Assembly {
        settings,
        cluster: &cluster,
        clock: &clock,
        rules: &rules,
        table: &table,
        stopped,
    };
    let (stages, broadcasts) = assembly.start(tasks).await?;
    let boards = stages
        .iter()
        .map(|stage| (stage.kind, stage.board.clone()))
        .collect();
    let lookups = however_long("look-ups", async || {
        Lookups::open(settings, &cluster, &boards).await
    });
    let lookups = lookups.await?;
    let admin = Admin::new(&cluster, "accrual-watch")?;
    let topics = Arc::new(TopicWatch::start(admin, &settings.topics, &stages).await?);
    Ok(Arc::new(Node {
        clock,
        stages,
        broadcasts,
        table,
        rules,
        lookups,
        letters: Pages::new(settings, &cluster),
        topics,
        wall: ClockWatch::start()?,
        metrics,
    }))
}

/// Watches what the running stages depend on, until a signal comes or a stage ends.
async fn watch_over(
    settings: &Settings,
    node: Arc<Node>,
    front: &Front,
    signals: &Signals,
    tasks: &mut JoinSet<Result<(), LogError>>,
) -> anyhow::Result<()> {
    let gauges = Gauges::new(node.clone(), &cluster(settings))?;
    let topics = node.topics.clone();
    let mut watches = JoinSet::new();
    watches.spawn(watch_stores(node.clone()));
    watches.spawn(async move { topics.run().await });
    watches.spawn(gauges.keep(Duration::from_millis(GAUGES_EVERY_MS)));
    front.runs(node);
    tracing::info!(instance = settings.instance_id, listen = %settings.http.listen, "accrual runs");
    tokio::select! {
        signal = signals.any() => tracing::info!("{signal}: draining"),
        ended = tasks.join_next() => {
            ended.context("no stage runs")???;
            bail!("a stage ended by itself");
        }
    }
    Ok(())
}

/// Transactions in flight end; the rest is for the next owner.
async fn drain(tasks: &mut JoinSet<Result<(), LogError>>, seconds: u32) -> anyhow::Result<()> {
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    };
    match tokio::time::timeout(Duration::from_secs(seconds.into()), all).await {
        Ok(ended) => ended,
        Err(_) => bail!("not drained after {seconds} s; what was committed is safe"),
    }
}
