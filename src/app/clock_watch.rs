//! Notices a wall clock that steps back: timers wait until it has caught up again, and Kafka's
//! client may wait as long, since it waits by deadlines on the wall clock.
//!
//! Compares the wall clock with the monotonic one, on a thread of its own that waits by the latter.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Smaller steps are a time server's corrections.
const STEP_MIN: Duration = Duration::from_secs(2);
/// Kafka's answers count from so long after a step on.
const WORKS_AFTER: Duration = Duration::from_secs(15);

/// Both clocks at one moment: the wall clock since 1970, the monotonic one since any beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    wall: Duration,
    monotonic: Duration,
}

/// A step back that the wall clock has not made up for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    by: Duration,
    /// Where the clock would have been at the step.
    from: Duration,
    /// When it was found, by the monotonic clock.
    at: Duration,
}

#[derive(Debug, Default)]
struct Steps {
    last: Option<Reading>,
    open: Option<Step>,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Found {
    Nothing,
    SteppedBack(Step),
    CaughtUp,
}

impl Steps {
    fn look(&mut self, now: Reading) -> Found {
        let Some(last) = self.last.replace(now) else {
            return Found::Nothing;
        };
        let expected = last.wall + now.monotonic.saturating_sub(last.monotonic);
        let by = expected.saturating_sub(now.wall);
        if by >= STEP_MIN {
            // Further back while a step is open: that one's place still stands.
            let from = self.open.map_or(expected, |open| open.from.max(expected));
            let step = Step {
                by: from.saturating_sub(now.wall),
                from,
                at: now.monotonic,
            };
            self.open = Some(step);
            return Found::SteppedBack(step);
        }
        match self.open {
            Some(open) if now.wall >= open.from => {
                self.open = None;
                Found::CaughtUp
            }
            _ => Found::Nothing,
        }
    }

    /// Kafka answers: nothing waits for the clock to come back. True when that ends a step, which
    /// calls made before it may have outlived for a while.
    fn answered(&mut self) -> bool {
        let age = |step: Step| self.last.map_or(Duration::ZERO, |last| last.monotonic - step.at);
        let over = self.open.is_some_and(|step| age(step) >= WORKS_AFTER);
        if over {
            self.open = None;
        }
        over
    }
}

/// Looks until it is dropped.
pub struct ClockWatch(Arc<Mutex<Steps>>);

impl ClockWatch {
    pub fn start() -> anyhow::Result<Self> {
        let steps = Arc::<Mutex<Steps>>::default();
        let watched = Arc::downgrade(&steps);
        thread::Builder::new()
            .name("clock-watch".into())
            .spawn(move || watch(&watched))
            .context("no thread to watch the clock")?;
        Ok(Self(steps))
    }

    /// To be called when Kafka has answered a round of questions.
    pub fn answered(&self) {
        if lock(&self.0).answered() {
            tracing::info!("the clock went back, and work goes on");
        }
    }

    /// Why the process is not ready.
    pub fn reason(&self) -> Option<String> {
        let open = lock(&self.0).open?;
        Some(format!(
            "the clock went back by {} s: timers wait until it is past where it was",
            open.by.as_secs()
        ))
    }
}

fn watch(steps: &Weak<Mutex<Steps>>) {
    let begin = Instant::now();
    while let Some(steps) = steps.upgrade() {
        let now = Reading {
            wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            monotonic: begin.elapsed(),
        };
        let found = lock(&steps).look(now);
        drop(steps);
        match found {
            Found::Nothing => {}
            Found::SteppedBack(step) => tracing::error!(
                seconds = step.by.as_secs(),
                "the clock went back: timers wait until it is past where it was"
            ),
            Found::CaughtUp => tracing::info!("the clock is past where it was before it went back"),
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn lock(steps: &Mutex<Steps>) -> MutexGuard<'_, Steps> {
    steps.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of the wall clock and of the monotonic one, and whether a step is open then.
    type Look = (u64, u64, bool);

    #[test]
    fn a_step_back_stands_until_the_clock_is_past_where_it_was() {
        let rows: [(&str, &[Look]); 6] = [
            (
                "goes on",
                &[(1_000, 0, false), (1_001, 1, false), (1_002, 2, false)],
            ),
            (
                "corrected a little",
                &[(1_000, 0, false), (1_000, 1, false), (1_001, 2, false)],
            ),
            (
                "set forward",
                &[(1_000, 0, false), (5_000, 1, false), (5_001, 2, false)],
            ),
            (
                "back, and on from there",
                &[
                    (1_000, 0, false),
                    (401, 1, true),
                    (999, 599, true),
                    (1_001, 601, false),
                ],
            ),
            (
                "back, and put right",
                &[
                    (1_000, 0, false),
                    (401, 1, true),
                    (1_002, 2, false),
                    (1_003, 3, false),
                ],
            ),
            (
                "back twice",
                &[
                    (1_000, 0, false),
                    (901, 1, true),
                    (802, 2, true),
                    (902, 102, true),
                    (1_001, 201, false),
                ],
            ),
        ];
        for (name, looks) in rows {
            let mut steps = Steps::default();
            for (wall, monotonic, open) in looks {
                steps.look(Reading {
                    wall: Duration::from_secs(*wall),
                    monotonic: Duration::from_secs(*monotonic),
                });
                assert_eq!(steps.open.is_some(), *open, "{name} at {wall}");
            }
        }
    }

    #[test]
    fn a_step_is_over_when_kafka_answers_some_time_after_it() {
        let at = |wall, monotonic| Reading {
            wall: Duration::from_secs(wall),
            monotonic: Duration::from_secs(monotonic),
        };
        let mut steps = Steps::default();
        assert!(!steps.answered());
        steps.look(at(1_000, 0));
        steps.look(at(401, 1));
        assert!(!steps.answered(), "asked before the step, perhaps");
        steps.look(at(416, 16));
        assert!(steps.open.is_some());
        assert!(steps.answered());
        assert_eq!(steps.open, None);
    }

    #[test]
    fn a_step_is_reported_once() {
        let at = |wall, monotonic| Reading {
            wall: Duration::from_secs(wall),
            monotonic: Duration::from_secs(monotonic),
        };
        let mut steps = Steps::default();
        let found: Vec<Found> = [at(1_000, 0), at(401, 1), at(402, 2), at(403, 3), at(1_001, 601)]
            .map(|reading| steps.look(reading))
            .into();
        let step = Step {
            by: Duration::from_secs(600),
            from: Duration::from_secs(1_001),
            at: Duration::from_secs(1),
        };
        let quiet = Found::Nothing;
        assert_eq!(
            found,
            [quiet, Found::SteppedBack(step), quiet, quiet, Found::CaughtUp]
        );
    }
}
