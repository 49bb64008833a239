//! Goal: the Rust client works against a real engine: every method, retries, timeouts, rollback.

mod history;
mod known;
mod loss;
mod methods;
mod offline;

use mortise_client::{Client, Endpoint, NewLock, Signer};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_testkit::system::System;
use mortise_transport::Address;
use serde_json::Value;
use std::future::Future;
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mortise-under-test");

/// Runs calls to completion on this thread.
pub(crate) fn block_on<T>(calls: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(calls)
}

/// Runs `mortise --json` with these arguments: exit status, data, stderr.
pub(crate) fn run_mortise(args: &[&str]) -> (i32, Value, String) {
    let mut command = Command::new(PROGRAM);
    for variable in ["MORTISE_URL", "MORTISE_KEY", "MORTISE_ANCHORS"] {
        command.env_remove(variable);
    }
    command.arg("--json").args(args);
    let Output { status, stdout, stderr } = command.output().expect("our own program starts");
    let stderr = String::from_utf8(stderr).expect("it writes text");
    (status.code().expect("it ends"), serde_json::from_slice(&stdout).unwrap_or_default(), stderr)
}

pub(crate) fn over_socket(socket: &Path) -> Client {
    Client::new(Endpoint::Stream(Address::Unix(socket.to_owned())))
}

pub(crate) fn over_http(system: &System) -> Client {
    let url = format!("http://{}", system.http());
    Client::new(url.parse().expect("the gateway has a URL"))
}

fn condition(owner: &Signer) -> Condition {
    Condition {
        target_chain_id: 10,
        target_asset: Asset::native(10),
        target_amount: U256::from(1u64),
        recipient: owner.address(),
        execution_data: None,
    }
}

/// A lock for `solver`, claimed by `arbiter`.
pub(crate) fn new_lock(owner: &Signer, solver: &Signer, arbiter: &Signer, amount: u64) -> NewLock {
    NewLock {
        beneficiary: solver.address(),
        arbiter: arbiter.address(),
        ..NewLock::of_one(Asset::native(1), U256::from(amount), 600, condition(owner))
    }
}
