//! Starts the engine as the product does: identity, replay, a new epoch.

use super::{Code, Driver, Engine, timed};
use crate::store::{Disk, now};
use crate::vault::TestEntropy;
use mortise_engine::boot::{self, BootError, NewEpoch, Replayed};
use mortise_engine::channel::ChannelKey;
use mortise_engine::keyring::{Identity, KeyRing};
use mortise_engine::pipeline::{Pipeline, Start};
use mortise_engine::ports::{Clock, Witnesses};
use mortise_engine::reader::{ReadStore, Reader, ReaderParts, ReleasedView};
use mortise_engine::reading::ReadingKeys;
use mortise_engine::store::LogStore;
use mortise_engine::witness::WitnessQuorum;
use std::collections::VecDeque;
use std::sync::Arc;

impl Driver {
    /// Starts the engine as the product does: identity, replay, a new epoch.
    ///
    /// # Errors
    /// What the engine's boot refuses.
    pub fn boot(&mut self) -> Result<(), BootError> {
        assert!(self.engine.is_none(), "one engine at a time");
        let attest = async |id| self.code.genesis_document(&id);
        let (genesis, vault) = (Some(&self.genesis), &*self.vault);
        let identity = now(boot::identity(&self.disk, vault, &self.entropy, genesis, attest))?;
        let vault: Arc<dyn mortise_engine::ports::Vault> = self.vault.clone();
        let ring = KeyRing::new(vault, &identity);
        self.set_clocks();
        let quorum = self.quorum(&identity).map(Arc::new);
        let start =
            begin(&self.disk, &identity, &ring, &self.entropy, quorum.as_deref(), &self.code)?;
        let cosigned = start.machine.archive().size();
        for signed in &start.to_carry {
            self.statements.insert(signed.statement.seq, signed.clone());
        }
        let root_at_boot = start.machine.state_root();
        let view = Arc::new(ReleasedView::new(start.machine.archive().clone()));
        let mut out = Vec::new();
        let pipeline =
            Pipeline::start(start, self.now_ms, self.code.version, self.settings, &mut out);
        let pipeline = pipeline.expect("an empty boot frame can be made");
        let last_shipped = pipeline.machine().head().next_seq - 1;
        let (identity, ring) = (Arc::new(identity), Arc::new(ring));
        let reader = Reader::new(ReaderParts {
            store: ReadStore::Open(Arc::new(self.disk.clone())),
            identity: Arc::clone(&identity),
            ring: Arc::clone(&ring),
            view,
            epochs: pipeline.machine().epochs().to_vec(),
            quorum: None,
            reading: ReadingKeys::new(
                Arc::clone(&ring),
                Arc::clone(&identity),
                Arc::new(TestEntropy::new(1)),
            ),
        });
        self.engine = Some(Engine {
            identity,
            ring,
            reader,
            pipeline,
            waiting_commands: VecDeque::new(),
            waiting_queries: VecDeque::new(),
            ships: VecDeque::new(),
            signs: Vec::new(),
            heads: VecDeque::new(),
            renewals: VecDeque::new(),
            quorum,
            cosigned,
            parts: VecDeque::new(),
            recalls: Vec::new(),
            last_shipped,
            root_at_boot,
        });
        self.take_outputs(out, Vec::new(), Vec::new());
        Ok(())
    }

    /// Replays another disk with this engine's identity, as a boot would, and starts nothing.
    ///
    /// # Errors
    /// What the engine's boot refuses.
    pub fn replay(&self, disk: &Disk) -> Result<Start, BootError> {
        let identity = self.identity();
        let vault: Arc<dyn mortise_engine::ports::Vault> = self.vault.clone();
        let ring = KeyRing::new(vault, identity);
        begin(disk, identity, &ring, &self.entropy, None, &Code::default())
    }

    /// The same before a new epoch is made: what the boot loaded, and why it skipped snapshots.
    ///
    /// # Errors
    /// What the engine's boot refuses.
    pub fn replayed(&self, disk: &Disk) -> Result<Replayed, BootError> {
        let identity = self.identity();
        let vault: Arc<dyn mortise_engine::ports::Vault> = self.vault.clone();
        let ring = KeyRing::new(vault, identity);
        now(boot::replay(disk, identity, &ring, &self.entropy, &|_, _| {}))
    }

    /// The witnesses, who know the log of this engine from now on.
    fn quorum(&self, identity: &Identity) -> Option<WitnessQuorum> {
        let bench = self.bench.as_ref()?;
        bench.know(identity.log_key().expect("an origin is a name"));
        let ports: (Arc<dyn Witnesses>, Arc<dyn Clock>) =
            (Arc::new(bench.clone()), Arc::new(self.clock.clone()));
        WitnessQuorum::new(identity, &self.genesis.policy, ports).expect("names of witnesses")
    }
}

/// Replays the log and opens a new epoch, unattested.
fn begin(
    disk: &Disk,
    identity: &Identity,
    ring: &KeyRing,
    entropy: &TestEntropy,
    quorum: Option<&WitnessQuorum>,
    code: &Code,
) -> Result<Start, BootError> {
    let replayed = now(boot::replay(disk, identity, ring, entropy, &|_, _| {}))?;
    let rules = code.check(&replayed)?;
    if let Some(quorum) = quorum {
        let store = Arc::new(disk.clone()) as Arc<dyn LogStore>;
        timed(boot::check_newest(&store, &replayed, quorum)).expect("witnesses answer")?;
    }
    let channel = ChannelKey::generate(entropy);
    let epoch = now(NewEpoch::prepare(&replayed, identity, ring, &channel))?;
    let document = code.document(&epoch)?;
    Ok(epoch.start(replayed, rules, document, identity, entropy))
}
