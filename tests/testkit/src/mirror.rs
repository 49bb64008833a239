//! Follows a driver with the model: the expected answer of every command, frame by frame.
//!
//! It reads which work each call of the pipeline started and shipped, decides every command again
//! with the model in the same order, and compares every answer that leaves. After a crash it resets
//! the model to the last frame on the disk: no answer may rest on a later frame.

use crate::driver::{Driver, Response, Turn};
use crate::keys::Asked;
use crate::lockstep::assert_agree;
use crate::model::{Answer, Due, Model};
use crate::scenario::policy;
use mortise_engine::api::{self, Reply, Token};
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::event::{Event, LogPosition};
use mortise_format::frame::{Frame, FrameKind};
use mortise_format::ids::{Address, EngineId};
use mortise_format::reject::Reject;
use std::collections::{BTreeMap, VecDeque};

/// The request of a token.
#[derive(Debug, Clone)]
pub enum Question {
    /// A command.
    Command(Box<Asked>),
    /// The balance of an account.
    Balance(Address, Asset),
}

/// The expected answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    Command(Answer, LogPosition),
    Balance([U256; 4]),
}

/// The model beside a driver.
#[derive(Debug)]
pub struct Mirror {
    /// The model as of the last frame that was shipped.
    pub model: Model,
    questions: BTreeMap<Token, Question>,
    expected: BTreeMap<Token, Expected>,
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
            questions: BTreeMap::new(),
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

    /// Records a request. Call it before [`Mirror::observe`].
    pub fn asked(&mut self, token: Token, question: Question) {
        self.questions.insert(token, question);
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
            match self.questions.get(&token).cloned().expect("every token was asked") {
                Question::Command(asked) => self.command(token, &asked, &mut reader),
                Question::Balance(owner, asset) => {
                    self.close(&mut reader);
                    let balance = self.model.balance(&owner, &asset);
                    let parts = [balance.total, balance.held, balance.claimed, balance.available()];
                    self.expected.insert(token, Expected::Balance(parts));
                }
            }
        }
        self.close(&mut reader);
        while !reader.frames.is_empty() {
            self.open(&mut reader);
            self.close(&mut reader);
        }
    }

    fn command(&mut self, token: Token, asked: &Asked, reader: &mut Reader) {
        if reader.open.is_none() {
            // A refusal or a repeat makes no frame: time stands where the last frame left it.
            let now_ms = reader.now_ms.max(self.model.time_ms);
            let answer = self.model.answer(now_ms, asked);
            if !answer.is_logged() {
                self.expected.insert(token, Expected::Command(answer, LogPosition::default()));
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
        self.expected.insert(token, Expected::Command(answer, at));
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

    fn check(&mut self, token: Token, reply: &Reply) {
        if matches!(reply, Reply::NotDurable | Reply::Fault) {
            return;
        }
        self.checked += 1;
        let question = self.questions.remove(&token).expect("every token was asked");
        match (self.expected.remove(&token), reply) {
            // Refused before the pipeline saw it.
            (None, Reply::Refused(reject)) => {
                let Question::Command(asked) = question else { panic!("a query was refused") };
                let answer = self.model.answer(self.model.time_ms, &asked);
                assert_eq!(answer, Answer::Refused(reject.reject));
            }
            (Some(Expected::Balance(expected)), Reply::Rooted(answer, _)) => {
                let api::Answer::Balance(found) = answer else { panic!("{answer:?}") };
                let balance = &found.balance;
                let found = [balance.total, balance.held, balance.claimed, balance.available];
                assert_eq!(found, expected, "{question:?}");
            }
            (Some(Expected::Command(Answer::Repeated(at), _)), reply) => {
                let answer = self.answers.get(&at).expect("it was answered before").clone();
                self.check_logged(at, &answer, reply);
            }
            (Some(Expected::Command(Answer::Refused(reject), _)), reply) => {
                assert_refused(reply, reject, None);
            }
            (Some(Expected::Command(Answer::RefusedBefore(reject, at), _)), reply) => {
                assert_refused(reply, reject, Some(at));
            }
            (Some(Expected::Command(answer, at)), reply) => self.check_logged(at, &answer, reply),
            (expected, reply) => panic!("expected {expected:?}, found {reply:?}"),
        }
    }

    fn check_logged(&mut self, at: LogPosition, answer: &Answer, reply: &Reply) {
        if let Answer::Remembered(reject) = answer {
            return assert_refused(reply, *reject, Some(at));
        }
        let said = Response::of(reply);
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
        self.questions.clear();
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

fn assert_refused(reply: &Reply, expected: Reject, logged: Option<LogPosition>) {
    let Reply::Refused(found) = reply else { panic!("expected {expected:?}, found {reply:?}") };
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
