//! The output for a document that passed: what it proves, and what it does not.

use super::anchors::Images;
use crate::time::rfc3339;
use mortise_client::Proven;
use mortise_format::binding::KeyBinding;
use mortise_format::eip712::RootStatement;
use mortise_format::ids::{Bytes32, to_checksum, to_hex};
use mortise_rpc::HexBytes;
use mortise_rpc::results::StatementView;
use mortise_verify::attestation::{AWS_NITRO_ROOT_G1, Document, RootFingerprint};
use serde::Serialize;
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
    verdict: &'static str,
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
    proven: Vec<String>,
    not_proven: Vec<String>,
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

impl Report {
    /// The report of a document alone. It names the engine only by a digest.
    pub fn of_document(
        document: &Document,
        mode: Mode,
        roots: &[RootFingerprint],
        images: &Images,
    ) -> Self {
        let named = document.pcrs().filter(|(index, pcr)| *index < 5 || !pcr.is_zero());
        let bytes = |bytes: Option<&[u8]>| bytes.map(|bytes| HexBytes(bytes.to_vec()));
        let mut report = Self {
            verdict: "verified",
            mode,
            roots: roots.iter().map(|root| Bytes32(root.0)).collect(),
            image: match images {
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
            proven: Vec::new(),
            not_proven: Vec::new(),
        };
        report.conclude(images);
        report
    }

    /// Of an answer whose document binds the keys that it names.
    pub fn of_proven(
        proven: &Proven,
        mode: Mode,
        roots: &[RootFingerprint],
        images: &Images,
    ) -> Self {
        let engine = Some(Engine::of(proven));
        let statement = proven.statement().map(StatementView::from);
        let of_document = Self::of_document(proven.document(), mode, roots, images);
        let mut report = Self { engine, statement, ..of_document };
        report.conclude(images);
        report
    }

    fn is_under_aws(&self) -> bool {
        self.roots == [Bytes32(AWS_NITRO_ROOT_G1.0)]
    }

    /// Words for what the checks prove; each has its check in `mortise_verify`.
    fn conclude(&mut self, images: &Images) {
        let mut proven = vec![match self.is_under_aws() {
            true => "a Nitro enclave, not in debug mode, made the document".to_owned(),
            false => "an enclave under a root that you named, not in debug mode, made the document"
                .to_owned(),
        }];
        proven.push(match self.mode {
            Mode::Live => "it was made now, for the nonce of this request".to_owned(),
            Mode::Archived => format!("it was made at {}, as it states", self.time),
        });
        if matches!(images, Images::Named(_)) {
            proven.push("the enclave runs an image that you named".to_owned());
        }
        if self.engine.is_some() {
            let what = "it holds the keys shown here, for this engine, and continues this history";
            proven.push(what.to_owned());
        }
        if self.statement.is_some() {
            let what = "the statement was the newest that it had released";
            proven.push(what.to_owned());
        }
        (self.proven, self.not_proven) = (proven, self.open(images));
    }

    /// What the document does not prove, although it may seem to.
    fn open(&self, images: &Images) -> Vec<String> {
        let mut open = Vec::new();
        if matches!(images, Images::Any) {
            open.push("which image it runs: --any-image accepts any image".to_owned());
        } else {
            open.push("that the image is good, or built from some source".to_owned());
        }
        for index in images.unnamed() {
            open.push(format!(
                "PCR{index} by a value of yours: PCR0 covers the same bytes, but not where one \
                 part \
                 ends; name it too for a complete policy"
            ));
        }
        if !self.is_under_aws() {
            open.push("that AWS hardware runs it: the root is not that of AWS".into());
        }
        if self.engine.is_none() {
            let what = "which keys and engine it binds: a document holds only their digest";
            open.push(what.to_owned());
        }
        if self.mode == Mode::Archived {
            open.push("anything about today".to_owned());
        }
        open.push(
            "that the peer who answers is the enclave: only what the bound keys sign is from it"
                .into(),
        );
        open.push("that no second enclave of the same image holds the same keys".to_owned());
        open
    }

    /// For people.
    pub fn text(&self, title: &str) -> String {
        let mut lines = Vec::new();
        if let Some(engine) = &self.engine {
            engine.lines(&mut lines);
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
        let mut text = format!("{title}\n");
        for (name, value) in lines {
            text.push_str(&format!("  {name:13}  {value}\n"));
        }
        for (head, what) in [("proven", &self.proven), ("NOT proven", &self.not_proven)] {
            text.push_str(&format!("  {head}\n"));
            text.extend(what.iter().map(|what| format!("    - {what}\n")));
        }
        text
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
