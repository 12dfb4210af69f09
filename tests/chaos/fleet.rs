//! The processes of accrual, kept running as an orchestrator would, and free for one fault at a time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::clocks::Clocks;
use crate::support::accrual::{Accrual, Settings};

pub const INSTANCES: usize = 3;
/// One more comes and goes.
pub const GUEST: usize = INSTANCES;
const STAGES: [&str; 3] = ["orders", "commands", "ledger"];

/// Something a fault may have for itself.
#[derive(Default)]
pub struct Desk(AtomicBool);

impl Desk {
    pub fn take(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }

    pub fn give_back(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

pub struct Member {
    pub accrual: Accrual,
    pub desk: Desk,
    wanted: AtomicBool,
}

pub struct Fleet {
    pub members: Vec<Member>,
    /// Exit codes of processes that ended by themselves.
    ended: Mutex<BTreeMap<i32, u32>>,
    /// What became of SIGTERM.
    stopped: Mutex<BTreeMap<i32, u32>>,
}

impl Fleet {
    /// Three members, started, and the guest, not started. Each has a log in `dir`.
    pub fn start(settings: &Settings, dir: &Path, clocks: Option<&Clocks>) -> Fleet {
        let member = |number: usize| {
            let name = format!("i{number}");
            let mut settings = settings.clone();
            let mut set = |name: &str, value: &str| settings.push((name.to_owned(), value.to_owned()));
            set("ACCRUAL_INSTANCE_ID", &name);
            set("ACCRUAL_CLOCK", "system");
            set("ACCRUAL_LOG", "info");
            if let Some(clocks) = clocks {
                settings.extend(clocks.settings(number));
            }
            Member {
                accrual: Accrual::new(&settings, dir.join(format!("{name}.log"))),
                desk: Desk::default(),
                wanted: AtomicBool::new(false),
            }
        };
        let fleet = Fleet {
            members: (0..=INSTANCES).map(member).collect(),
            ended: Mutex::default(),
            stopped: Mutex::default(),
        };
        (0..INSTANCES).for_each(|number| fleet.launch(number));
        fleet
    }

    pub fn launch(&self, number: usize) {
        let member = &self.members[number];
        member.accrual.launch();
        member.wanted.store(true, Ordering::SeqCst);
    }

    pub fn kill(&self, number: usize) {
        self.note_end(number);
        self.members[number].wanted.store(false, Ordering::SeqCst);
        self.members[number].accrual.kill();
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&self, number: usize, patience: Duration) {
        let member = &self.members[number];
        self.note_end(number);
        member.wanted.store(false, Ordering::SeqCst);
        if member.accrual.has_ended() {
            return member.accrual.kill();
        }
        member.accrual.ask_to_stop();
        let deadline = Instant::now() + patience;
        while !member.accrual.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        // None: it had to be killed.
        let code = member.accrual.exit_code().unwrap_or(-1);
        count(&self.stopped, code);
        member.accrual.kill();
    }

    /// Starts again what has ended by itself and is in no fault's hands.
    pub fn look_after(&self) {
        for (number, member) in self.members.iter().enumerate() {
            if !member.desk.take() {
                continue;
            }
            if self.note_end(number) {
                member.accrual.kill();
                member.accrual.launch();
            }
            member.desk.give_back();
        }
    }

    fn note_end(&self, number: usize) -> bool {
        let member = &self.members[number];
        let code = member.accrual.exit_code();
        let wanted = member.wanted.load(Ordering::SeqCst);
        match code.filter(|_| wanted) {
            Some(code) => {
                count(&self.ended, code);
                true
            }
            None => false,
        }
    }

    /// Whether every partition is owned and nothing is left to do; else what is.
    pub fn quiet(&self, partitions: i32) -> Result<(), String> {
        let statuses: Vec<Value> = self.members[..INSTANCES]
            .iter()
            .map(|member| member.accrual.probe("/v1/status"))
            .map(|answer| answer.filter(|answer| answer.status == 200))
            .map(|answer| answer.map_or(Value::Null, |answer| answer.json()))
            .collect();
        let owned = |stage: &str| {
            let of = |status: &Value| status["stages"][stage]["partitions"].as_i64().unwrap_or(0);
            statuses.iter().map(of).sum::<i64>()
        };
        let all_owned = STAGES.iter().all(|stage| owned(stage) == i64::from(partitions));
        match all_owned && statuses.iter().all(|status| status["quiet"] == true) {
            true => Ok(()),
            false => Err(statuses.iter().map(|status| format!("{status}\n")).collect()),
        }
    }

    /// What the probes of the members say that are not ready.
    pub fn complaints(&self) -> String {
        let of = |(number, member): (usize, &Member)| match member.accrual.probe("/readyz") {
            Some(answer) if answer.status == 200 => String::new(),
            Some(answer) => format!("i{number}: {}\n", answer.body),
            None => format!("i{number}: no answer\n"),
        };
        self.members[..INSTANCES].iter().enumerate().map(of).collect()
    }

    pub fn ended(&self) -> BTreeMap<i32, u32> {
        lock(&self.ended).clone()
    }

    pub fn stopped(&self) -> BTreeMap<i32, u32> {
        lock(&self.stopped).clone()
    }
}

fn count(codes: &Mutex<BTreeMap<i32, u32>>, code: i32) {
    *lock(codes).entry(code).or_default() += 1;
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
