//! Child processes that end when the test process does, however that ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::Duration;

use super::{Control, wait_for};

const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const LOG_TAIL_BYTES: u64 = 12_000;

/// One program, started and stopped any number of times. Killed when dropped.
pub struct Process {
    name: String,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Process {
    /// Not started yet. What the program prints goes to the file `log`.
    pub fn new(name: &str, log: PathBuf, command: impl Fn() -> Command + Send + Sync + 'static) -> Process {
        Process {
            name: name.to_owned(),
            command: Box::new(command),
            log,
            child: Mutex::new(None),
        }
    }

    /// How it ended, if it was started and has.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child()
            .as_mut()
            .and_then(|child| child.try_wait().expect("the child is ours"))
    }

    /// Waits for it to end by itself.
    pub fn wait(&self, timeout: Duration) -> ExitStatus {
        let mut status = None;
        wait_for(&format!("{} to end", self.name), timeout, || {
            status = self.ended();
            status.is_some()
        });
        self.child().take();
        status.expect("waited for")
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(&self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.wait(STOP_TIMEOUT)
    }

    pub fn pid(&self) -> u32 {
        let child = self.child();
        let child = child.as_ref();
        child
            .unwrap_or_else(|| panic!("{} is not running", self.name))
            .id()
    }

    pub fn signal(&self, signal: i32) {
        send(self.pid(), signal);
    }

    /// The end of what it printed.
    pub fn log_tail(&self) -> String {
        let Ok(mut file) = File::open(&self.log) else {
            return String::new();
        };
        let length = file.metadata().map_or(0, |data| data.len());
        let mut tail = Vec::new();
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)));
        let _ = file.read_to_end(&mut tail);
        String::from_utf8_lossy(&tail).into_owned()
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn reap(&self) {
        if let Some(mut child) = self.child().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Control for Process {
    fn start(&self) {
        let mut slot = self.child();
        assert!(slot.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("a writable log");
        let mut command = (self.command)();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
        *slot = Some(spawn(command).unwrap_or_else(|why| panic!("{} does not start: {why}", self.name)));
    }

    fn stop(&self) {
        if self.ended().is_none() {
            self.terminate();
        }
        self.reap();
    }

    fn kill(&self) {
        self.reap();
    }

    fn pause(&self) {
        self.signal(libc::SIGSTOP);
    }

    fn resume(&self) {
        self.signal(libc::SIGCONT);
    }

    fn trouble(&self) -> Option<String> {
        let status = self.ended()?;
        Some(format!("{} ended ({status}):\n{}", self.name, self.log_tail()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.reap();
    }
}

/// A new directory, removed with all others when the test process ends.
pub fn new_dir(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let dir = ROOT.join(format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir_all(&dir).expect("a writable temp dir");
    dir
}

/// Starts a child that dies with this process. The kernel ties it to the thread that made it,
/// and a test's thread ends with the test: so one thread makes all of them and never ends.
fn spawn(mut command: Command) -> io::Result<Child> {
    type Job = (Command, mpsc::Sender<io::Result<Child>>);
    static MAKER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
        let (jobs, inbox) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        jobs
    });
    #[cfg(target_os = "linux")]
    // SAFETY: prctl is async-signal-safe and touches nothing of ours.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    // A group of its own: Ctrl-C is for the test process, which takes its children with it.
    command.process_group(0);
    let (answer, child) = mpsc::channel();
    MAKER.send((command, answer)).expect("the maker never ends");
    let child = child.recv().expect("the maker answers")?;
    CHILDREN.lock().expect("never poisoned").push(child.id());
    Ok(child)
}

/// Runs `act` when the test process ends in good order, children and directories aside.
pub fn at_exit(act: fn()) {
    LazyLock::force(&ROOT);
    AT_EXIT.lock().expect("never poisoned").push(act);
}

pub fn is_alive(pid: u32) -> bool {
    send(pid, 0)
}

fn send(pid: u32, signal: i32) -> bool {
    // SAFETY: kill touches no memory. Children are ours until they are waited for.
    unsafe { libc::kill(pid as libc::pid_t, signal) == 0 }
}

static CHILDREN: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static AT_EXIT: Mutex<Vec<fn()>> = Mutex::new(Vec::new());
const ROOT_PREFIX: &str = "accrual-tests-";

/// Where this test process keeps everything. Made once; what dead ones left is swept away.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let temp = std::env::temp_dir();
    sweep(&temp);
    let root = temp.join(format!("{ROOT_PREFIX}{}", std::process::id()));
    fs::create_dir_all(&root).expect("a writable temp dir");
    // SAFETY: the handler is a plain function that stays.
    unsafe { libc::atexit(clean_up) };
    root
});

extern "C" fn clean_up() {
    // Children that were dropped are gone, but their ids may belong to others by now: only a
    // process that is still our child can be waited for, so that is asked first.
    if let Ok(children) = CHILDREN.lock() {
        for pid in children.iter().map(|pid| *pid as libc::pid_t) {
            // SAFETY: waitpid with a null status and kill touch no memory of ours.
            unsafe {
                if libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) == 0 {
                    libc::kill(pid, libc::SIGKILL);
                    libc::waitpid(pid, std::ptr::null_mut(), 0);
                }
            }
        }
    }
    for act in AT_EXIT.lock().into_iter().flat_map(|acts| acts.clone()) {
        act();
    }
    let _ = fs::remove_dir_all(&*ROOT);
}

fn sweep(temp: &Path) {
    for entry in fs::read_dir(temp).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix(ROOT_PREFIX)?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !is_alive(pid)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
