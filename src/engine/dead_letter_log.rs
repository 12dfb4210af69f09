//! Dead letters in the log: one line a minute for each stage and reason, with how many there were
//! and where the last was read. A flood of refused records must not become a flood of lines.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::ports::Partition;

const EVERY_MS: u64 = 60_000;

/// What one line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub stage: &'static str,
    pub code: &'static str,
    /// Since the line before.
    pub count: u64,
    pub partition: Partition,
    /// Place and reason of the last.
    pub last: String,
}

/// Dead letters of one stage and reason that no line has counted yet.
struct Unsaid {
    since: Instant,
    count: u64,
    last: Option<(Partition, String)>,
}

#[derive(Default)]
pub struct DeadLetterLog(BTreeMap<(&'static str, &'static str), Unsaid>);

impl DeadLetterLog {
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Counts one. `Some`: it is to be logged now.
    pub fn note(
        &mut self,
        of: (&'static str, &'static str),
        partition: Partition,
        last: String,
        now: Instant,
    ) -> Option<Line> {
        match self.0.get_mut(&of) {
            // The first for a while is logged at once.
            None => {
                let unsaid = Unsaid {
                    since: now,
                    count: 0,
                    last: None,
                };
                self.0.insert(of, unsaid);
                Some(line(of, 1, partition, last))
            }
            Some(unsaid) => {
                unsaid.count += 1;
                unsaid.last = Some((partition, last));
                None
            }
        }
    }

    /// The lines whose minute is over.
    pub fn due(&mut self, now: Instant) -> Vec<Line> {
        let every = Duration::from_millis(EVERY_MS);
        let mut lines = Vec::new();
        self.0.retain(|of, unsaid| {
            if now.duration_since(unsaid.since) < every {
                return true;
            }
            let Some((partition, last)) = unsaid.last.take() else {
                return false;
            };
            lines.push(line(*of, unsaid.count, partition, last));
            unsaid.count = 0;
            unsaid.since = now;
            true
        });
        lines
    }
}

fn line(of: (&'static str, &'static str), count: u64, partition: Partition, last: String) -> Line {
    Line {
        stage: of.0,
        code: of.1,
        count,
        partition,
        last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_minute_that_counts_all_of_it() {
        let mut log = DeadLetterLog::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let of = ("orders", "malformed");
        let first = log.note(of, 1, "offset 0".into(), at(0));
        assert_eq!(first.map(|line| line.count), Some(1));
        for n in 1..=5_000 {
            assert_eq!(log.note(of, 2, format!("offset {n}"), at(n % 59)), None);
        }
        assert!(
            log.note(("orders", "too_large"), 1, "offset 7".into(), at(59))
                .is_some()
        );
        assert_eq!(log.due(at(59)), []);
        assert_eq!(log.due(at(60)), [line(of, 5_000, 2, "offset 5000".into())]);
        assert_eq!(log.due(at(61)), []);
        assert_eq!(log.note(of, 3, "offset 9".into(), at(70)), None);
        assert_eq!(log.due(at(121)), [line(of, 1, 3, "offset 9".into())]);
        // Quiet for a minute: the next is logged at once again.
        assert_eq!(log.due(at(182)), []);
        assert!(log.note(of, 1, "offset 10".into(), at(200)).is_some());
    }
}
