//! A dishonest engine with all of its keys: it seals any content at any position.

use super::{audit, keys_of, log_of, subject};
use mortise_audit::Report;
use mortise_core::body::{CarriedStatement, ClearBody, FrameStatement, SealedBody};
use mortise_core::decide::Decision;
use mortise_core::keys::EpochKeys;
use mortise_core::machine::{Machine, OpenedFrame, Opener, Reviewer};
use mortise_core::state::{DueLocks, State};
use mortise_core::{admit, decide, event_tree, seal};
use mortise_format::content_key::event_salt;
use mortise_format::event::Event;
use mortise_format::frame::{Frame, FrameHeader};
use mortise_format::ids::{PolicyHash, Root};
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Asked;

/// The parts of a frame that is about to be sealed again.
pub struct Parts {
    pub header: FrameHeader,
    pub clear: ClearBody,
    pub events: Vec<Event>,
}

/// A dishonest engine at the end of an honest log.
pub struct Liar<'a> {
    driver: &'a Driver,
    machine: Machine,
    keys: EpochKeys,
    /// The honest log and the frames added to it.
    pub log: Vec<Vec<u8>>,
    /// Signed statements that no frame carries yet.
    pub to_carry: Vec<CarriedStatement>,
    pub now_ms: u64,
}

impl<'a> Liar<'a> {
    pub fn new(driver: &'a Driver) -> Self {
        let start = driver.replay(&driver.disk.copy()).expect("the log follows");
        let machine = start.machine;
        let record = machine.epochs().last().expect("it booted");
        let keys = driver.keys_of(record).expect("the vault is there");
        let (log, now_ms) = (log_of(driver), machine.head().time_ms);
        Self { driver, machine, keys, log, to_carry: start.to_carry, now_ms }
    }

    pub fn state(&self) -> &State {
        self.machine.state()
    }

    /// The answer of the honest engine.
    pub fn decided(&self, asked: &Asked) -> Event {
        let (rules, engine_id) = (self.state().rules(), self.state().engine_id());
        let admitted = admit(rules, engine_id, asked.command.clone()).expect("admissible");
        match decide(self.state(), self.now_ms, &admitted) {
            Decision::Event(event) => event,
            other => panic!("{asked:?} is not logged: {other:?}"),
        }
    }

    /// Appends a frame with the events that are due and then these, unchecked.
    pub fn write(&mut self, events: &[Event]) -> u64 {
        let mut frame = self.machine.open(self.now_ms).expect("time fits");
        for event in events {
            self.machine.log(&mut frame, event).expect("the lie fits the state");
        }
        let statements = std::mem::take(&mut self.to_carry);
        let clear = ClearBody { boot: None, statements };
        let (frame, stated, _) = self.machine.close(frame, &self.keys, &clear).expect("it seals");
        self.log.push(frame.encode());
        self.to_carry.push(self.sign(stated));
        frame.header().seq
    }

    pub fn sign(&self, stated: FrameStatement) -> CarriedStatement {
        let signature = self.driver.identity().signer.sign(&stated.statement.digest());
        stated.signed(signature)
    }

    pub fn report(&self) -> Report {
        audit(&self.log, subject(self.driver), Some(&keys_of(self.driver)))
    }

    pub fn report_outside(&self) -> Report {
        audit(&self.log, subject(self.driver), None)
    }
}

/// The log with its last frame changed and sealed again; roots follow the events when `change`
/// returns true and the events fit the state.
pub fn with_last_changed(
    log: &[Vec<u8>],
    driver: &Driver,
    change: impl FnOnce(&mut Parts) -> bool,
) -> Vec<Vec<u8>> {
    let (last, before) = log.split_last().expect("a log");
    let frame = Frame::decode(last).expect("a frame");
    let epochs = driver.pipeline().machine().epochs();
    let record = epochs.iter().find(|r| r.epoch == frame.header().epoch).expect("it booted");
    let keys = driver.keys_of(record).expect("the vault is there");
    let events = driver.events(&frame);
    let clear = ClearBody::of(&frame).expect("a clear body decodes");
    let mut parts = Parts { header: frame.header().clone(), clear, events };
    let follows = change(&mut parts);
    let mut changed = sealed(&keys, &mut parts, follows);
    if follows && let Some(roots) = roots_after(driver, before, &keys, &changed, &parts.clear) {
        (parts.header.state_root, parts.header.policy_hash) = roots;
        changed = sealed(&keys, &mut parts, true);
    }
    before.iter().cloned().chain([changed.encode()]).collect()
}

fn sealed(keys: &EpochKeys, parts: &mut Parts, follows: bool) -> Frame {
    let mut body = SealedBody::default();
    parts.events.iter().for_each(|event| body.push(event));
    if follows {
        let content = keys.content(parts.header.seq);
        let leaf = |(index, bytes): (u32, &[u8])| {
            event_tree::leaf_hash(&event_salt(&content, index), bytes)
        };
        let leaves: Vec<_> = (0..).zip(body.events()).map(leaf).collect();
        parts.header.event_count = u32::try_from(body.count()).expect("few events");
        parts.header.event_root = event_tree::root(&leaves);
    }
    let clear = parts.clear.encode(parts.header.rules);
    seal::seal(keys, parts.header.clone(), clear, body.bytes()).expect("it can be sealed")
}

/// Stores the roots after the events.
struct Roots(Option<(Root, PolicyHash)>);

impl Reviewer for Roots {
    fn before(&mut self, _: &State, _: u32, _: &Event) {}

    fn due(&mut self, _: DueLocks) {}

    fn after(&mut self, state_root: Root, policy_hash: PolicyHash) {
        self.0 = Some((state_root, policy_hash));
    }
}

fn roots_after(
    driver: &Driver,
    before: &[Vec<u8>],
    keys: &EpochKeys,
    frame: &Frame,
    clear: &ClearBody,
) -> Option<(Root, PolicyHash)> {
    let disk = driver.disk.copy();
    disk.edit(|content| {
        content.frames = before.to_vec();
        content.synced = before.len();
        content.snapshots.clear();
    });
    let mut machine = driver.replay(&disk).expect("the frames before it replay").machine;
    let opened = OpenedFrame::open(frame, Opener::Engine(keys)).expect("it was just sealed");
    let mut roots = Roots(None);
    machine.review(frame, clear, &opened, &mut roots).ok()?;
    roots.0
}
