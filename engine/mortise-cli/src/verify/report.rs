//! The output for a document that passed: its fields, and the verdict about it.

use super::anchors::{Images, TrustAnchors};
use super::refused;
use super::uses::{self, Condition};
use super::verdict::ended;
use crate::anchors::Anchors;
use crate::failure::Failure;
use crate::time::rfc3339;
use mortise_client::Proven;
use mortise_format::binding::KeyBinding;
use mortise_format::eip712::RootStatement;
use mortise_format::ids::{Bytes32, to_checksum, to_hex};
use mortise_rpc::HexBytes;
use mortise_rpc::results::StatementView;
use mortise_verify::attestation::{AWS_NITRO_ROOT_G1, Document};
use mortise_verify::verdict::{Basis, Claim, Clock, Identity, Named, Subject, Tie, Verdict};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The time at which a document was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Mode {
    /// Now, for a nonce of the caller.
    Live,
    /// The time that it states.
    Archived,
}

/// A document that passed, and what follows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    #[serde(flatten)]
    members: Map<String, Value>,
    mode: Mode,
    roots: Vec<Bytes32>,
    image: &'static str,
    module_id: String,
    timestamp_ms: u64,
    /// By the document.
    time: String,
    pcrs: BTreeMap<u8, String>,
    nonce: Option<HexBytes>,
    user_data: Option<HexBytes>,
    public_key: Option<HexBytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<Engine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<StatementView>,
    /// Only beside an engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    genesis: Option<Genesis>,
    #[serde(skip)]
    verdict: Verdict,
}

/// What a document binds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Engine {
    engine_id: String,
    address: String,
    epoch: u64,
    history_size: u64,
    history_root: String,
    policy_hash: String,
    signing_key: String,
    checkpoint_key: Option<String>,
    channel_key: Option<String>,
}

/// The document that was made when the keys were drawn.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Genesis {
    module_id: String,
    timestamp_ms: u64,
    /// By the document.
    time: String,
    pcr0: Option<String>,
}

impl Genesis {
    fn of(document: &Document) -> Self {
        Self {
            module_id: document.module_id().to_owned(),
            timestamp_ms: document.timestamp_ms(),
            time: rfc3339(document.timestamp_ms()),
            pcr0: document.pcr(0).map(ToString::to_string),
        }
    }

    fn lines(&self, out: &mut Vec<(&'static str, String)>) {
        out.push(("drawn", format!("{} ({} ms)", self.time, self.timestamp_ms)));
        out.push(("drawn by PCR0", self.pcr0.clone().unwrap_or_else(|| "none".to_owned())));
    }
}

impl Engine {
    fn of(proven: &Proven) -> Self {
        let (identity, binding) = (proven.identity(), proven.binding());
        let KeyBinding { epoch, history_size, history_root, policy_hash, keys, .. } = binding;
        Self {
            engine_id: identity.engine_id.to_string(),
            address: to_checksum(&identity.address),
            epoch: *epoch,
            history_size: *history_size,
            history_root: history_root.to_string(),
            policy_hash: policy_hash.to_string(),
            signing_key: to_hex(&keys.signing),
            checkpoint_key: keys.checkpoint.map(|key| to_hex(&key)),
            channel_key: keys.channel.map(|key| to_hex(&key)),
        }
    }

    fn lines(&self, out: &mut Vec<(&'static str, String)>) {
        let none = || "none".to_owned();
        out.extend([
            ("engineId", self.engine_id.clone()),
            ("address", self.address.clone()),
            ("epoch", self.epoch.to_string()),
            ("history", format!("{} frames, root {}", self.history_size, self.history_root)),
            ("policyHash", self.policy_hash.clone()),
            ("signingKey", self.signing_key.clone()),
            ("checkpointKey", self.checkpoint_key.clone().unwrap_or_else(none)),
            ("channelKey", self.channel_key.clone().unwrap_or_else(none)),
        ]);
    }
}

/// A passed document before its report: what was checked, and under which anchors.
#[derive(Debug)]
pub(super) struct Passed<'a> {
    /// The time at which it was checked.
    pub mode: Mode,
    /// Roots and images.
    pub trust: &'a TrustAnchors,
    /// The anchors file.
    pub file: &'a Anchors,
}

impl Passed<'_> {
    /// The report of a document alone. It names the engine only by a digest.
    ///
    /// # Errors
    /// Wrong usage: half an engine in the anchors file.
    pub fn document(&self, document: &Document) -> Result<Report, Failure> {
        let mut verdict = self.verdict(document);
        if self.file.engine()?.is_some() {
            let reason = "a document alone names no engine: pass the whole answer of the engine";
            verdict.lacks(Claim::Engine, reason);
        }
        if self.file.policy_hash.is_some() {
            verdict.lacks(Claim::Policy, "a document alone names no policy: pass the whole answer");
        }
        verdict.leaves_open("which keys and engine it binds: a document holds only their digest");
        // The engine and the policy are listed as missing, not as unused.
        self.leave_open(&[Condition::Answer], &mut verdict);
        Ok(self.report(document, verdict))
    }

    /// Of an answer whose document binds the keys that it names.
    ///
    /// # Errors
    /// Another engine or address than the anchors file names.
    pub fn proven(&self, proven: &Proven) -> Result<Report, Failure> {
        let mut verdict = proven.verdict();
        self.engine(proven, &mut verdict)?;
        let hold = match proven.as_of() {
            Some(_) => &[Condition::Answer, Condition::Lease][..],
            None => &[Condition::Answer],
        };
        self.leave_open(hold, &mut verdict);
        let engine = Some(Engine::of(proven));
        let statement = proven.statement().map(StatementView::from);
        let genesis = proven.genesis().map(Genesis::of);
        Ok(Report { engine, statement, genesis, ..self.report(proven.document(), verdict) })
    }

    /// Holds the bound keys against the engine and the policy of the anchors file.
    fn engine(&self, proven: &Proven, verdict: &mut Verdict) -> Result<(), Failure> {
        let found = proven.identity();
        match self.file.engine()? {
            Some(wanted) if wanted.id != found.engine_id => {
                let what = format!("the document binds {}, not {}", found.engine_id, wanted.id);
                return Err(refused::named("EngineId", &what));
            }
            Some(wanted) if wanted.address != found.address => {
                let (found, wanted) = (to_checksum(&found.address), to_checksum(&wanted.address));
                let what = format!("the document binds the key of {found}, not of {wanted}");
                return Err(refused::named("Signer", &what));
            }
            Some(_) => {
                let basis = Basis::named(Named::Comparison, "engine and address of the anchors");
                let what = "the keys belong to the engine that you named";
                verdict.establish(Claim::Engine, what, basis);
            }
            None => {
                verdict
                    .leaves_open("that this is the engine that you mean: name it with --anchors");
            }
        }
        let bound = &proven.binding().policy_hash;
        match &self.file.policy_hash {
            Some(wanted) if wanted != bound => {
                verdict.contradicts(Claim::Policy, format!("the policy is {bound}, not {wanted}"));
            }
            Some(_) => {
                let basis = Basis::named(Named::Comparison, "the policy hash in the bound keys");
                verdict.establish(Claim::Policy, "the policy is the one that you named", basis);
            }
            None => {}
        }
        Ok(())
    }

    fn is_under_aws(&self) -> bool {
        self.trust.roots == [AWS_NITRO_ROOT_G1]
    }

    /// The claims of a document alone; each has its check in `mortise_verify`.
    fn verdict(&self, document: &Document) -> Verdict {
        let (tie, is_named) = match self.trust.images {
            Images::Any => (Tie::NotAtAll, false),
            Images::Named(_) => (Tie::Attested, true),
        };
        let identity = Identity {
            engine_id: None,
            address: None,
            image: document.pcr(0).map(ToString::to_string),
            tie,
        };
        let mut verdict = Verdict::new(Subject::Attestation, identity, "made this document");
        verdict.about_time(document.timestamp_ms() / 1000, Clock::Document);
        let basis = |what: &str| Basis::named(Named::Attestation, what);
        let what = match self.is_under_aws() {
            true => "a Nitro enclave, not in debug mode, made the document",
            false => "an enclave under a root that you named, not in debug mode, made the document",
        };
        verdict.establish(Claim::Document, what, basis("the signature and its certificate chain"));
        match self.mode {
            Mode::Live => {
                let what = "it was made now, for the nonce of this request";
                verdict.establish(Claim::Fresh, what, basis("the nonce and the time in it"));
            }
            Mode::Archived => {
                let time = rfc3339(document.timestamp_ms());
                let what = format!("it was made at {time}, as it states");
                verdict.establish(Claim::AtItsTime, what, basis("the time in it"));
            }
        }
        if is_named {
            let what = "the enclave runs an image that you named";
            verdict.establish(Claim::Image, what, basis("the registers in it"));
        }
        verdict
    }

    /// What the document does not prove, although it may seem to.
    fn leave_open(&self, hold: &[Condition], verdict: &mut Verdict) {
        let unused = uses::unused("attestation", self.file, hold);
        if !unused.is_empty() {
            verdict.leaves_open(uses::sentence(&unused));
        }
        verdict.leaves_open(match self.trust.images {
            Images::Any => "which image it runs: --any-image accepts any image",
            Images::Named(_) => "that the image is good, or built from some source",
        });
        for index in self.trust.images.unnamed() {
            verdict.leaves_open(format!(
                "PCR{index} by a value of yours: PCR0 covers the same bytes, but not where one \
                 part ends; name it too for a complete policy"
            ));
        }
        if !self.is_under_aws() {
            verdict.leaves_open("that AWS hardware runs it: the root is not that of AWS");
        }
        if self.mode == Mode::Archived {
            verdict.leaves_open("anything about today");
        }
        verdict
            .leaves_open(
                "that the peer who answers is the enclave: only what the bound keys sign is from \
                 it",
            )
            .leaves_open("that no second enclave of the same image holds the same keys");
    }

    fn report(&self, document: &Document, verdict: Verdict) -> Report {
        let named = document.pcrs().filter(|(index, pcr)| *index < 5 || !pcr.is_zero());
        let bytes = |bytes: Option<&[u8]>| bytes.map(|bytes| HexBytes(bytes.to_vec()));
        let members = verdict.members();
        Report {
            members,
            mode: self.mode,
            roots: self.trust.roots.iter().map(|root| Bytes32(root.0)).collect(),
            image: match self.trust.images {
                Images::Any => "any",
                Images::Named(_) => "approved",
            },
            module_id: document.module_id().to_owned(),
            timestamp_ms: document.timestamp_ms(),
            time: rfc3339(document.timestamp_ms()),
            pcrs: named.map(|(index, pcr)| (index, pcr.to_string())).collect(),
            nonce: bytes(document.nonce()),
            user_data: bytes(document.user_data()),
            public_key: bytes(document.public_key()),
            engine: None,
            statement: None,
            genesis: None,
            verdict,
        }
    }
}

impl Report {
    /// The failure, if the verdict is one.
    pub fn ended(&self, allow_partial: bool) -> Result<(), Failure> {
        ended(&self.verdict, allow_partial)
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        if let Some(engine) = &self.engine {
            engine.lines(&mut lines);
        }
        if let Some(genesis) = &self.genesis {
            genesis.lines(&mut lines);
        }
        if let Some(statement) = &self.statement {
            let RootStatement { seq, state_root, history_size, .. } =
                RootStatement::from(statement);
            lines.push(("statement", format!("seq {seq}, {history_size} frames, {state_root}")));
        }
        let hex = |bytes: &Option<HexBytes>| {
            bytes.as_ref().map_or_else(|| "none".to_owned(), |bytes| to_hex(&bytes.0))
        };
        lines.extend([
            ("moduleId", self.module_id.clone()),
            ("time", format!("{} ({} ms)", self.time, self.timestamp_ms)),
            ("userData", hex(&self.user_data)),
            ("nonce", hex(&self.nonce)),
            ("publicKey", hex(&self.public_key)),
        ]);
        lines.extend(self.roots.iter().map(|root| ("root", root.to_string())));
        lines.extend(self.pcrs.iter().map(|(index, pcr)| (pcr_name(*index), pcr.clone())));
        let mut text = format!("{}\n", self.verdict.first_line());
        for (name, value) in lines {
            text.push_str(&format!("  {name:13}  {value}\n"));
        }
        text + &self.verdict.lists()
    }
}

/// Names of the registers that the page of documents names; others have none.
fn pcr_name(index: u8) -> &'static str {
    match index {
        0 => "PCR0",
        1 => "PCR1",
        2 => "PCR2",
        3 => "PCR3",
        4 => "PCR4",
        8 => "PCR8",
        16 => "PCR16",
        _ => "PCR (other)",
    }
}
