//! Awaits the acks of the store, in the order of shipping.

use super::ledger::{Ledger, Shipped};
use crate::store::{Ack, StoreFuture};
use actix::{Actor, Addr, AtomicResponse, Context, Handler, Message, WrapFuture};
use mortise_format::limits::FRAMES_IN_FLIGHT_MAX;

/// Awaits appends that the ledger has already sent.
#[derive(Debug)]
pub struct Shipper {
    ledger: Addr<Ledger>,
}

impl Shipper {
    pub fn new(ledger: Addr<Ledger>) -> Self {
        Self { ledger }
    }
}

impl Actor for Shipper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(2 * FRAMES_IN_FLIGHT_MAX);
    }
}

/// An append that awaits its ack.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ship(pub StoreFuture<Ack>);

impl Handler<Ship> for Shipper {
    type Result = AtomicResponse<Self, ()>;

    /// Blocks the mailbox while it waits, so that acks are reported in order.
    fn handle(&mut self, message: Ship, _: &mut Context<Self>) -> Self::Result {
        let ledger = self.ledger.clone();
        let wait = async move {
            let outcome = message.0.await;
            // A closed ledger has stopped and needs no result.
            let _ = ledger.send(Shipped(outcome)).await;
        };
        AtomicResponse::new(Box::pin(wait.into_actor(self)))
    }
}
