//! What callers ask: commands, queries and sweeps, and the answers to them.

use super::Driver;
use crate::keys::Asked;
use mortise_core::admit;
use mortise_engine::api::{Rejected, Replied, Submission, Swept, Token, Work};
use mortise_engine::pipeline::Input;
use mortise_engine::query::{Query, Responder, Response, Rooted, Waiting, asked};
use mortise_format::reject::Reject;
use tokio::sync::oneshot;

/// A query or a sweep that was handed in, with the type of its answer.
#[derive(Debug)]
pub struct Asking<A> {
    /// Its token.
    pub token: Token,
    waiting: Waiting<A>,
}

impl<A> Asking<A> {
    /// What left for its caller: the answer, or the notice that none will come. None while it
    /// waits, and when it was taken.
    pub fn take(&mut self) -> Option<Response<A>> {
        self.waiting.try_recv().ok()
    }
}

impl Driver {
    /// Hands commands in, all in one message. What is refused at admission is answered at once.
    pub fn ask(&mut self, asked: &[&Asked]) -> Vec<Token> {
        let (mut work, mut tokens) = (Vec::new(), Vec::new());
        for asked in asked {
            let token = self.token();
            tokens.push(token);
            match self.admitted(asked) {
                Ok(submission) => work.push(Work { token, caller: self.caller, submission }),
                Err(reject) => {
                    self.leaves(token);
                    self.replies.insert(token, Err(Rejected::from(reject).into()));
                }
            }
        }
        self.hand_in(work);
        tokens
    }

    /// Hands commands in, all in one message, with a query before each.
    ///
    /// # Panics
    /// When a command is refused at admission.
    pub fn ask_between<Q: Query + Clone>(&mut self, asked_commands: &[&Asked], query: &Q) {
        let mut work = Vec::new();
        for command in asked_commands {
            let read = Submission::Query(asked(query.clone()).0);
            for submission in [read, self.admitted(command).expect("it is signed")] {
                work.push(Work { token: self.token(), caller: self.caller, submission });
            }
        }
        self.hand_in(work);
    }

    /// The driver sees what leaves by its token, so no one waits at the channel.
    fn admitted(&self, asked: &Asked) -> Result<Submission, Reject> {
        let (engine_id, rules) =
            (self.identity().engine_id, self.pipeline().machine().state().rules());
        let admitted = admit(rules, &engine_id, asked.command.clone())?;
        Ok(Submission::Command(admitted, oneshot::channel().0))
    }

    /// Hands one query in.
    pub fn query<Q: Query>(&mut self, query: Q) -> Asking<Q::Answer> {
        let (query, waiting) = asked(query);
        self.submit(Submission::Query(query), waiting)
    }

    fn submit<A>(&mut self, submission: Submission, waiting: Waiting<A>) -> Asking<A> {
        let (token, caller) = (self.token(), self.caller);
        self.hand_in(vec![Work { token, caller, submission }]);
        Asking { token, waiting }
    }

    /// The answer to a query.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn read<Q: Query>(&mut self, query: Q) -> Rooted<Q::Answer> {
        let asking = self.query(query);
        self.settled(asking)
    }

    /// Expires and prunes what is due. Returns the number of locks that expired.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn sweep(&mut self) -> usize {
        let (responder, waiting) = Responder::new();
        let asking = self.submit(Submission::Sweep(responder), waiting);
        let Swept(count) = self.settled(asking).answer;
        count
    }

    fn settled<A>(&mut self, mut asking: Asking<A>) -> Rooted<A> {
        self.settle();
        let response = asking.take().expect("a settled engine has answered");
        response.expect("the engine serves")
    }

    /// Asks one command and does everything until it is answered.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn answer(&mut self, asked: &Asked) -> Replied {
        let token = self.ask(&[asked])[0];
        self.settle();
        self.replies.get(&token).expect("a settled engine has answered").clone()
    }

    /// Whether an answer left, or the notice that none will come.
    pub fn is_answered(&self, token: Token) -> bool {
        self.answered.contains(&token)
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        self.next_token
    }

    fn hand_in(&mut self, work: Vec<Work>) {
        for work in &work {
            let last = self.engine().last_shipped;
            self.rests_on.insert(work.token, last);
            let engine = self.engine_mut();
            match &work.submission {
                Submission::Command(..) | Submission::Sweep(_) => {
                    engine.waiting_commands.push_back(work.token);
                }
                Submission::Query(_) => engine.waiting_queries.push_back(work.token),
            }
        }
        self.handle(Input::Work(work));
    }
}
