//! What waits for the writer: queries and commands, in fair order between their callers.
//!
//! A command costs the promises that it asks for, a query its look-ups. So a caller with a thousand
//! commands in flight and a caller with one get turns in turn.
//!
//! Commands whose turn has come are staged, a few at a time: the writer prefetches what they need
//! together. They keep their place when a frame is full before they are in it. A caller whose
//! window of unsigned promises is full is passed over, and its commands keep their order
//! ([`Windows`]).

use super::window::Windows;
use super::{Output, Ticket};
use crate::api::{ShareKey, Stopped, Submission, Swept, Token, Work};
use crate::query::{AskedQuery, Responder};
use mortise_core::Admitted;
use mortise_core::decide::PREFETCH_BATCH;
use mortise_format::limits::SHARE_KEYS_MAX;
use mortise_transport::FairQueue;
use std::collections::VecDeque;

/// Work that may make a frame.
#[derive(Debug)]
pub(super) enum Change {
    Command(Ticket, Admitted),
    /// Expires and prunes what is due.
    Sweep(Token, Responder<Swept>),
}

impl Change {
    fn stopped(self, why: Stopped) -> Output {
        match self {
            Self::Command(ticket, _) => ticket.stopped(why),
            Self::Sweep(token, responder) => Output::stopped(token, Box::new(responder), why),
        }
    }
}

/// A command in its turn.
#[derive(Debug)]
pub(super) struct Staged {
    /// Whose window it counts against.
    pub share: Share,
    pub change: Change,
}

/// What a command takes of the window of its caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    caller: ShareKey,
    promises: u32,
}

/// A query with its caller.
#[derive(Debug)]
pub(super) struct Asked {
    pub token: Token,
    pub caller: ShareKey,
    pub query: Box<dyn AskedQuery>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Inbox {
    commands: FairQueue<Staged>,
    staged: VecDeque<Staged>,
    windows: Windows,
    queries: FairQueue<Asked>,
}

impl Default for Inbox {
    fn default() -> Self {
        let (commands, queries) = (FairQueue::new(SHARE_KEYS_MAX), FairQueue::new(SHARE_KEYS_MAX));
        let (staged, windows) = (VecDeque::with_capacity(PREFETCH_BATCH), Windows::default());
        Self { commands, staged, windows, queries }
    }
}

impl Inbox {
    pub fn add(&mut self, now_ms: u64, Work { token, caller, submission }: Work) {
        let (promises, change) = match submission {
            Submission::Command(admitted, responder) => {
                let promises = admitted.promises();
                (promises, Change::Command(Ticket { token, responder }, admitted))
            }
            Submission::Sweep(responder) => (1, Change::Sweep(token, responder)),
            Submission::Query(query) => {
                let cost = query.cost();
                return self.queries.push(caller, cost, Asked { token, caller, query });
            }
        };
        self.windows.came(caller, now_ms);
        let share = Share { caller, promises };
        self.commands.push(caller, promises, Staged { share, change });
    }

    /// True if a command can be staged, as far as is known before its turn.
    pub fn has_command(&self) -> bool {
        !self.staged.is_empty() || self.commands.has_turn()
    }

    /// Gives back what a command took of its caller's window.
    pub fn give_back(&mut self, share: Share) {
        self.windows.give_back(share.caller, share.promises);
        self.commands.resume(share.caller);
    }

    /// Commands that are in no frame yet.
    pub fn commands(&self) -> usize {
        self.staged.len() + self.commands.len()
    }

    /// Queries without an answer.
    pub fn queries(&self) -> usize {
        self.queries.len()
    }

    /// The next query and its cost.
    pub fn next_query(&mut self) -> Option<(Asked, u32)> {
        let asked = self.queries.pop()?;
        let cost = asked.query.cost();
        Some((asked, cost))
    }

    /// Stages the next commands when none is staged. Returns them when it did.
    pub fn stage(&mut self, now_ms: u64) -> Option<impl Iterator<Item = &Admitted>> {
        if !self.staged.is_empty() {
            return None;
        }
        while self.staged.len() < PREFETCH_BATCH {
            let windows = &self.windows;
            let next = self.commands.pop_if(|caller| windows.is_open(caller, now_ms));
            let Some((_, next)) = next else { break };
            self.windows.take(next.share.caller, next.share.promises);
            self.staged.push_back(next);
        }
        Some(self.staged.iter().filter_map(|staged| match &staged.change {
            Change::Command(_, admitted) => Some(admitted),
            Change::Sweep(..) => None,
        }))
    }

    /// The next staged command.
    pub fn next_command(&mut self) -> Option<Staged> {
        self.staged.pop_front()
    }

    /// Takes everything, without order: no answer will come.
    pub fn drain(&mut self, why: Stopped) -> Vec<Output> {
        self.commands.resume_all();
        let commands = std::iter::from_fn(|| self.commands.pop());
        let commands = self.staged.drain(..).chain(commands);
        let commands = commands.map(|staged| staged.change.stopped(why));
        let queries = std::iter::from_fn(|| self.queries.pop());
        let queries = queries.map(|asked| Output::stopped(asked.token, asked.query, why));
        commands.chain(queries).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{EngineStatus, FindHolds, Query, asked};
    use mortise_format::limits::{UNSIGNED_PROMISES_MAX, UNSIGNED_SHARED_MS};

    fn caller(connection: u64) -> ShareKey {
        ShareKey { connection, hint: 0 }
    }

    fn query(token: Token, connection: u64, query: impl Query) -> Work {
        let submission = Submission::Query(asked(query).0);
        Work { token, caller: caller(connection), submission }
    }

    fn sweep(token: Token, connection: u64) -> Work {
        let submission = Submission::Sweep(Responder::new().0);
        Work { token, caller: caller(connection), submission }
    }

    /// FAULTS B12: one connection with a thousand commands beside a polite caller.
    #[test]
    fn command_of_a_newcomer_is_staged_next_beside_a_flood() {
        let mut inbox = Inbox::default();
        (0..1024).for_each(|n| inbox.add(0, sweep(n, 1)));
        assert!(inbox.stage(0).is_some());
        inbox.add(0, sweep(5000, 2));
        let mut ahead = 0;
        loop {
            let _ = inbox.stage(0);
            match inbox.next_command() {
                Some(Staged { change: Change::Sweep(5000, _), .. }) => break,
                other => assert!(other.is_some(), "the newcomer is not lost"),
            }
            ahead += 1;
        }
        assert!(ahead <= PREFETCH_BATCH + 1, "{ahead} commands were ahead");
        assert_eq!(inbox.commands() + ahead, 1024);
    }

    /// Goal: beside a caller that came lately, a flood has its window in frames and no more, goes
    /// on when that is signed, and loses nothing.
    #[test]
    fn flood_has_its_window_in_frames_beside_another_caller() {
        let mut inbox = Inbox::default();
        inbox.add(0, sweep(5000, 2));
        (0..1024).for_each(|n| inbox.add(0, sweep(n, 1)));
        let taken = |inbox: &mut Inbox, now_ms| {
            let mut shares = Vec::new();
            loop {
                let _ = inbox.stage(now_ms);
                let Some(staged) = inbox.next_command() else { break };
                shares.push(staged.share);
            }
            assert!(!inbox.has_command(), "what is held is no reason for another turn");
            shares
        };
        let most = usize::try_from(UNSIGNED_PROMISES_MAX).unwrap();
        let first = taken(&mut inbox, 0);
        assert_eq!((first.len(), inbox.commands()), (most + 1, 1024 - most));
        assert!(taken(&mut inbox, 0).is_empty());
        first.iter().take(10).for_each(|share| inbox.give_back(*share));
        let more = taken(&mut inbox, 0).len();
        assert!((9..=10).contains(&more), "{more}: as many as were signed");
        // The other caller is gone for a while: nothing holds the flood any more.
        inbox.add(UNSIGNED_SHARED_MS + 1, sweep(6000, 1));
        inbox.give_back(first[20]);
        let rest = taken(&mut inbox, UNSIGNED_SHARED_MS + 1).len();
        assert_eq!(rest, 1024 - most - more + 1);
        assert_eq!(inbox.commands(), 0);
    }

    #[test]
    fn queries_of_callers_take_turns_by_their_cost() {
        let mut inbox = Inbox::default();
        let asset = mortise_format::asset::Asset::native(1);
        let holds = FindHolds { owner: mortise_format::ids::Address::ZERO, asset };
        (0..100).for_each(|n| inbox.add(0, query(n, 1, holds)));
        (100..200).for_each(|n| inbox.add(0, query(n, 2, EngineStatus)));
        let first: Vec<_> = (0..30).filter_map(|_| inbox.next_query()).collect();
        let cheap = first.iter().filter(|(asked, _)| asked.caller == caller(2)).count();
        assert_eq!(cheap, 27, "eight that cost one beside one that costs eight");
        assert_eq!(inbox.drain(Stopped::Fault).len(), 170);
        assert_eq!((inbox.commands(), inbox.queries()), (0, 0));
    }

    #[test]
    fn callers_with_a_share_of_their_own_are_bounded() {
        let mut inbox = Inbox::default();
        let callers = u64::try_from(SHARE_KEYS_MAX).unwrap() + 10;
        for n in 1..=callers {
            inbox.add(0, sweep(n, n));
            inbox.add(0, query(n, n, EngineStatus));
        }
        // Those above the bound share one.
        let keys = (inbox.commands.keys(), inbox.queries.keys());
        assert_eq!(keys, (SHARE_KEYS_MAX + 1, SHARE_KEYS_MAX + 1));
    }
}
