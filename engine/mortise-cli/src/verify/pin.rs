//! EnginePin the caller believes about files: the engine, its log, witnesses; from flags, a policy file
//! (TOML) and the trust file that other commands keep.
//!
//! Invariants: what is named twice is named alike, or nothing is checked; nothing is believed by
//! default.

use super::refused;
use crate::failure::Failure;
use crate::trust::TrustFile;
use mortise_format::ids::{Address, EngineId, PolicyHash};
use mortise_format::lock::{Custody, Durability};
use mortise_format::note::{KeyUse, NoteKey};
use mortise_verify::Engine;
use mortise_verify::checkpoint::Witnesses;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Most bytes of a policy file.
const POLICY_BYTES_MAX: u64 = 64 * 1024;

/// The flags that name the engine.
#[derive(Debug, clap::Args)]
pub(super) struct EnginePinArgs {
    /// The engine that is believed, with --address.
    #[arg(long, value_name = "HEX", requires = "address")]
    engine_id: Option<EngineId>,

    /// The address of its signing key.
    #[arg(long, value_name = "HEX", requires = "engine_id")]
    address: Option<Address>,

    /// File that names whom to believe: engine_id, address, log_key, origin, witnesses, quorum,
    /// custody, durability, policy_hash, roots, pcr0, pcr1, pcr2, pcr8 (TOML).
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// The flags that name a log's key and its witnesses.
#[derive(Debug, clap::Args)]
pub(super) struct LogArgs {
    /// Key that signs the log's checkpoints: `name+id+base64`.
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,

    /// Name of the log in its checkpoints; that of --log-key when not given.
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,

    #[command(flatten)]
    witnesses: WitnessArgs,
}

/// The flags that name witnesses.
#[derive(Debug, clap::Args)]
pub(crate) struct WitnessArgs {
    /// Key of a witness: `name+id+base64`; repeatable.
    #[arg(long, value_name = "KEY")]
    witness: Vec<String>,

    /// How many of the witnesses must have cosigned; all when not given.
    #[arg(long, value_name = "N", requires = "witness")]
    quorum: Option<usize>,
}

impl WitnessArgs {
    /// The witnesses of flags, or else of the policy file; none when nobody names any.
    pub fn read(&self, file: &PolicyFile) -> Result<Option<Witnesses>, Failure> {
        let (texts, quorum) = match self.witness.is_empty() {
            false => (&self.witness, self.quorum),
            true => (&file.witnesses, file.quorum),
        };
        let keys: Result<Vec<_>, _> =
            texts.iter().map(|text| note_key(KeyUse::Witness, text)).collect();
        let keys = keys?;
        if keys.is_empty() {
            return Ok(None);
        }
        let quorum = quorum.unwrap_or(keys.len());
        Witnesses::new(keys, quorum).map(Some).map_err(Failure::usage)
    }
}

/// A policy file. Every name is optional; an unknown one is refused.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PolicyFile {
    /// The engine.
    pub engine_id: Option<EngineId>,
    address: Option<Address>,
    log_key: Option<String>,
    origin: Option<String>,
    witnesses: Vec<String>,
    quorum: Option<usize>,
    /// The custody class that a commitment must have.
    pub custody: Option<Custody>,
    /// The durability that a commitment must have.
    pub durability: Option<Durability>,
    /// The policy that a commitment must be under.
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
}

impl PolicyFile {
    /// Reads a file; without one everything is left open.
    pub fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::default()) };
        let named = |what: &dyn std::fmt::Display| {
            Failure::usage(format!("--policy {}: {what}", path.display()))
        };
        let size = std::fs::metadata(path).map_err(|error| named(&error))?.len();
        if size > POLICY_BYTES_MAX {
            return Err(named(&format!("{size} bytes, {POLICY_BYTES_MAX} at most")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
        toml::from_str(&text).map_err(|error| named(&error))
    }
}

/// EnginePin the caller believes.
#[derive(Debug)]
pub(super) struct EnginePin {
    /// The engine.
    pub engine: Engine,
    /// Everything else that the policy file names.
    pub file: PolicyFile,
}

impl EnginePinArgs {
    /// The engine of flags, policy file and trust file.
    pub fn read(&self, trust: Option<&Path>) -> Result<EnginePin, Failure> {
        let file = PolicyFile::read(self.policy.as_deref())?;
        let of_flags = pair(self.engine_id, self.address)?;
        let of_file = pair(file.engine_id, file.address)?;
        let of_trust = TrustFile::new(trust).engine()?;
        let named: Vec<Engine> = [of_flags, of_file, of_trust].into_iter().flatten().collect();
        let Some(engine) = named.first().copied() else {
            return Err(Failure::usage(
                "no engine is named\n  next: name the one that you believe with --engine-id and \
                 --address (from its attestation, or a contract), with --policy FILE, or with the \
                 --trust FILE of earlier calls",
            ));
        };
        match named.iter().all(|other| *other == engine) {
            true => Ok(EnginePin { engine, file }),
            false => Err(Failure::usage(
                "flags, policy file and trust file name different engines\n  next: name one",
            )),
        }
    }
}

fn pair(id: Option<EngineId>, address: Option<Address>) -> Result<Option<Engine>, Failure> {
    match (id, address) {
        (Some(id), Some(address)) => Ok(Some(Engine { id, address })),
        (None, None) => Ok(None),
        _ => Err(Failure::usage("an engine is named by engine_id and address, both")),
    }
}

/// A log's key, its name and, when they are named, its witnesses.
#[derive(Debug)]
pub(super) struct Log {
    /// The key.
    pub key: NoteKey,
    /// The name.
    pub origin: String,
    /// Who must have cosigned.
    pub witnesses: Option<Witnesses>,
}

impl LogArgs {
    /// The log of flags and policy file; flags go first.
    pub fn read(&self, file: &PolicyFile) -> Result<Log, Failure> {
        let text = self.log_key.as_ref().or(file.log_key.as_ref()).ok_or_else(|| {
            Failure::usage(
                "no key of the log is named\n  next: name it with --log-key NAME+ID+BASE64 (the \
                 checkpointKey of getEngineInfo under its origin)",
            )
        })?;
        let key = note_key(KeyUse::Log, text)?;
        let origin = self.origin.as_ref().or(file.origin.as_ref());
        let origin = origin.map_or_else(|| key.name().to_owned(), Clone::clone);
        let witnesses = self.witnesses.read(file)?;
        Ok(Log { key, origin, witnesses })
    }
}

fn note_key(kind: KeyUse, text: &str) -> Result<NoteKey, Failure> {
    NoteKey::parse(kind, text).map_err(|error| {
        let name = refused::name(&error);
        Failure::usage(format!("{name}: {text}: {error}\n  next: give it as NAME+ID+BASE64"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(engine_id: Option<u8>, policy: Option<&Path>) -> EnginePinArgs {
        EnginePinArgs {
            engine_id: engine_id.map(|n| EngineId([n; 32])),
            address: engine_id.map(|n| Address([n; 20])),
            policy: policy.map(Path::to_owned),
        }
    }

    #[test]
    fn engine_is_named_once_or_alike() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trust.toml");
        let (id, address) = (EngineId([1; 32]), Address([1; 20]));
        std::fs::write(&file, format!("engine_id = \"{id}\"\naddress = \"{address}\"")).unwrap();
        let engine = Engine { id, address };
        assert_eq!(args(Some(1), None).read(None).unwrap().engine, engine);
        assert_eq!(args(None, Some(&file)).read(None).unwrap().engine, engine);
        assert_eq!(args(Some(1), Some(&file)).read(None).unwrap().engine, engine);
        for wrong in [args(Some(2), Some(&file)), args(None, None)] {
            assert_eq!(wrong.read(None).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn policy_file_is_read_strictly() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trust.toml");
        for wrong in ["engine = 1", "engine_id = \"0x00\"", "quorum = \"two\"", "="] {
            std::fs::write(&file, wrong).unwrap();
            assert_eq!(PolicyFile::read(Some(&file)).unwrap_err().exit_code(), 2, "{wrong}");
        }
        std::fs::write(&file, "durability = \"stored\"\ncustody = \"escrow\"").unwrap();
        let read = PolicyFile::read(Some(&file)).unwrap();
        assert_eq!(read.durability, Some(Durability::Stored));
        assert_eq!(read.custody, Some(Custody::Escrow));
    }
}
