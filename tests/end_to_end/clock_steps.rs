//! The wall clock goes back under a running process: readiness says so, the log says so once, and
//! all goes on when the clock is right again.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::redis_losses::Shop;
use crate::support::accrual::{Accrual, Settings};
use crate::support::http::Answer;
use crate::support::servers::{new_dir, wait_for};

const NOTICED: Duration = Duration::from_secs(10);
const SETTLED: Duration = Duration::from_secs(30);
const BACK_SECONDS: i64 = 600;

/// The wall clock of a process, which can be set while it runs.
struct SteppedClock {
    library: PathBuf,
    file: PathBuf,
}

impl SteppedClock {
    fn new() -> SteppedClock {
        let dir = new_dir("clock");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/clock_that_steps.c");
        let library = dir.join("clock_that_steps.so");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut compile = Command::new(compiler);
        compile
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(source);
        let output = compile.output().expect("the C compiler that librdkafka needs");
        assert!(output.status.success(), "{output:?}");
        let file = dir.join("seconds");
        fs::write(&file, 0_i64.to_ne_bytes()).expect("a writable temp dir");
        SteppedClock { library, file }
    }

    fn settings(&self) -> Settings {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("LD_PRELOAD".to_owned(), path(&self.library)),
            ("STEPPED_CLOCK".to_owned(), path(&self.file)),
        ]
    }

    /// How far the process' clock is beside the system's from now on.
    fn set(&self, seconds: i64) {
        let file = File::options().write(true).open(&self.file);
        let file = file.expect("a writable temp dir");
        file.write_all_at(&seconds.to_ne_bytes(), 0).expect("a write");
    }
}

#[test]
fn a_clock_that_goes_back_is_named_and_all_goes_on() {
    let shop = Shop::new();
    let clock = SteppedClock::new();
    let mut settings = shop.deployment.settings.clone();
    settings.extend(clock.settings());
    settings.push(("ACCRUAL_CLOCK".to_owned(), "system".to_owned()));
    let log = new_dir("clock").join("log");
    let accrual = Accrual::new(&settings, log.clone());
    accrual.start_again();
    shop.order(&["K-1"]);
    shop.deployment.wait_quiet(&[&accrual]);
    assert_eq!(shop.check(&["K-1"]), 100);

    clock.set(-BACK_SECONDS);
    let says_it = |answer: &Answer| answer.status == 503 && answer.body.contains("the clock went back by ");
    wait_for("/readyz to say that the clock went back", NOTICED, || {
        accrual.probe("/readyz").is_some_and(|answer| says_it(&answer))
    });
    assert_eq!(accrual.get("/livez").status, 200);
    let status = accrual.get("/v1/status");
    assert!(says_it(&status), "{status:?}");
    shop.order(&["K-2"]);

    clock.set(0);
    wait_for("accrual to be ready again", SETTLED, || {
        accrual
            .probe("/readyz")
            .is_some_and(|answer| answer.status == 200)
    });
    shop.deployment.wait_quiet(&[&accrual]);
    assert_eq!(shop.check(&["K-1", "K-2"]), 200);
    assert_eq!(accrual.stop(), Some(0), "{}", accrual.log());
    let said = fs::read_to_string(&log).expect("a log");
    assert_eq!(said.matches("the clock went back: ").count(), 1, "{said}");
}
