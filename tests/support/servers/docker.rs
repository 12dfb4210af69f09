//! Servers in containers: created at the first start, kept over stops, removed in the end.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, Once};
use std::thread;

use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};
use tokio::runtime::Runtime;

use super::Control;
use super::process::{at_exit, is_alive};

const STOP_SECONDS: i32 = 30;
type Outcome = Result<(), testcontainers::TestcontainersError>;

const NAME_PREFIX: &str = "accrual-tests-";

/// One container, made when it is first started. Its port is the same inside and outside,
/// so that what a server says of its own address is true for both.
pub struct Container {
    name: String,
    state: Mutex<State>,
}

type Request = ContainerRequest<GenericImage>;

enum State {
    Asked(Box<Request>),
    Made(Box<ContainerAsync<GenericImage>>),
    Gone,
}

impl Container {
    pub fn new(
        name: &str,
        (image, tag): (&str, &str),
        port: u16,
        refine: impl FnOnce(Request) -> Request,
    ) -> Container {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        static SWEPT: Once = Once::new();
        SWEPT.call_once(|| {
            remove(&left_by_the_dead());
            at_exit(remove_own);
        });
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{NAME_PREFIX}{}-{name}-{number}", std::process::id());
        let request = GenericImage::new(image, tag)
            .with_wait_for(WaitFor::Nothing)
            .with_mapped_port(port, port.tcp())
            .with_container_name(&name);
        let state = Mutex::new(State::Asked(Box::new(refine(request))));
        Container { name, state }
    }

    fn run(&self, act: impl AsyncFnOnce(&ContainerAsync<GenericImage>) -> Outcome + Send) {
        self.on_runtime(async |state| match state {
            State::Made(container) => act(container).await,
            _ => Ok(()),
        });
    }

    /// Tests may be inside a runtime, where nothing may block on another: a thread may.
    fn on_runtime(&self, act: impl AsyncFnOnce(&mut State) -> Outcome + Send) {
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
        let done = thread::scope(|scope| {
            let job = || {
                let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                RUNTIME.block_on(act(&mut state))
            };
            scope.spawn(job).join().expect("no panic in a container call")
        });
        done.unwrap_or_else(|why| panic!("{}: {why}", self.name))
    }
}

impl Control for Container {
    fn start(&self) {
        self.on_runtime(async |state| {
            *state = match std::mem::replace(state, State::Gone) {
                State::Asked(request) => State::Made(Box::new(request.start().await?)),
                State::Made(container) => {
                    container.start().await?;
                    State::Made(container)
                }
                State::Gone => State::Gone,
            };
            Ok(())
        });
    }

    fn stop(&self) {
        self.run(async |container| container.stop_with_timeout(Some(STOP_SECONDS)).await);
    }

    fn kill(&self) {
        self.run(async |container| container.stop_with_timeout(Some(0)).await);
    }

    fn pause(&self) {
        self.run(async |container| container.pause().await);
    }

    fn resume(&self) {
        self.run(async |container| container.unpause().await);
    }

    fn trouble(&self) -> Option<String> {
        None
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.on_runtime(async |state| match std::mem::replace(state, State::Gone) {
            State::Made(container) => container.rm().await,
            _ => Ok(()),
        });
    }
}

fn remove_own() {
    remove(&named(&format!("{NAME_PREFIX}{}-", std::process::id())));
}

/// Containers of test processes that were killed.
fn left_by_the_dead() -> Vec<String> {
    let mut names = named(NAME_PREFIX);
    names.retain(|name| {
        let pid = name
            .strip_prefix(NAME_PREFIX)
            .and_then(|rest| rest.split('-').next());
        pid.and_then(|pid| pid.parse().ok())
            .is_some_and(|pid| !is_alive(pid))
    });
    names
}

fn named(prefix: &str) -> Vec<String> {
    let output = Command::new("docker")
        .args([
            "ps",
            "-a",
            "--format",
            "{{.Names}}",
            "--filter",
            &format!("name={prefix}"),
        ])
        .stderr(Stdio::null())
        .output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .map(str::to_owned)
        .collect()
}

fn remove(names: &[String]) {
    if !names.is_empty() {
        let mut docker = Command::new("docker");
        docker.args(["rm", "-f", "-v"]).args(names);
        let _ = docker.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
