//! `accrual replay` run as a whole, and what it took.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::binary;

/// Seconds by the clock and of the CPU.
pub fn replay(rules: &Path, events: &Path, until: Option<&str>, out: &Path) -> (f64, f64) {
    let out = File::create(out).expect("created");
    let before = children_cpu_seconds();
    let begun = Instant::now();
    let status = Command::new(binary())
        .args(["replay", "--rules"])
        .arg(rules)
        .arg("--events")
        .arg(events)
        .args(until.iter().flat_map(|until| ["--until", until]))
        .stdin(Stdio::null())
        .stdout(out)
        .status()
        .expect("accrual starts");
    assert!(status.success(), "accrual replay ended with {status}");
    (begun.elapsed().as_secs_f64(), children_cpu_seconds() - before)
}

fn children_cpu_seconds() -> f64 {
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    // SAFETY: the struct is plain numbers, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage), 0);
        usage
    };
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
