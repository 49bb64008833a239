//! The anchors file: what the caller trusts, and the newest statement that its engine signed.
//!
//! ```text
//! hand-written, kept byte for byte   engine_id = "0x..."  ...  pcr0 = ["..."]
//! added at first use, if absent      engine_id, address
//! written by mortise                 [last]  the newest statement, with its signature
//! ```
//! Invariants: a name that is not known is refused; nothing is trusted by default; the file is
//! replaced as a whole, so that two processes never leave half a file.

use crate::failure::Failure;
use crate::verify::{Log, LogArgs};
use mortise_client::{Client, Freshness, Identity, SignedStatementView};
use mortise_format::ids::{Address, EngineId, PolicyHash};
use mortise_format::lock::{Custody, Durability};
use mortise_verify::Engine;
use mortise_verify::lease::AgeLimit;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::{Display, Write as _};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Maximum size of the file.
const FILE_BYTES_MAX: usize = 64 * 1024;
/// The line above the table that mortise writes.
const MARK: &str = "# Written by mortise: the newest statement that the engine signed.";
/// The table itself.
const LAST: &str = "[last]";

/// What the file names. Everything is optional; an unknown name is refused.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Anchors {
    /// The engine.
    pub engine_id: Option<EngineId>,
    /// The address of its signing key.
    pub address: Option<Address>,
    /// The key of its log.
    pub log_key: Option<String>,
    /// The name of its log.
    pub origin: Option<String>,
    /// Keys of witnesses.
    pub witnesses: Vec<String>,
    /// How many of them must have cosigned.
    pub quorum: Option<usize>,
    /// The oldest answer about now to accept, seconds.
    pub max_age: Option<u64>,
    /// How far the clocks of witnesses may be ahead of this machine's, seconds.
    pub skew: Option<u64>,
    /// The custody class that a commitment must have.
    pub custody: Option<Custody>,
    /// The durability that a commitment must have.
    pub durability: Option<Durability>,
    /// The lock policy that a commitment must be under.
    pub policy_hash: Option<PolicyHash>,
    /// Roots of attestation.
    pub roots: Vec<String>,
    /// Approved images.
    pub pcr0: Vec<String>,
    /// Approved kernels.
    pub pcr1: Vec<String>,
    /// Approved applications.
    pub pcr2: Vec<String>,
    /// Approved certificates of images.
    pub pcr8: Vec<String>,
    /// The newest statement.
    last: Option<SignedStatementView>,
}

impl Anchors {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > FILE_BYTES_MAX {
            return Err(format!("{} bytes, the maximum is {FILE_BYTES_MAX}", text.len()));
        }
        if text.trim_start().starts_with('{') {
            let next = "write its engineId as engine_id and its address as address, in TOML";
            return Err(format!("this is a trust file of an earlier version (JSON): {next}"));
        }
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// Reads a file that must exist. Without a path, returns no anchors.
    ///
    /// # Errors
    /// Wrong usage: a file that cannot be read, or is malformed.
    pub fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path).map_err(|error| named(path, &error))?;
        Self::parse(&text).map_err(|error| named(path, &error))
    }

    /// The engine, if it is pinned.
    ///
    /// # Errors
    /// Wrong usage: one name without the other.
    pub fn engine(&self) -> Result<Option<Engine>, Failure> {
        engine_of(self.engine_id, self.address)
    }

    /// The ages of answers about now to accept.
    pub fn limit(&self) -> AgeLimit {
        let AgeLimit { max_age, skew } = AgeLimit::DEFAULT;
        AgeLimit { max_age: self.max_age.unwrap_or(max_age), skew: self.skew.unwrap_or(skew) }
    }

    /// The names that the file gives a value.
    pub fn given(&self) -> Vec<&'static str> {
        let given = [
            ("engine_id", self.engine_id.is_some()),
            ("address", self.address.is_some()),
            ("log_key", self.log_key.is_some()),
            ("origin", self.origin.is_some()),
            ("witnesses", !self.witnesses.is_empty()),
            ("quorum", self.quorum.is_some()),
            ("max_age", self.max_age.is_some()),
            ("skew", self.skew.is_some()),
            ("custody", self.custody.is_some()),
            ("durability", self.durability.is_some()),
            ("policy_hash", self.policy_hash.is_some()),
            ("roots", !self.roots.is_empty()),
            ("pcr0", !self.pcr0.is_empty()),
            ("pcr1", !self.pcr1.is_empty()),
            ("pcr2", !self.pcr2.is_empty()),
            ("pcr8", !self.pcr8.is_empty()),
            ("last", self.last.is_some()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }

    /// The newest statement that mortise kept.
    pub fn last(&self) -> Option<&SignedStatementView> {
        self.last.as_ref()
    }
}

/// An engine by both of its names, or none.
///
/// # Errors
/// Wrong usage: one name without the other.
pub(crate) fn engine_of(
    id: Option<EngineId>,
    address: Option<Address>,
) -> Result<Option<Engine>, Failure> {
    match (id, address) {
        (Some(id), Some(address)) => Ok(Some(Engine { id, address })),
        (None, None) => Ok(None),
        _ => Err(Failure::usage("a pinned engine needs both engine_id and address")),
    }
}

fn named(path: &Path, what: &dyn Display) -> Failure {
    Failure::usage(format!("--anchors {}: {what}", path.display()))
}

/// The anchors file of a command that connects; `None` when the caller names none.
#[derive(Debug)]
pub(crate) struct AnchorsFile(Option<PathBuf>);

impl AnchorsFile {
    /// A file that may not exist yet, or none.
    pub fn new(path: Option<&Path>) -> Self {
        Self(path.map(Path::to_owned))
    }

    /// What the file names; nothing if it does not exist yet.
    ///
    /// # Errors
    /// Wrong usage: a file that cannot be read, or is malformed.
    pub fn read(&self) -> Result<Anchors, Failure> {
        let Some(path) = &self.0 else { return Ok(Anchors::default()) };
        let text = read_if_present(path)?.unwrap_or_default();
        Anchors::parse(&text).map_err(|error| named(path, &error))
    }

    /// Whether the caller names a file.
    pub fn is_named(&self) -> bool {
        self.0.is_some()
    }

    /// The client, pinned to the engine of the file.
    ///
    /// # Errors
    /// Wrong usage; a kept statement that the pinned engine did not sign.
    pub fn pin(&self, client: Client) -> Result<Client, Failure> {
        let Some(path) = &self.0 else { return Ok(client) };
        let anchors = self.read()?;
        let client = fresh(client, &anchors)?;
        let Some(engine) = anchors.engine()? else {
            return match anchors.last {
                Some(_) => Err(named(path, &"the table [last] needs engine_id and address")),
                None => Ok(client),
            };
        };
        let client = client.pinned(Identity { engine_id: engine.id, address: engine.address });
        let Some(last) = anchors.last else { return Ok(client) };
        client
            .with_statement(last)
            .map_err(|e| Failure::check(format!("{}: [last]: {e}", path.display())))
    }

    /// Adds the pin if there is none, and the newest statement of the client.
    ///
    /// # Errors
    /// An engine that does not answer; a file that cannot be written.
    pub async fn keep(&self, client: &Client) -> Result<(), Failure> {
        let Some(path) = &self.0 else { return Ok(()) };
        let identity = client.identity().await?;
        let present = read_if_present(path)?.unwrap_or_default();
        let anchors = Anchors::parse(&present).map_err(|error| named(path, &error))?;
        let engine = Engine { id: identity.engine_id, address: identity.address };
        let is_pinned = match anchors.engine()? {
            Some(pinned) if pinned != engine => {
                return Err(named(
                    path,
                    &"another process pinned a different engine at the same time",
                ));
            }
            pinned => pinned.is_some(),
        };
        let last = newest(anchors.last, client.last_statement());
        let text = updated(&present, (!is_pinned).then_some(&engine), last.as_ref());
        if text == present {
            return Ok(());
        }
        // the hand-written part may end in a table, and the new lines would belong to it
        let check = Anchors::parse(&text).map_err(|error| named(path, &error))?;
        if check.engine()? != Some(engine) || check.last != last {
            return Err(named(
                path,
                &"cannot append the pin and the table [last]: put tables at the end of the file, \
                 or pin by hand",
            ));
        }
        replace(path, &text).map_err(|error| named(path, &error))
    }
}

/// With witnesses, answers about now must show that they are recent.
fn fresh(client: Client, anchors: &Anchors) -> Result<Client, Failure> {
    if anchors.witnesses.is_empty() {
        return Ok(client);
    }
    let Log { key: log, origin, witnesses } = LogArgs::default().read(anchors)?;
    let witnesses = witnesses.ok_or_else(|| Failure::usage("no witness is named"))?;
    Ok(client.fresh(Freshness { origin, log, witnesses, limit: anchors.limit() }))
}

fn read_if_present(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(path, &error)),
        Ok(text) => Ok(Some(text)),
    }
}

/// The statement with the longer history: another process may have kept a newer one.
fn newest(
    kept: Option<SignedStatementView>,
    seen: Option<SignedStatementView>,
) -> Option<SignedStatementView> {
    let size = |signed: &SignedStatementView| signed.statement.history_size;
    match (kept, seen) {
        (Some(kept), Some(seen)) if size(&kept) > size(&seen) => Some(kept),
        (kept, seen) => seen.or(kept),
    }
}

/// What was written by hand, as it is; then the pin, if it is new; then the statement.
fn updated(present: &str, pin: Option<&Engine>, last: Option<&SignedStatementView>) -> String {
    let mut text = hand_written(present).to_owned();
    if let Some(Engine { id, address }) = pin {
        end_line(&mut text);
        let _ = write!(text, "engine_id = \"{id}\"\naddress = \"{address}\"\n");
    }
    let Some(last) = last else { return text };
    end_line(&mut text);
    if !text.is_empty() && !text.ends_with("\n\n") {
        text.push('\n');
    }
    let _ =
        write!(text, "{MARK}\n{LAST}\nsignature = \"{}\"\n\n[last.statement]\n", last.signature);
    let statement = serde_json::to_value(&last.statement).unwrap_or(Value::Null);
    for (name, value) in statement.as_object().into_iter().flatten() {
        // numbers and texts of hex digits are the same in JSON and TOML
        let _ = writeln!(text, "{name} = {value}");
    }
    text
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// Everything before the table that mortise writes.
fn hand_written(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == MARK || line.trim() == LAST {
            return &text[..at];
        }
        at += line.len();
    }
    text
}

/// Replaces the file as a whole, through a temporary file with a name of its own.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // a link stays a link
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mode = std::fs::metadata(&path).map_or(0o666, |meta| meta.permissions().mode());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".anchors-").permissions(std::fs::Permissions::from_mode(mode));
    let mut file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}

/// The text of an anchors file for one engine: its pin, the roots and the registers of its image.
pub fn anchors_text(
    engine: (EngineId, Address),
    root: &str,
    registers: [(&str, &str); 3],
) -> String {
    let mut text = format!("engine_id = \"{}\"\naddress = \"{}\"\n", engine.0, engine.1);
    for (name, value) in [("roots", root)].into_iter().chain(registers) {
        let _ = writeln!(text, "{name} = [{}]", Value::from(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::ids::Signature;
    use mortise_rpc::results::StatementView;

    const ENGINE: Engine = Engine { id: EngineId([1; 32]), address: Address([2; 20]) };

    fn signed(history_size: u64) -> SignedStatementView {
        let statement = StatementView {
            engine_id: ENGINE.id,
            epoch: 1,
            seq: history_size - 1,
            time: 1_800_000_000,
            frame_digest: mortise_format::FrameDigest([3; 32]),
            event_root: mortise_format::Root([4; 32]),
            event_count: 1,
            state_root: mortise_format::Root([5; 32]),
            history_root: mortise_format::Root([6; 32]),
            history_size,
            policy_hash: PolicyHash([7; 32]),
        };
        SignedStatementView { statement, signature: Signature([8; 65]) }
    }

    #[test]
    fn hand_written_part_stays_byte_for_byte() {
        for hand in ["", "# mine\r\nquorum = 2 # two\n\n", "custody = \"escrow\"", "\n\n"] {
            let first = updated(hand, Some(&ENGINE), Some(&signed(5)));
            assert!(first.starts_with(hand), "{first}");
            let read = Anchors::parse(&first).unwrap();
            assert_eq!(read.engine().unwrap(), Some(ENGINE));
            assert_eq!(read.last(), Some(&signed(5)));
            let second = updated(&first, None, Some(&signed(6)));
            assert_eq!(Anchors::parse(&second).unwrap().last(), Some(&signed(6)));
            assert_eq!(updated(&second, None, Some(&signed(5))), first);
        }
    }

    #[test]
    fn newer_statement_of_another_process_is_kept() {
        assert_eq!(newest(Some(signed(7)), Some(signed(6))), Some(signed(7)));
        assert_eq!(newest(Some(signed(6)), Some(signed(7))), Some(signed(7)));
        assert_eq!(newest(Some(signed(6)), None), Some(signed(6)));
        assert_eq!(newest(None, None), None);
    }

    #[test]
    fn file_is_read_strictly() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("anchors.toml");
        for wrong in [
            "engine = 1",
            "engine_id = \"0x00\"",
            "quorum = \"two\"",
            "=",
            "[last]\nsignature = \"0x00\"",
            "{\"engineId\": \"0x00\"}",
        ] {
            std::fs::write(&file, wrong).unwrap();
            assert_eq!(Anchors::read(Some(&file)).unwrap_err().exit_code(), 2, "{wrong}");
        }
        std::fs::write(&file, "durability = \"stored\"\ncustody = \"escrow\"").unwrap();
        let read = Anchors::read(Some(&file)).unwrap();
        assert_eq!(read.durability, Some(Durability::Stored));
        assert_eq!(read.custody, Some(Custody::Escrow));
        assert!(Anchors::read(Some(&folder.path().join("none"))).is_err());
        let half = Anchors { engine_id: Some(ENGINE.id), ..Anchors::default() };
        assert_eq!(half.engine().unwrap_err().exit_code(), 2);
    }

    #[test]
    fn file_is_replaced_whole_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("anchors.toml");
        replace(&file, "quorum = 1\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        replace(&file, "quorum = 2\n").unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(Anchors::read(Some(&file)).unwrap().quorum, Some(2));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn text_for_one_engine_is_an_anchors_file() {
        let pcr = "ab".repeat(48);
        let registers = [("pcr0", &*pcr), ("pcr1", &*pcr), ("pcr2", &*pcr)];
        let text = anchors_text((ENGINE.id, ENGINE.address), "a \"root\".pem", registers);
        let read = Anchors::parse(&text).unwrap();
        assert_eq!(read.engine().unwrap(), Some(ENGINE));
        assert_eq!(read.roots, ["a \"root\".pem"]);
        assert_eq!((&read.pcr0, &read.pcr2), (&vec![pcr.clone()], &vec![pcr]));
    }
}
