//! The way of an answer: from the query that is read, over the frame that it waits for, to its
//! caller.
//!
//! The queues of the pipeline hold queries of all types. Here a query and the channel of its answer
//! become one object, and so do an answer and its channel.

use super::{Context, Query, Rooted};
use crate::api::Stopped;
use mortise_core::body::CarriedStatement;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What a caller gets: the answer, or that none will come.
pub type Response<A> = Result<Rooted<A>, Stopped>;

/// The caller's end of an answer.
pub type Waiting<A> = oneshot::Receiver<Response<A>>;

/// The writer's end of an answer.
#[derive(Debug)]
pub struct Responder<A>(oneshot::Sender<Response<A>>);

impl<A: Debug + Send + 'static> Responder<A> {
    /// Both ends.
    pub fn new() -> (Self, Waiting<A>) {
        let (sender, waiting) = oneshot::channel();
        (Self(sender), waiting)
    }

    /// Keeps an answer until the frame that it rests on is released.
    pub fn hold(self, answer: A) -> Box<dyn HeldAnswer> {
        Box::new(Held { answer, responder: self })
    }

    fn send(self, response: Response<A>) {
        // The caller may have hung up.
        drop(self.0.send(response));
    }
}

/// Someone who waits for an answer.
pub trait Stop: Debug + Send {
    /// Tells that no answer will come.
    fn stop(self: Box<Self>, why: Stopped);
}

/// A query of any type, with the channel of its answer.
pub trait AskedQuery: Stop {
    /// [`Query::COST`].
    fn cost(&self) -> u32;

    /// Reads the answer.
    fn read(self: Box<Self>, context: Context<'_>) -> Box<dyn HeldAnswer>;
}

/// An answer of any type that was read and waits for its frame.
pub trait HeldAnswer: Stop {
    /// Sends the answer, with the statement about the frame that was released.
    fn send(self: Box<Self>, signed: Arc<CarriedStatement>);
}

/// A query for the writer, and its caller's end.
pub fn asked<Q: Query>(query: Q) -> (Box<dyn AskedQuery>, Waiting<Q::Answer>) {
    let (responder, waiting) = Responder::new();
    (Box::new(Asked { query, responder }), waiting)
}

#[derive(Debug)]
struct Asked<Q: Query> {
    query: Q,
    responder: Responder<Q::Answer>,
}

#[derive(Debug)]
struct Held<A> {
    answer: A,
    responder: Responder<A>,
}

impl<A: Debug + Send + 'static> Stop for Responder<A> {
    fn stop(self: Box<Self>, why: Stopped) {
        self.send(Err(why));
    }
}

impl<Q: Query> Stop for Asked<Q> {
    fn stop(self: Box<Self>, why: Stopped) {
        self.responder.send(Err(why));
    }
}

impl<A: Debug + Send + 'static> Stop for Held<A> {
    fn stop(self: Box<Self>, why: Stopped) {
        self.responder.send(Err(why));
    }
}

impl<Q: Query> AskedQuery for Asked<Q> {
    fn cost(&self) -> u32 {
        Q::COST
    }

    fn read(self: Box<Self>, context: Context<'_>) -> Box<dyn HeldAnswer> {
        let Self { query, responder } = *self;
        responder.hold(query.read(context))
    }
}

impl<A: Debug + Send + 'static> HeldAnswer for Held<A> {
    fn send(self: Box<Self>, signed: Arc<CarriedStatement>) {
        let Self { answer, responder } = *self;
        responder.send(Ok(Rooted { answer, signed }));
    }
}

/// An answer that may be sent now, or the notice that none will come.
#[derive(Debug)]
pub struct Leaving(Kind);

#[derive(Debug)]
enum Kind {
    Answer(Box<dyn HeldAnswer>, Arc<CarriedStatement>),
    Stopped(Box<dyn Stop>, Stopped),
}

impl Leaving {
    /// An answer whose frame is released, with the statement about that frame.
    pub fn answer(held: Box<dyn HeldAnswer>, signed: Arc<CarriedStatement>) -> Self {
        Self(Kind::Answer(held, signed))
    }

    pub fn stopped(who: Box<dyn Stop>, why: Stopped) -> Self {
        Self(Kind::Stopped(who, why))
    }

    /// The statement that the answer carries.
    ///
    /// # Errors
    /// [`Stopped`], if no answer will come.
    pub fn statement(&self) -> Result<&CarriedStatement, Stopped> {
        match &self.0 {
            Kind::Answer(_, signed) => Ok(signed),
            Kind::Stopped(_, why) => Err(*why),
        }
    }

    /// Sends it to its caller.
    pub fn send(self) {
        match self.0 {
            Kind::Answer(held, signed) => held.send(signed),
            Kind::Stopped(who, why) => who.stop(why),
        }
    }
}
