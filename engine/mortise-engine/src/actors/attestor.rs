//! Calls the security module on a thread of its own, because its calls block.

use crate::attest::{self, AttestError, BootDocument};
use crate::ports::{AttestRequest, Nsm};
use crate::priority::give_way;
use actix::{Actor, Addr, Handler, Message, SyncArbiter, SyncContext};
use mortise_format::binding::KeyBinding;
use mortise_format::ids::{EngineId, Measurement};
use std::fmt;
use std::sync::Arc;

/// Calls the security module for the boot and for callers.
pub struct Attestor {
    nsm: Arc<dyn Nsm>,
}

impl Attestor {
    /// Starts one thread: the module answers one call at a time.
    pub fn start(nsm: Arc<dyn Nsm>) -> Addr<Self> {
        SyncArbiter::start(1, move || {
            give_way();
            Self { nsm: Arc::clone(&nsm) }
        })
    }
}

impl fmt::Debug for Attestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attestor")
    }
}

impl Actor for Attestor {
    type Context = SyncContext<Self>;
}

/// Reads the measurement of the running image.
#[derive(Debug, Message)]
#[rtype(result = "Result<Measurement, AttestError>")]
pub struct OwnImage;

impl Handler<OwnImage> for Attestor {
    type Result = Result<Measurement, AttestError>;

    fn handle(&mut self, _: OwnImage, _: &mut SyncContext<Self>) -> Self::Result {
        attest::own_image(self.nsm.as_ref())
    }
}

/// Binds the boot.
#[derive(Debug, Message)]
#[rtype(result = "Result<BootDocument, AttestError>")]
pub struct Bind(pub KeyBinding);

impl Handler<Bind> for Attestor {
    type Result = Result<BootDocument, AttestError>;

    fn handle(&mut self, message: Bind, _: &mut SyncContext<Self>) -> Self::Result {
        attest::bind(self.nsm.as_ref(), &message.0)
    }
}

/// Makes the genesis document of the engine whose keys were just drawn.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<u8>, AttestError>")]
pub struct AttestGenesis(pub EngineId);

impl Handler<AttestGenesis> for Attestor {
    type Result = Result<Vec<u8>, AttestError>;

    fn handle(&mut self, message: AttestGenesis, _: &mut SyncContext<Self>) -> Self::Result {
        attest::genesis_document(self.nsm.as_ref(), &message.0)
    }
}

/// Makes a document.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<u8>, AttestError>")]
pub struct Attest(pub AttestRequest);

impl Handler<Attest> for Attestor {
    type Result = Result<Vec<u8>, AttestError>;

    fn handle(&mut self, message: Attest, _: &mut SyncContext<Self>) -> Self::Result {
        attest::document(self.nsm.as_ref(), &message.0)
    }
}
