//! The sequential part of an audit: checks each frame against the state that the log leads to.

use crate::anchors::Anchors;
use crate::boots::BootTrust;
use crate::checker::DecisionChecker;
use crate::checkpoints::{Checkpoints, Recovery};
use crate::finding::{Fact, Finding};
use crate::keys::AuditKeys;
use crate::prepare::{AnsweredCommand, Content, Prepared, Read};
use crate::report::{
    BootAttestation, EngineIdBasis, EpochReport, FINDINGS_KEPT, Gap, GenesisAttestation, Report,
};
use crate::statements;
use crate::verdict::Asked;
use alloc::boxed::Box;
use alloc::vec::Vec;
use mortise_core::body::{Boot, ClearBody, FrameStatement};
use mortise_core::machine::{Chain, FollowError, Machine, OpenedFrame};
use mortise_format::binding::KeyBinding;
use mortise_format::event::Event;
use mortise_format::frame::{Frame, FrameHeader};
use mortise_format::genesis::{Genesis, GenesisKeys, engine_id};
use mortise_format::ids::{Address, Bytes32, EngineId, Measurement, PolicyHash, Root};
use mortise_format::lock::Durability;
use mortise_format::secp256k1::address_of_compressed;
use mortise_verify::Engine;
use mortise_verify::attestation::GenesisDocumentError;
use mortise_verify::checkpoint::Witnesses;
use mortise_verify::statement::SignedStatement;
use mortise_verify::succession;

/// What the auditor knows of the log before the first frame.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// The engine whose log it must be. Without it, the log names the engine.
    pub engine_id: Option<EngineId>,
    /// The address of its signing key, if the caller knows it.
    pub address: Option<Address>,
    /// The policy that must be in force at the end.
    pub policy_hash: Option<PolicyHash>,
    /// The durability that its answers must have.
    pub durability: Option<Durability>,
    /// The genesis. Without it no decision can be replayed.
    pub genesis: Option<Genesis>,
    /// The genesis public keys and the commitment to the log secret: with
    /// the genesis they make the engine id.
    pub genesis_keys: Option<(GenesisKeys, Bytes32)>,
    /// Which attestation documents to trust. Without it no document is checked.
    pub trust: Option<BootTrust>,
    /// Statements of the engine that were kept outside the log.
    pub kept: Vec<SignedStatement>,
    /// Kept checkpoints of the log: signed notes. They need the genesis and its keys.
    pub checkpoints: Vec<Vec<u8>>,
    /// The witnesses that must have cosigned them; without it, the witnesses of the genesis.
    pub witnesses: Option<Witnesses>,
}

/// Follows a log, checks it and makes the report.
#[derive(Debug)]
pub struct Auditor {
    subject: Subject,
    keys: Option<AuditKeys>,
    map_seed: u64,
    follower: Follower,
    engine: Option<Address>,
    anchors: Anchors,
    checkpoints: Checkpoints,
    report: Report,
}

/// To which depth the log can still be followed.
#[derive(Debug)]
enum Follower {
    /// Before the first frame.
    Start,
    /// Every event is replayed.
    Machine(Box<Machine>),
    /// Only the chain is followed.
    Chain(Box<Chain>),
    /// The chain broke; no frame is followed.
    Broken,
}

impl Auditor {
    /// An auditor before the first frame. `map_seed` must be unpredictable for the writer of the
    /// log, who could otherwise choose keys that collide and slow the replay down.
    pub fn new(mut subject: Subject, keys: Option<AuditKeys>, map_seed: u64) -> Self {
        let asked = asked(&subject, keys.as_ref());
        let has_genesis = subject.genesis.is_some();
        let anchors = Anchors::new(core::mem::take(&mut subject.kept));
        let notes = core::mem::take(&mut subject.checkpoints);
        let checkpoints = Checkpoints::new(notes, subject.witnesses.take());
        let report = Report {
            asked,
            has_genesis,
            kept_found: 0,
            kept_unjudged: 0,
            engine_id: None,
            engine: None,
            engine_id_basis: EngineIdBasis::BootFrames,
            recovery: None,
            checkpoints: Vec::new(),
            durability: None,
            frames: 0,
            events: 0,
            opened_frames: 0,
            replayed_to: 0,
            replayed_events: 0,
            commands: 0,
            refusals: 0,
            timed: 0,
            snapshots: 0,
            statements: 0,
            signed_to: 0,
            genesis: GenesisAttestation::Missing,
            epochs: Vec::new(),
            gaps: Vec::new(),
            digest: mortise_format::ids::FrameDigest::ZERO,
            history_root: Root(mortise_format::domains::sha256(&[])),
            state_root: Root::ZERO,
            policy_hash: PolicyHash::ZERO,
            time_ms: 0,
            findings: Vec::new(),
            finding_count: 0,
            broken_at: None,
        };
        let (follower, engine) = (Follower::Start, None);
        Self { subject, keys, map_seed, follower, engine, anchors, checkpoints, report }
    }

    /// Returns true when the chain broke: later frames cannot be checked.
    pub fn is_broken(&self) -> bool {
        matches!(self.follower, Follower::Broken)
    }

    /// Findings so far.
    pub fn finding_count(&self) -> u64 {
        self.report.finding_count
    }

    /// Checks the next frame. Ignores frames after a break of the chain.
    pub fn follow(&mut self, prepared: Prepared) {
        if self.is_broken() {
            return;
        }
        let seq = self.report.frames;
        match prepared.0 {
            Err(error) => self.break_off(seq, Fact::NotAFrame(error)),
            Ok(read) => self.follow_read(seq, read),
        }
    }

    fn find(&mut self, finding: Finding) {
        self.report.finding_count += 1;
        if self.report.findings.len() < FINDINGS_KEPT {
            self.report.findings.push(finding);
        }
    }

    fn find_all(&mut self, seq: u64, facts: Vec<Fact>) {
        facts.into_iter().for_each(|fact| self.find(Finding { seq, index: None, fact }));
    }

    fn break_off(&mut self, seq: u64, fact: Fact) {
        self.find_all(seq, alloc::vec![fact]);
        self.report.broken_at = Some(seq);
        self.follower = Follower::Broken;
    }

    fn chain(&self) -> Option<&Chain> {
        match &self.follower {
            Follower::Machine(machine) => Some(machine.chain()),
            Follower::Chain(chain) => Some(chain),
            Follower::Start | Follower::Broken => None,
        }
    }

    fn follow_read(&mut self, seq: u64, read: Read) {
        if matches!(self.follower, Follower::Start) {
            self.begin(read.frame.header());
        }
        let placed = self.chain().map(|chain| chain.check_place(&read.frame));
        match placed {
            Some(Err(error)) => return self.break_off(seq, Fact::Place(error)),
            Some(Ok(())) => {}
            None => return,
        }
        let clear = match read.clear {
            Ok(clear) => clear,
            Err(error) => return self.break_off(seq, Fact::ClearBody(error)),
        };
        self.epoch(&read.frame, &clear, &read.content);
        self.carried(seq, &clear, &read.signers);
        let stated = self.content(&read.frame, &clear, read.content);
        self.stated(&read.frame, stated);
    }

    /// At the first frame: finds out whose log it is and whether decisions can be replayed.
    fn begin(&mut self, header: &FrameHeader) {
        let found = header.engine_id;
        self.report.engine_id = Some(found);
        if let Some(expected) = self.subject.engine_id.filter(|expected| *expected != found) {
            return self.break_off(0, Fact::OtherEngine { expected, found });
        }
        self.follower = Follower::Chain(Box::new(Chain::new(found)));
        if let Some(genesis) = &self.subject.genesis {
            self.report.durability = Some(genesis.policy.durability());
            let refused = self.recovery();
            self.find_all(0, refused.into_iter().collect());
        }
        if let (Some(genesis), Some((keys, secret))) =
            (&self.subject.genesis, &self.subject.genesis_keys)
        {
            if engine_id(keys, secret, &genesis.hash()) == found {
                self.report.engine_id_basis = EngineIdBasis::Proven;
                self.engine = address_of_compressed(&keys.signing);
                let mut facts = self.checkpoints.begin(genesis, keys, &found);
                facts.extend(self.unknown_signer());
                self.find_all(0, facts);
            } else {
                self.find_all(0, alloc::vec![Fact::Identity]);
            }
        }
        let is_tied = self.engine.is_some() || self.subject.address.is_some();
        let is_known_wrong = self.report.finding_count > 0;
        if self.subject.engine_id.is_some() && !is_tied && !is_known_wrong {
            self.find_all(0, alloc::vec![Fact::MissingGenesis]);
        }
        let opened = self.keys.as_ref().filter(|keys| *keys.engine_id() == found);
        if let (Some(keys), Some(genesis)) = (opened, &self.subject.genesis) {
            let (policy, salt) = (genesis.policy.clone(), keys.state_salt().clone());
            let machine = Machine::with_state_salt(found, policy, salt, self.map_seed);
            self.follower = Follower::Machine(Box::new(machine));
        } else if self
            .subject
            .genesis
            .as_ref()
            .is_some_and(|g| g.policy.hash() != header.policy_hash)
        {
            self.find_all(0, alloc::vec![Fact::PolicyHash]);
        }
    }

    /// The key of the log, if it is not that of the engine that the caller named.
    fn unknown_signer(&self) -> Option<Fact> {
        let (expected, found) = (self.subject.address?, self.engine?);
        (expected != found).then_some(Fact::UnknownSigner { expected, found })
    }

    /// The engine that this one replaced, as its genesis says, and whether its operators agreed.
    fn recovery(&mut self) -> Option<Fact> {
        let genesis = self.subject.genesis.as_ref()?;
        let predecessor = genesis.predecessor.as_ref()?.engine_id;
        let (verified, refused) = match succession::verify(genesis) {
            Ok(verified) => (Some(verified), None),
            Err(error) => (None, Some(Fact::Succession(error))),
        };
        self.report.recovery = Some(Recovery { predecessor, verified });
        refused
    }

    /// At a boot frame: checks its keys and its document.
    fn epoch(&mut self, frame: &Frame, clear: &ClearBody, content: &Content) {
        let Some(boot) = &clear.boot else { return };
        let header = frame.header();
        let bound = address_of_compressed(&boot.record.keys.signing);
        if self.engine.is_none() {
            // No genesis names the key: the boot does, and the caller may know better.
            self.engine = bound;
            let unknown = self.unknown_signer();
            self.find_all(header.seq, unknown.into_iter().collect());
        }
        if *self.engine.get_or_insert(bound.unwrap_or(Address::ZERO)) != bound.unwrap_or_default() {
            self.find_all(header.seq, alloc::vec![Fact::SigningKey]);
        }
        if let Err(unknown) = header.rules.check() {
            self.find_all(header.seq, alloc::vec![Fact::RulesUnknown(unknown)]);
        }
        let attestation = self.attestation(header, boot);
        if header.seq == 0 {
            self.report.genesis = self.genesis_document(header, boot);
        }
        if let Some(last) = self.report.epochs.last() {
            let (after_epoch, from_ms, to_ms) = (last.epoch, last.to_ms, header.time_ms);
            self.report.gaps.push(Gap { after_epoch, from_ms, to_ms });
        }
        let version = match content {
            Content::Opened(opened, _) => match opened.events().first() {
                Some(Event::EpochStarted { version, .. }) => Some(version.clone()),
                _ => None,
            },
            _ => None,
        };
        self.report.epochs.push(EpochReport {
            epoch: header.epoch,
            first_seq: header.seq,
            frames: 0,
            events: 0,
            from_ms: header.time_ms,
            to_ms: header.time_ms,
            rules: header.rules,
            version,
            attestation,
        });
    }

    /// At the first frame: checks the document that was made when the keys were drawn.
    fn genesis_document(&mut self, header: &FrameHeader, boot: &Boot) -> GenesisAttestation {
        let Some(trust) = &self.subject.trust else {
            return match boot.genesis_document.is_empty() {
                true => GenesisAttestation::Missing,
                false => GenesisAttestation::NotChecked,
            };
        };
        match trust.check_genesis(boot, &header.engine_id) {
            Ok(attestation) => attestation,
            Err(error) => {
                let is_missing = error == GenesisDocumentError::Missing;
                self.find_all(header.seq, alloc::vec![Fact::GenesisDocument(error)]);
                if is_missing { GenesisAttestation::Missing } else { GenesisAttestation::Refused }
            }
        }
    }

    fn attestation(&mut self, header: &FrameHeader, boot: &Boot) -> BootAttestation {
        if boot.document.is_empty() {
            if self.subject.trust.is_some() {
                let epoch = header.epoch;
                self.find_all(header.seq, alloc::vec![Fact::MissingDocument { epoch }]);
            }
            return BootAttestation::Unattested;
        }
        let (Some(trust), Some(chain)) = (&self.subject.trust, self.chain()) else {
            return BootAttestation::NotChecked;
        };
        let history = chain.history();
        let binding = KeyBinding {
            engine_id: header.engine_id,
            epoch: header.epoch,
            keys: boot.record.keys,
            history_size: history.size(),
            history_root: Root(history.root()),
            policy_hash: header.policy_hash,
        };
        match trust.check(boot, &binding) {
            Ok(attestation) => attestation,
            Err(error) => {
                self.find_all(header.seq, alloc::vec![Fact::Attestation(error)]);
                BootAttestation::Refused
            }
        }
    }

    fn carried(
        &mut self,
        seq: u64,
        clear: &ClearBody,
        signers: &[Result<Address, mortise_format::secp256k1::SignatureError>],
    ) {
        let Some(chain) = self.chain() else { return };
        let checked = statements::check(chain, clear, signers, self.engine);
        self.report.statements += checked.good;
        if let Some(newest) = checked.newest {
            self.report.signed_to = self.report.signed_to.max(newest.saturating_add(1));
        }
        self.find_all(seq, checked.facts);
    }

    /// Opens, checks and applies the events, or appends to the chain alone. Returns the statement
    /// about the frame.
    fn content(
        &mut self,
        frame: &Frame,
        clear: &ClearBody,
        content: Content,
    ) -> Option<FrameStatement> {
        let seq = frame.header().seq;
        let opened = match content {
            // The finding is at the boot frame of the epoch.
            Content::NoKey | Content::Unreadable(FollowError::RulesUnknown(_)) => None,
            Content::Unreadable(error) => {
                self.find_all(seq, alloc::vec![Fact::Content(error)]);
                None
            }
            Content::Opened(opened, answered) => {
                self.report.opened_frames += 1;
                self.read_events(frame.header(), &opened);
                Some((opened, answered))
            }
        };
        match core::mem::replace(&mut self.follower, Follower::Broken) {
            Follower::Machine(machine) => match opened {
                Some((opened, answered)) => self.replay(machine, frame, clear, &opened, &answered),
                None => Some(self.append(machine.into_chain(), frame, clear)),
            },
            Follower::Chain(chain) => Some(self.append(*chain, frame, clear)),
            Follower::Start | Follower::Broken => None,
        }
    }

    fn read_events(&mut self, header: &FrameHeader, opened: &OpenedFrame) {
        if !opened.fits_event_root(header) {
            self.find_all(header.seq, alloc::vec![Fact::EventRoot]);
        }
        if !opened.begins_as_its_kind(header) {
            let (seq, index) = (header.seq, Some(0));
            self.find(Finding { seq, index, fact: Fact::FirstEvent });
        }
    }

    /// From this frame on, follows only the chain.
    fn append(&mut self, mut chain: Chain, frame: &Frame, clear: &ClearBody) -> FrameStatement {
        let stated = chain.advance(frame, clear);
        self.follower = Follower::Chain(Box::new(chain));
        stated
    }

    fn replay(
        &mut self,
        mut machine: Box<Machine>,
        frame: &Frame,
        clear: &ClearBody,
        opened: &OpenedFrame,
        answered: &[AnsweredCommand],
    ) -> Option<FrameStatement> {
        let seq = frame.header().seq;
        let mut checker = DecisionChecker::new(frame.header(), answered, self.image());
        let reviewed = machine.review(frame, clear, opened, &mut checker);
        let DecisionChecker { counts, findings, .. } = checker;
        findings.into_iter().for_each(|finding| self.find(finding));
        self.report.commands += counts.commands;
        self.report.refusals += counts.refusals;
        self.report.timed += counts.timed;
        self.report.snapshots += counts.snapshots;
        match reviewed {
            Ok(stated) => {
                self.follower = Follower::Machine(machine);
                self.report.replayed_to = seq.saturating_add(1);
                let events = u64::try_from(opened.events().len()).unwrap_or(u64::MAX);
                self.report.replayed_events += events;
                Some(stated)
            }
            Err(error) => {
                let (index, fact) = match error {
                    FollowError::Corruption { index, corruption } => {
                        (Some(index), Fact::DoesNotFit(corruption))
                    }
                    other => (None, Fact::Content(other)),
                };
                self.find(Finding { seq, index, fact });
                Some(self.append(machine.into_chain(), frame, clear))
            }
        }
    }

    /// The image of the current epoch, from its verified document.
    fn image(&self) -> Option<Measurement> {
        match &self.report.epochs.last()?.attestation {
            BootAttestation::Verified { pcr0, .. } => pcr0.map(|pcr| Measurement(pcr.0)),
            _ => None,
        }
    }

    fn stated(&mut self, frame: &Frame, stated: Option<FrameStatement>) {
        let Some(FrameStatement { statement, .. }) = stated else { return };
        let header = frame.header();
        let report = &mut self.report;
        report.frames += 1;
        report.events += u64::from(header.event_count);
        report.digest = statement.frame_digest;
        report.history_root = statement.history_root;
        report.state_root = statement.state_root;
        report.policy_hash = statement.policy_hash;
        report.time_ms = header.time_ms;
        if let Some(epoch) = report.epochs.last_mut() {
            epoch.frames += 1;
            epoch.events += u64::from(header.event_count);
            epoch.to_ms = header.time_ms;
        }
        let facts = self.checkpoints.compare(statement.history_size, &statement.history_root);
        self.find_all(statement.seq, facts);
        let Some(address) = self.engine else { return };
        let engine = Engine { id: header.engine_id, address };
        let (facts, agreeing) = self.anchors.compare(engine, &statement);
        self.report.kept_found += agreeing;
        if agreeing > 0 {
            self.report.statements += 1;
            self.report.signed_to = statement.seq.saturating_add(1);
        }
        self.find_all(statement.seq, facts);
    }

    /// Ends the log and returns the report.
    pub fn finish(mut self) -> Report {
        if self.is_broken() {
            self.report.kept_unjudged = self.anchors.count();
        } else {
            if matches!(self.follower, Follower::Start) {
                self.end_empty();
            }
            let engine = self.report.engine_id.or(self.subject.engine_id).zip(self.engine);
            let engine = engine.map(|(id, address)| Engine { id, address });
            let mut facts = self.anchors.end(engine);
            facts.extend(self.checkpoints.end());
            self.find_all(self.report.frames, facts);
        }
        self.report.checkpoints = self.checkpoints.into_reports();
        self.report.engine = self.engine;
        self.report
    }

    /// A log without frames: the engine is known only from what came with it.
    fn end_empty(&mut self) {
        self.find_all(0, alloc::vec![Fact::EmptyLog]);
        self.engine = self.subject.address;
        let (Some(genesis), Some((keys, secret))) =
            (&self.subject.genesis, &self.subject.genesis_keys)
        else {
            return;
        };
        let found = engine_id(keys, secret, &genesis.hash());
        if let Some(expected) = self.subject.engine_id.filter(|expected| *expected != found) {
            return self.find_all(0, alloc::vec![Fact::OtherEngine { expected, found }]);
        }
        self.engine = address_of_compressed(&keys.signing);
        self.report.engine_id = Some(found);
        self.report.engine_id_basis = EngineIdBasis::Proven;
        let mut facts = self.checkpoints.begin(genesis, keys, &found);
        facts.extend(self.unknown_signer());
        self.find_all(0, facts);
    }
}

fn asked(subject: &Subject, keys: Option<&AuditKeys>) -> Asked {
    Asked {
        engine_id: subject.engine_id,
        address: subject.address,
        trust: subject.trust.is_some(),
        keys: keys.map(|keys| (*keys.engine_id(), keys.epochs().collect())),
        statements: u64::try_from(subject.kept.len()).unwrap_or(u64::MAX),
        policy_hash: subject.policy_hash,
        durability: subject.durability,
    }
}
