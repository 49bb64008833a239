//! The way into the writer: bounds, admission, submission.
//!
//! What it is for: sessions hold a gate and nothing else of the engine. It takes a permit before
//! anything is queued, so that memory is bounded whatever actix's mailboxes do.

use crate::actors::{Admit, Crypto, Ledger, Submit};
use crate::api::{Ask, Query, Reply};
use crate::keyring::Identity;
use crate::phase::{Bounds, Phase, PhaseCell};
use actix::Addr;
use mortise_format::command::Command;
use mortise_format::reject::Reject;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Semaphore, oneshot};

/// Why nothing was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// Too much is under way.
    Overloaded,
    /// Not serving.
    NotReady(&'static str),
    /// In a fault.
    Fault,
    /// Refused before the writer.
    Refused(Reject),
}

/// The serving side of an engine, present once the boot is done.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The single writer.
    pub ledger: Addr<Ledger>,
    /// The pool.
    pub crypto: Addr<Crypto>,
    /// Who the engine is.
    pub identity: Arc<Identity>,
    /// Engine time of the boot, milliseconds.
    pub boot_ms: u64,
}

/// The way in.
#[derive(Debug)]
pub struct Gate {
    phase: Arc<PhaseCell>,
    permits: Semaphore,
    bounds: Bounds,
    serving: OnceLock<Serving>,
}

impl Gate {
    /// A gate that is closed until [`Gate::open`].
    pub fn new(phase: Arc<PhaseCell>, bounds: Bounds) -> Self {
        let permits = Semaphore::new(bounds.in_flight);
        Self { phase, permits, bounds, serving: OnceLock::new() }
    }

    /// Opens the gate.
    pub fn open(&self, serving: Serving) {
        // Opened once, by the boot; a second call would be a second boot.
        let _ = self.serving.set(serving);
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.phase.now()
    }

    /// The bounds.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The engine, once its boot is done.
    pub fn serving(&self) -> Option<&Serving> {
        self.serving.get()
    }

    fn ready(&self) -> Result<&Serving, Closed> {
        match self.phase() {
            Phase::Ready => self.serving.get().ok_or(Closed::NotReady("starting")),
            Phase::Fault(_) => Err(Closed::Fault),
            phase => Err(Closed::NotReady(phase.name())),
        }
    }

    /// Asks the writer and waits for the answer.
    ///
    /// # Errors
    /// [`Closed`]: then nothing was asked.
    pub async fn ask(&self, ask: Ask) -> Result<Reply, Closed> {
        let serving = self.ready()?;
        let _permit = self.permits.try_acquire().map_err(|_| Closed::Overloaded)?;
        submit(serving, ask).await
    }

    /// Reads.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn query(&self, query: Query) -> Result<Reply, Closed> {
        self.ask(Ask::Query(query)).await
    }

    /// Authenticates a command on the pool, then asks the writer.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn command(&self, command: Command) -> Result<Reply, Closed> {
        let serving = self.ready()?;
        let _permit = self.permits.try_acquire().map_err(|_| Closed::Overloaded)?;
        let admitted = serving.crypto.send(Admit(vec![command])).await;
        let admitted = admitted.map_err(|_| Closed::NotReady(GONE))?;
        let admitted = admitted.into_iter().next().ok_or(Closed::Fault)?;
        submit(serving, Ask::Command(admitted.map_err(Closed::Refused)?)).await
    }
}

/// The phase when an actor is gone before the phase said so.
const GONE: &str = "stopping";

async fn submit(serving: &Serving, ask: Ask) -> Result<Reply, Closed> {
    let (asker, answer) = oneshot::channel();
    let sent = serving.ledger.send(Submit(vec![(ask, asker)])).await;
    sent.map_err(|_| Closed::NotReady(GONE))?;
    // A dropped asker is a ledger that stopped with the answer not durable.
    Ok(answer.await.unwrap_or(Reply::NotDurable))
}
