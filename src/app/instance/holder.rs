//! The entry of the process that holds a lease: who it is, and whether it is known to be dead.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::domain::instant::Instant;

/// One process. What the system does not say is absent; then only time shows that it is dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Tells this process from every other.
    nonce: String,
    host: String,
    pid: u32,
    /// RFC 3339.
    since: String,
    /// Changes with each start of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot_id: Option<String>,
    /// Two processes of one machine and one namespace mean the same by a pid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pid_namespace: Option<String>,
    /// In clock ticks since the machine started: tells a process from a later one of the same pid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_ticks: Option<u64>,
}

impl Holder {
    pub fn this_process() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let pid = std::process::id();
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok();
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self {
            nonce: format!("{host}-{pid}-{}", now.as_nanos()),
            host,
            pid,
            since: Instant::from_millis(now.as_millis() as i64).rfc3339(),
            boot_id: boot_id.map(|id| id.trim().to_owned()),
            pid_namespace: namespace.map(|link| link.to_string_lossy().into_owned()),
            start_ticks: stat(pid).map(|stat| stat.start_ticks),
        }
    }

    /// What stands in Redis.
    pub fn entry(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers become JSON")
    }

    /// None: no entry of accrual's.
    pub fn read(entry: &str) -> Option<Self> {
        serde_json::from_str(entry).ok()
    }

    /// Whether it ran where `here` runs and does no longer.
    pub fn is_dead(&self, here: &Self) -> bool {
        let same = |its: &Option<String>, own: &Option<String>| its.is_some() && its == own;
        same(&self.boot_id, &here.boot_id) && same(&self.pid_namespace, &here.pid_namespace) && !self.lives()
    }

    fn lives(&self) -> bool {
        // The process table may be hidden from others' eyes, while signals tell.
        exists(self.pid)
            && stat(self.pid).is_none_or(|stat| {
                !stat.has_ended && self.start_ticks.is_none_or(|ticks| ticks == stat.start_ticks)
            })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, host, since, .. } = self;
        write!(formatter, "pid {pid} on host {host} since {since}")
    }
}

fn exists(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else {
        return false;
    };
    // SAFETY: touches no memory, and signal 0 is never delivered.
    let found = unsafe { libc::kill(pid, 0) } == 0;
    // No right to send one: there is a process.
    found || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// What `/proc` says of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// Only its parent has yet to take note.
    has_ended: bool,
    start_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    read_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `pid (name) state ppid … starttime …`, proc_pid_stat(5). The name may hold anything.
fn read_stat(text: &str) -> Option<Stat> {
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    Some(Stat {
        has_ended: matches!(state, "Z" | "X" | "x"),
        start_ticks: fields.nth(18)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let full = Holder {
            nonce: "n".into(),
            host: "h".into(),
            pid: 7,
            since: "2024-03-04T00:00:00Z".into(),
            boot_id: Some("b".into()),
            pid_namespace: Some("pid:[1]".into()),
            start_ticks: Some(99),
        };
        let text = r#"{"nonce":"n","host":"h","pid":7,"since":"2024-03-04T00:00:00Z","boot_id":"b","pid_namespace":"pid:[1]","start_ticks":99}"#;
        assert_eq!(full.entry(), text);
        assert_eq!(Holder::read(text), Some(full.clone()));
        assert_eq!(full.to_string(), "pid 7 on host h since 2024-03-04T00:00:00Z");
        // Of a system without /proc, and of a later version.
        let bare = r#"{"nonce":"n","host":"h","pid":7,"since":"2024-03-04T00:00:00Z","more":1}"#;
        let bare = Holder::read(bare).expect("an entry");
        assert_eq!((&bare.boot_id, bare.start_ticks), (&None, None));
        assert_eq!(Holder::read("somebody else's"), None);
    }

    #[test]
    fn the_fields_of_stat_are_found_behind_any_name() {
        let rest = "1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9";
        for (state, has_ended) in [("S", false), ("T", false), ("Z", true)] {
            let text = format!("42 (a) b) {state} {rest}");
            let start_ticks = 4711;
            assert_eq!(
                read_stat(&text),
                Some(Stat {
                    has_ended,
                    start_ticks
                })
            );
        }
        assert_eq!(read_stat("42 (a) S 1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_a_process_of_this_machine_is_known_to_be_dead() {
        use std::process::{Command, Stdio};

        let here = Holder::this_process();
        assert!(here.boot_id.is_some() && here.pid_namespace.is_some() && here.start_ticks.is_some());
        assert!(!here.is_dead(&here));
        let earlier = Holder {
            start_ticks: here.start_ticks.map(|ticks| ticks - 1),
            ..here.clone()
        };
        assert!(earlier.is_dead(&here), "its pid belongs to another process");

        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let of_child = Holder {
            pid: child.id(),
            start_ticks: stat(child.id()).map(|stat| stat.start_ticks),
            ..here.clone()
        };
        assert!(!of_child.is_dead(&here));
        child.kill().expect("killed");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !of_child.is_dead(&here) {
            assert!(
                std::time::Instant::now() < deadline,
                "dead before it is waited for"
            );
            std::thread::yield_now();
        }
        child.wait().expect("ended");
        assert!(of_child.is_dead(&here));
        for elsewhere in [
            Holder {
                boot_id: Some("another".into()),
                ..of_child.clone()
            },
            Holder {
                pid_namespace: Some("pid:[0]".into()),
                ..of_child.clone()
            },
            Holder {
                boot_id: None,
                ..of_child.clone()
            },
        ] {
            assert!(!elsewhere.is_dead(&here), "{elsewhere:?}");
        }
        let nowhere = Holder {
            boot_id: None,
            ..here.clone()
        };
        assert!(
            !Holder {
                boot_id: None,
                ..of_child
            }
            .is_dead(&nowhere)
        );
    }
}
