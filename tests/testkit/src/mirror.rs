//! Follows a driver with the model: the expected answer of every command, frame by frame.
//!
//! It reads which work each call of the pipeline started and shipped, decides every command again
//! with the model in the same order, and compares every answer that leaves. After a crash it resets
//! the model to the last frame on the disk: no answer may rest on a later frame.

use crate::driver::{Asking, Driver, Response, Turn};
use crate::keys::Asked;
use crate::lockstep::assert_agree;
use crate::model::{Answer, Due, Model};
use crate::scenario::policy;
use mortise_engine::api::{NotDone, Replied, Token};
use mortise_engine::query::{BalanceAnswer, FindBalance};
use mortise_format::U256;
use mortise_format::event::{Event, LogPosition};
use mortise_format::frame::{Frame, FrameKind};
use mortise_format::ids::EngineId;
use mortise_format::reject::Reject;
use std::collections::{BTreeMap, VecDeque};

/// A read of a balance.
#[derive(Debug)]
struct Balance {
    of: FindBalance,
    asking: Asking<BalanceAnswer>,
    /// What the model has, once it was read.
    expected: Option<[U256; 4]>,
}

/// The model beside a driver.
#[derive(Debug)]
pub struct Mirror {
    /// The model as of the last frame that was shipped.
    pub model: Model,
    commands: BTreeMap<Token, Asked>,
    balances: BTreeMap<Token, Balance>,
    expected: BTreeMap<Token, (Answer, LogPosition)>,
    after: BTreeMap<u64, Model>,
    answers: BTreeMap<LogPosition, Answer>,
    said: BTreeMap<LogPosition, Response>,
    checked: usize,
}

/// The frames of a turn, read event by event.
struct Reader {
    frames: VecDeque<(Frame, VecDeque<Event>)>,
    open: Option<(LogPosition, VecDeque<Event>)>,
    now_ms: u64,
}

impl Mirror {
    /// For the engine with this id, before its first frame.
    pub fn new(engine_id: EngineId) -> Self {
        Self {
            model: Model::new(engine_id, policy()),
            commands: BTreeMap::new(),
            balances: BTreeMap::new(),
            expected: BTreeMap::new(),
            after: BTreeMap::new(),
            answers: BTreeMap::new(),
            said: BTreeMap::new(),
            checked: 0,
        }
    }

    /// Number of answers that were compared with the model.
    pub fn checked(&self) -> usize {
        self.checked
    }

    /// Every answer about a logged command that left so far.
    pub fn said(&self) -> &BTreeMap<LogPosition, Response> {
        &self.said
    }

    /// Records a command. Call it before [`Mirror::observe`].
    pub fn asked(&mut self, token: Token, asked: Asked) {
        self.commands.insert(token, asked);
    }

    /// Records a read of a balance. Call it before [`Mirror::observe`].
    pub fn asked_balance(&mut self, of: FindBalance, asking: Asking<BalanceAnswer>) {
        self.balances.insert(asking.token, Balance { of, asking, expected: None });
    }

    /// Follows everything that the driver did since the last call.
    ///
    /// # Panics
    /// When an answer is not the one that the model gives.
    pub fn observe(&mut self, driver: &mut Driver) {
        for turn in std::mem::take(&mut driver.turns) {
            self.follow(driver, turn);
        }
        for (token, reply) in std::mem::take(&mut driver.replies) {
            self.check(token, &reply);
        }
        let mut balances = std::mem::take(&mut self.balances);
        balances.retain(|_, balance| !self.is_answered(balance));
        self.balances = balances;
    }

    /// Compares the answer to a read, once it left.
    fn is_answered(&mut self, balance: &mut Balance) -> bool {
        let Some(response) = balance.asking.take() else { return false };
        if let Ok(found) = response {
            self.checked += 1;
            let found = &found.answer.balance;
            let found = [found.total, found.held, found.claimed, found.available];
            assert_eq!(Some(found), balance.expected, "{:?}", balance.of);
        }
        true
    }

    fn follow(&mut self, driver: &Driver, turn: Turn) {
        if turn.is_fault {
            assert!(turn.shipped.is_empty(), "a faulted pipeline ships nothing");
            return;
        }
        let events = |frame: Frame| {
            let events = driver.events(&frame).into();
            (frame, events)
        };
        let frames = turn.shipped.into_iter().map(events).collect();
        let mut reader = Reader { frames, open: None, now_ms: turn.now_ms };
        for token in turn.read.into_iter().chain(turn.taken) {
            match self.balances.get(&token).map(|balance| balance.of) {
                None => {
                    let asked = self.commands.get(&token).expect("every token was asked").clone();
                    self.command(token, &asked, &mut reader);
                }
                Some(of) => {
                    self.close(&mut reader);
                    self.read(token, of);
                }
            }
        }
        self.close(&mut reader);
        while !reader.frames.is_empty() {
            self.open(&mut reader);
            self.close(&mut reader);
        }
    }

    fn read(&mut self, token: Token, FindBalance { owner, asset }: FindBalance) {
        let balance = self.model.balance(&owner, &asset);
        let parts = [balance.total, balance.held, balance.claimed, balance.available()];
        self.balances.get_mut(&token).expect("it was asked").expected = Some(parts);
    }

    fn command(&mut self, token: Token, asked: &Asked, reader: &mut Reader) {
        if reader.open.is_none() {
            // A refusal or a repeat makes no frame: time stands where the last frame left it.
            let now_ms = reader.now_ms.max(self.model.time_ms);
            let answer = self.model.answer(now_ms, asked);
            if !answer.is_logged() {
                self.expected.insert(token, (answer, LogPosition::default()));
                return;
            }
            self.open(reader);
        }
        let (next, events) = reader.open.as_mut().expect("it was opened");
        let answer = self.model.answer(self.model.time_ms, asked);
        let at = *next;
        if answer.is_logged() {
            let event = events.pop_front().expect("a logged answer is an event");
            assert_eq!(Answer::of_event(&event), answer, "event {at:?} of {asked:?}");
            self.model.apply(at, asked, &answer);
            self.answers.insert(at, answer.clone());
            next.index += 1;
        }
        self.expected.insert(token, (answer, at));
    }

    /// The next frame of the turn: what time does in it is what the model says.
    fn open(&mut self, reader: &mut Reader) {
        let (frame, mut events) = reader.frames.pop_front().expect("a frame was shipped");
        let header = frame.header();
        let before = events.len();
        if header.kind() == Some(FrameKind::Boot) {
            self.model.set_time(header.time_ms);
            events.clear();
        } else {
            assert_eq!(events.pop_front(), Some(Event::TimeAdvanced { time_ms: header.time_ms }));
            assert_eq!(header.time_ms, reader.now_ms.max(self.model.time_ms), "time of a frame");
            let due = self.model.advance(header.time_ms);
            assert_eq!(take_due(&mut events), due, "what time did in frame {}", header.seq);
        }
        let index = u32::try_from(before - events.len()).expect("few events");
        reader.open = Some((LogPosition { seq: header.seq, index }, events));
    }

    fn close(&mut self, reader: &mut Reader) {
        if let Some((at, events)) = reader.open.take() {
            assert!(events.is_empty(), "frame {} has events that no command asked for", at.seq);
            self.after.insert(at.seq, self.model.clone());
        }
    }

    fn check(&mut self, token: Token, replied: &Replied) {
        if matches!(replied, Err(NotDone::Stopped(_))) {
            return;
        }
        self.checked += 1;
        let asked = self.commands.remove(&token).expect("every token was asked");
        match self.expected.remove(&token) {
            // Refused before the pipeline saw it.
            None => match replied {
                Err(NotDone::Refused(reject)) => {
                    let answer = self.model.answer(self.model.time_ms, &asked);
                    assert_eq!(answer, Answer::Refused(reject.reject));
                }
                other => panic!("{other:?} answers a command that no one decided: {asked:?}"),
            },
            Some((Answer::Repeated(at), _)) => {
                let answer = self.answers.get(&at).expect("it was answered before").clone();
                self.check_logged(at, &answer, replied);
            }
            Some((Answer::Refused(reject), _)) => assert_refused(replied, reject, None),
            Some((Answer::RefusedBefore(reject, at), _)) => {
                assert_refused(replied, reject, Some(at));
            }
            Some((answer, at)) => self.check_logged(at, &answer, replied),
        }
    }

    fn check_logged(&mut self, at: LogPosition, answer: &Answer, replied: &Replied) {
        if let Answer::Remembered(reject) = answer {
            return assert_refused(replied, *reject, Some(at));
        }
        let said = Response::of(replied);
        assert_eq!((said.seq(), said.index), (at.seq, at.index), "place of {answer:?}");
        let known = self.said.entry(at).or_insert_with(|| said.clone());
        assert_eq!(*known, said, "the same answer, byte for byte");
    }

    /// Goes back to what is on the disk.
    ///
    /// # Panics
    /// When something that was answered is not there any more.
    pub fn recover(&mut self, driver: &Driver) {
        let frames = u64::try_from(driver.disk.frames().len()).expect("few frames");
        let last = self.said.last_key_value().map_or(0, |(at, _)| at.seq);
        assert!(self.said.is_empty() || last < frames, "frame {last} was answered and is lost");
        self.after.retain(|seq, _| *seq < frames);
        self.answers.retain(|at, _| at.seq < frames);
        self.expected.clear();
        self.commands.clear();
        self.balances.clear();
        let newest = self.after.last_key_value();
        self.model = match newest {
            Some((_, model)) => model.clone(),
            None => {
                let engine_id = self.model.engine_id();
                Model::new(engine_id, policy())
            }
        };
    }

    /// Compares the engine's state with the model's.
    ///
    /// # Panics
    /// When they differ.
    pub fn agree(&self, driver: &Driver) {
        let state = driver.pipeline().machine().state();
        assert_eq!(state.check(), Ok(()));
        assert_agree(state, &self.model);
    }
}

fn assert_refused(replied: &Replied, expected: Reject, logged: Option<LogPosition>) {
    let Err(NotDone::Refused(found)) = replied else {
        panic!("expected {expected:?}, found {replied:?}")
    };
    assert_eq!((found.reject, found.logged), (expected, logged));
}

fn take_due(events: &mut VecDeque<Event>) -> Due {
    let mut due = Due::default();
    while let Some(event) = events.front() {
        match event {
            Event::LocksExpired { lock_ids } => due.expired.extend(lock_ids),
            Event::LocksSettled { lock_ids } => due.settled.extend(lock_ids),
            Event::LocksPruned { lock_ids } => due.pruned.extend(lock_ids),
            Event::SnapshotTaken { .. } | Event::EpochEnded { .. } => {}
            _ => break,
        }
        events.pop_front();
    }
    due
}
