//! A tiny engine on loopback for the tests of this crate. It keeps no state but makes valid
//! signatures. A test's script decides how each request is treated.

mod engine;
mod server;

pub(crate) use engine::Engine;
pub(crate) use server::{Server, ServerBehaviour};

use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::ids::Address;

use crate::lock::NewLock;

/// A lock to commit.
pub(crate) fn new_lock() -> NewLock {
    let condition = Condition {
        target_chain_id: 10,
        target_asset: Asset::native(10),
        target_amount: U256::ONE,
        recipient: Address([0xcc; 20]),
        execution_data: None,
    };
    NewLock::of_one(Asset::native(1), U256::from(1_000u64), 300, condition)
}
