//! The binary itself: once for a command, or running until it is stopped or killed.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use super::http;
use super::servers::{Control, Process, free_port, new_dir, wait_for};

const READY_TIMEOUT: Duration = Duration::from_secs(60);
const BINARY_VARIABLE: &str = "ACCRUAL_TEST_BINARY";
/// Names the binary that runs before an upgrade.
const BEFORE_VARIABLE: &str = "ACCRUAL_BEFORE_BINARY";
/// A shell's exit code for a process that a signal ended, less the signal.
const SIGNALLED: i32 = 128;

/// Settings as environment variables.
pub type Settings = Vec<(String, String)>;

/// Runs a command to its end, with nothing of this process' own settings.
pub fn run(arguments: &[&str], settings: &Settings) -> Output {
    command(arguments, settings).output().expect("the binary starts")
}

/// A command that may be killed before its end. Not started yet.
pub fn process(name: &str, arguments: &[&str], settings: &Settings) -> Process {
    let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
    let settings = settings.clone();
    Process::new(name, new_dir(name).join("log"), move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        command(&arguments, &settings)
    })
}

/// Runs a command that must succeed; what it printed.
pub fn succeed(arguments: &[&str], settings: &Settings) -> String {
    let output = run(arguments, settings);
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "accrual {arguments:?}: {}\n{complaints}{printed}",
        output.status
    );
    printed
}

/// What `accrual replay` prints.
pub fn replay(rules: &[impl AsRef<Path>], events: &[impl AsRef<Path>], until: Option<&str>) -> String {
    let mut arguments = vec!["replay"];
    arguments.extend(rules.iter().flat_map(|path| ["--rules", utf8(path.as_ref())]));
    arguments.extend(events.iter().flat_map(|path| ["--events", utf8(path.as_ref())]));
    arguments.extend(until.iter().flat_map(|until| ["--until", until]));
    succeed(&arguments, &Settings::new())
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

/// The binary that is tested: this build's, or the one that `ACCRUAL_TEST_BINARY` names.
fn binary() -> PathBuf {
    let given = std::env::var_os(BINARY_VARIABLE);
    given.map_or_else(|| env!("CARGO_BIN_EXE_accrual").into(), PathBuf::from)
}

/// A command with nothing of this process' own settings. Not started yet.
pub fn command(arguments: &[&str], settings: &Settings) -> Command {
    command_of(&binary(), arguments, settings)
}

fn command_of(binary: &Path, arguments: &[&str], settings: &Settings) -> Command {
    let mut command = Command::new(binary);
    let own = std::env::vars_os().map(|(name, _)| name);
    for name in own.filter(|name| name.to_string_lossy().starts_with("ACCRUAL_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(settings.iter().cloned());
    command
}

/// One instance. Killed when dropped; its log is shown if the test fails.
pub struct Accrual {
    process: Process,
    port: u16,
}

impl Accrual {
    /// Starts it with a manual clock and waits until it is ready.
    pub fn start(settings: &Settings) -> Accrual {
        let accrual = Accrual::spawn(settings);
        accrual.wait_ready();
        accrual
    }

    /// Starts it and waits for nothing.
    pub fn spawn(settings: &Settings) -> Accrual {
        let accrual = Accrual::new(settings, new_dir("accrual").join("log"));
        accrual.process.start();
        accrual
    }

    /// Starts the version before, where `ACCRUAL_BEFORE_BINARY` names one, and waits until it is ready.
    pub fn start_before(settings: &Settings) -> Accrual {
        let before = std::env::var_os(BEFORE_VARIABLE).map_or_else(binary, PathBuf::from);
        let accrual = Accrual::of(before, settings, new_dir("accrual").join("log"));
        accrual.start_again();
        accrual
    }

    /// Not started yet. What it says goes to the file `log`.
    pub fn new(settings: &Settings, log: PathBuf) -> Accrual {
        Accrual::of(binary(), settings, log)
    }

    fn of(binary: PathBuf, settings: &Settings, log: PathBuf) -> Accrual {
        let port = free_port();
        let mut all: Settings = vec![
            ("ACCRUAL_HTTP__LISTEN".to_owned(), format!("127.0.0.1:{port}")),
            ("ACCRUAL_CLOCK".to_owned(), "manual".to_owned()),
        ];
        all.extend(settings.iter().cloned());
        let process = Process::new("accrual", log, move || command_of(&binary, &["run"], &all));
        Accrual { process, port }
    }

    /// Starts it, again or for the first time, and waits for nothing.
    pub fn launch(&self) {
        self.process.start();
    }

    /// Starts it again after a kill or a stop and waits until it is ready.
    pub fn start_again(&self) {
        self.process.start();
        self.wait_ready();
    }

    pub fn wait_ready(&self) {
        wait_for("accrual to be ready", READY_TIMEOUT, || {
            self.must_run();
            http::get(self.port, "/readyz").is_ok_and(|answer| answer.status == 200)
        });
    }

    pub fn set_clock(&self, now: &str) {
        let answer = http::post(self.port, "/v1/clock", &json!({ "now": now }));
        let answer = answer.unwrap_or_else(|why| panic!("setting the clock to {now}: {why}"));
        assert!(
            (200..300).contains(&answer.status),
            "setting the clock to {now}: {answer:?}"
        );
    }

    /// What it says of itself; null while it cannot say, as when a server it needs is away.
    pub fn status(&self) -> Value {
        self.must_run();
        match http::get(self.port, "/v1/status") {
            Ok(answer) if answer.status == 200 => answer.json(),
            _ => Value::Null,
        }
    }

    /// Where it serves HTTP.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub fn get(&self, path: &str) -> http::Answer {
        http::get(self.port, path).unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    pub fn post(&self, path: &str, body: &Value) -> http::Answer {
        http::post(self.port, path, body).unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    /// kill -9
    pub fn kill(&self) {
        self.process.kill();
    }

    /// SIGTERM, and waits for the end; its exit status.
    pub fn stop(&self) -> Option<i32> {
        self.process.terminate().code()
    }

    /// SIGTERM, and waits for nothing.
    pub fn ask_to_stop(&self) {
        self.process.signal(libc::SIGTERM);
    }

    /// How it ended, if it was started and has: what a shell would say of it.
    pub fn exit_code(&self) -> Option<i32> {
        let status = self.process.ended()?;
        status
            .code()
            .or_else(|| status.signal().map(|signal| SIGNALLED + signal))
    }

    /// Status of a probe; none while it does not answer.
    pub fn probe(&self, path: &str) -> Option<http::Answer> {
        http::get(self.port, path).ok()
    }

    /// SIGSTOP
    pub fn pause(&self) {
        self.process.pause();
    }

    /// SIGCONT
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Waits for it to end by itself; its exit status.
    pub fn wait_for_end(&self, timeout: Duration) -> Option<i32> {
        self.process.wait(timeout).code()
    }

    pub fn has_ended(&self) -> bool {
        self.process.ended().is_some()
    }

    /// Of the running process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn log(&self) -> String {
        self.process.log_tail()
    }

    fn must_run(&self) {
        if let Some(trouble) = self.process.trouble() {
            panic!("{trouble}");
        }
    }
}

impl fmt::Debug for Accrual {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "accrual at port {}", self.port)
    }
}

impl Drop for Accrual {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{self:?} said last:\n{}", self.process.log_tail());
        }
    }
}
