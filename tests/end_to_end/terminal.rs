//! On a terminal the log is text, and what came from outside cannot forge a line of it.

use std::fs::File;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::redis_losses::Shop;
use crate::support::accrual::command;
use crate::support::servers::{free_port, wait_for};
use crate::support::topics::Outgoing;

const SAID: Duration = Duration::from_secs(30);

/// Ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Our end of a terminal, and the end for a process.
fn terminal() -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (-1, -1);
    let (name, settings, size) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: both integers live through the call; the rest may be null.
    let opened = unsafe { libc::openpty(&mut ours, &mut theirs, name, settings, size) };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were opened just now and belong to nobody else.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

#[test]
fn a_rule_cannot_write_lines_of_the_log() {
    let shop = Shop::new();
    let (mut ours, theirs) = terminal();
    let mut settings = shop.deployment.settings.clone();
    let listen = format!("127.0.0.1:{}", free_port());
    settings.push(("ACCRUAL_HTTP__LISTEN".to_owned(), listen));
    let mut run = command(&["run"], &settings);
    run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(theirs);
    let _running = Running(run.spawn().expect("the binary starts"));
    // Ours alone: else reading would never end.
    drop(run);
    let said = Arc::new(Mutex::new(Vec::new()));
    let shown = said.clone();
    thread::spawn(move || {
        let mut chunk = [0; 4_096];
        while let Ok(length @ 1..) = ours.read(&mut chunk) {
            shown
                .lock()
                .expect("never poisoned")
                .extend_from_slice(&chunk[..length]);
        }
    });
    let said = || String::from_utf8_lossy(&said.lock().expect("never poisoned")).into_owned();

    let forged = "rules.\u{1b}[31mX\nforged line";
    let event = json!({
        "specversion": "1.0", "id": "r-1", "source": "/s", "type": forged, "subject": "acme",
        "time": "2024-03-04T00:00:00Z", "data": {"shop_id": "acme"},
    });
    let record = Outgoing::new("acme", event.to_string());
    shop.deployment.topics.produce("point_rules", &record);
    shop.deployment.topics.flush();
    wait_for("the refusal to be logged", SAID, || {
        said().contains("forged line")
    });
    let said = said();
    assert!(!said.contains("\u{1b}[31mX"), "a colour of its own: {said:?}");
    let begins = said
        .lines()
        .any(|line| line.trim_start().starts_with("forged line"));
    assert!(!begins, "a line of its own: {said:?}");
}
