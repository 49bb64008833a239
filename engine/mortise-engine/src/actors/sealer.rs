//! Seals the parts of a snapshot, so that the writer does not.

use crate::pipeline::SnapshotPart;
use crate::priority::give_way;
use actix::{Actor, Addr, Handler, Message, SyncArbiter, SyncContext};
use mortise_core::machine::{SealedPart, SnapshotError};

/// The worker. It has no state: a part brings its keys.
#[derive(Debug)]
pub struct Sealer;

impl Sealer {
    /// Starts one thread.
    pub fn start() -> Addr<Self> {
        SyncArbiter::start(1, || {
            give_way();
            Self
        })
    }
}

impl Actor for Sealer {
    type Context = SyncContext<Self>;
}

/// Seals a part.
#[derive(Debug, Message)]
#[rtype(result = "Result<SealedPart, SnapshotError>")]
pub struct Seal(pub SnapshotPart);

impl Handler<Seal> for Sealer {
    type Result = Result<SealedPart, SnapshotError>;

    fn handle(&mut self, Seal(part): Seal, _: &mut SyncContext<Self>) -> Self::Result {
        let SnapshotPart { part, is_manifest, keys, plain, .. } = part;
        match is_manifest {
            true => keys.seal_manifest(plain),
            false => keys.seal_part(part, plain),
        }
    }
}
