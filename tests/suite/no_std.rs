//! The pure crates link and run without std.
//!
//! `tests/no-std` is a program in a workspace of its own, with its own panic handler and
//! allocator. If a crate in the graph linked std, there would be two panic handlers, which the
//! compiler refuses; the second test shows that it does.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The workspace's target folder has one for this program inside, so that cleaning cleans both.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../no-std")
}

fn build(features: &str) -> Output {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("no-std/Cargo.toml");
    Command::new(env!("CARGO"))
        .args(["build", "--bin", "mortise-no-std", "--features", features, "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target())
        .output()
        .expect("cargo can be started")
}

#[test]
fn pure_crates_link_and_run_without_std() {
    let built = build("");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let program = target().join("debug/mortise-no-std");
    let ran = Command::new(program).status().expect("the program was built");
    assert_eq!(ran.code(), Some(0));
}

#[test]
fn std_beside_the_pure_crates_is_refused_by_the_compiler() {
    let built = build("planted-std");
    let output = String::from_utf8_lossy(&built.stderr);
    assert!(!built.status.success() && output.contains("panic_impl"), "{output}");
}
