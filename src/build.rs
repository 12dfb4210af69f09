//! Names the commit in `accrual --version` of release builds. A development build has none, so that a
//! commit alone compiles nothing again. A source archive has none either, for it has no repository.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const COMMIT_CHARS: usize = 12;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    let version = env!("CARGO_PKG_VERSION");
    let is_released = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let version = match is_released.then(commit).flatten() {
        Some(commit) => format!("{version} (commit {commit})"),
        None => version.to_owned(),
    };
    // Cargo sets it for tests as well: with ACCRUAL_ it would be an unknown setting.
    println!("cargo::rustc-env=BUILD_VERSION={version}");
}

/// Of the repository whose root this package is.
fn commit() -> Option<String> {
    let root = git(&["rev-parse", "--show-toplevel"])?;
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().ok()?;
    if Path::new(&root).canonicalize().ok()? != own {
        return None;
    }
    watch("HEAD");
    if let Some(branch) = git(&["symbolic-ref", "-q", "HEAD"]) {
        watch(&branch);
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    Some(commit.chars().take(COMMIT_CHARS).collect())
}

/// A branch that is packed has no file until its next commit: then its folder changes.
fn watch(name: &str) {
    let Some(path) = git(&["rev-parse", "--git-path", name]) else {
        return;
    };
    let path = PathBuf::from(path);
    if let Some(there) = path.ancestors().find(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", there.display());
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
