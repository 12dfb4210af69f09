//! Clocks of processes that can be set back: Debian's `faketime` stands between them and the
//! system's wall clock. The monotonic clock goes on as it is, as at a real step.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::accrual::Settings;

/// Where the package puts its library, by machine.
const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];
/// How soon a process sees that its clock was set, in seconds.
const SEEN_AFTER_SECONDS: &str = "1";

pub struct Clocks {
    library: &'static str,
    dir: PathBuf,
}

impl Clocks {
    pub fn new(dir: &Path) -> Clocks {
        let library = LIBRARIES.into_iter().find(|path| Path::new(path).exists());
        Clocks {
            library: library.expect("--clocks needs the library of Debian's package faketime"),
            dir: dir.to_owned(),
        }
    }

    /// What a process must be started with.
    pub fn settings(&self, number: usize) -> Settings {
        self.set(number, 0);
        let file = self.file(number).to_string_lossy().into_owned();
        [
            ("LD_PRELOAD", self.library),
            ("FAKETIME_TIMESTAMP_FILE", file.as_str()),
            ("FAKETIME_CACHE_DURATION", SEEN_AFTER_SECONDS),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// The clock of a process is so long behind until it is set again.
    pub fn set_back(&self, number: usize, by: Duration) {
        self.set(number, by.as_secs());
    }

    fn set(&self, number: usize, seconds: u64) {
        let offset = if seconds == 0 {
            "+0".to_owned()
        } else {
            format!("-{seconds}")
        };
        let new = self.file(number).with_extension("new");
        fs::write(&new, offset + "\n").expect("a writable directory");
        // Never read when it is half written.
        fs::rename(&new, self.file(number)).expect("a writable directory");
    }

    fn file(&self, number: usize) -> PathBuf {
        self.dir.join(format!("i{number}.clock"))
    }
}
