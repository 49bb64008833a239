//! The trust anchors of offline checks: the engine, its log and witnesses, from flags and from the
//! anchors file.
//!
//! Invariants: flags and file that name different engines are refused; nothing is trusted by
//! default.

use super::refused;
use crate::anchors::{Anchors, engine_of};
use crate::failure::Failure;
use clap::Args;
use mortise_format::ids::{Address, EngineId};
use mortise_format::note::{KeyUse, NoteKey};
use mortise_verify::Engine;
use mortise_verify::checkpoint::Witnesses;
use mortise_verify::verdict::Identity;
use std::path::PathBuf;

/// The flag that names the anchors file of a command that does not connect.
#[derive(Debug, Default, Args)]
pub(crate) struct AnchorsArgs {
    /// Trust anchors (TOML), by hand or as a command that connects keeps them: engine_id, address,
    /// log_key, origin, witnesses, quorum, max_age, skew, custody, durability, policy_hash, roots,
    /// pcr0, pcr1, pcr2, pcr8.
    #[arg(long, env = "MORTISE_ANCHORS", value_name = "FILE")]
    anchors: Option<PathBuf>,
}

impl AnchorsArgs {
    /// What the file names; nothing without a file.
    pub fn read(&self) -> Result<Anchors, Failure> {
        Anchors::read(self.anchors.as_deref())
    }
}

/// The flags that name the engine.
#[derive(Debug, Args)]
pub(super) struct EnginePinArgs {
    /// ID of the engine that you trust, with --address.
    #[arg(long, value_name = "HEX", requires = "address")]
    engine_id: Option<EngineId>,

    /// Address of its signing key.
    #[arg(long, value_name = "HEX", requires = "engine_id")]
    address: Option<Address>,

    #[command(flatten)]
    anchors: AnchorsArgs,
}

/// The flags that name the key of a log and its witnesses.
#[derive(Debug, Default, Args)]
pub(crate) struct LogArgs {
    /// Key that signs the checkpoints of the log: `name+id+base64`.
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,

    /// Name of the log in its checkpoints; the name in --log-key by default.
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,

    #[command(flatten)]
    witnesses: WitnessArgs,
}

/// The flags that name witnesses.
#[derive(Debug, Default, Args)]
pub(crate) struct WitnessArgs {
    /// Key of a witness: `name+id+base64`; repeatable.
    #[arg(long, value_name = "KEY")]
    witness: Vec<String>,

    /// How many of the witnesses must have cosigned; all by default.
    #[arg(long, value_name = "N", requires = "witness")]
    quorum: Option<usize>,
}

impl WitnessArgs {
    /// Whether a flag names a witness.
    pub fn is_named(&self) -> bool {
        !self.witness.is_empty()
    }

    /// The witnesses of the flags, or else of the anchors file; `None` if neither names one.
    pub fn read(&self, anchors: &Anchors) -> Result<Option<Witnesses>, Failure> {
        let (texts, quorum) = match self.witness.is_empty() {
            false => (&self.witness, self.quorum),
            true => (&anchors.witnesses, anchors.quorum),
        };
        let keys: Result<Vec<_>, _> =
            texts.iter().map(|text| note_key(KeyUse::Witness, text)).collect();
        let keys = keys?;
        if keys.is_empty() {
            return match quorum {
                Some(quorum) => Err(Failure::usage(format!(
                    "a quorum of {quorum} without witnesses\n  next: name the witnesses, or \
                     remove quorum from the anchors file"
                ))),
                None => Ok(None),
            };
        }
        let quorum = quorum.unwrap_or(keys.len());
        Witnesses::new(keys, quorum).map(Some).map_err(Failure::usage)
    }
}

/// The engine that the caller trusts.
#[derive(Debug)]
pub(super) struct EnginePin {
    /// The engine.
    pub engine: Engine,
    /// The other trust anchors.
    pub anchors: Anchors,
}

impl EnginePin {
    /// The identity of a verdict about this engine.
    pub fn identity(&self) -> Identity {
        Identity::pinned(&self.engine)
    }
}

impl EnginePinArgs {
    /// The engine of the flags and of the anchors file.
    pub fn read(&self) -> Result<EnginePin, Failure> {
        let anchors = self.anchors.read()?;
        let of_flags = engine_of(self.engine_id, self.address)?;
        let engine = match (of_flags, anchors.engine()?) {
            (Some(flags), Some(file)) if flags != file => {
                return Err(Failure::usage(
                    "the flags and the anchors file name different engines\n  next: use one of \
                     them",
                ));
            }
            (flags, file) => flags.or(file),
        };
        // A quorum that no witness can reach is refused by every command, also by those that
        // need no witness.
        WitnessArgs::default().read(&anchors)?;
        let engine = engine.ok_or_else(|| {
            Failure::usage(
                "no engine is named\n  next: name the engine that you trust with --anchors FILE, \
                 or with --engine-id and --address (from its attestation, or from a contract)",
            )
        })?;
        Ok(EnginePin { engine, anchors })
    }
}

/// The key of a log, its name and, if they are named, its witnesses.
#[derive(Debug)]
pub(crate) struct Log {
    /// The key.
    pub key: NoteKey,
    /// The name.
    pub origin: String,
    /// The witnesses that must have cosigned.
    pub witnesses: Option<Witnesses>,
}

impl LogArgs {
    /// The witnesses of the flags, or else of the anchors file.
    pub fn witnesses(&self, anchors: &Anchors) -> Result<Option<Witnesses>, Failure> {
        self.witnesses.read(anchors)
    }

    /// The log of the flags, or else of the anchors file.
    pub fn read(&self, anchors: &Anchors) -> Result<Log, Failure> {
        let text = self.log_key.as_ref().or(anchors.log_key.as_ref()).ok_or_else(|| {
            Failure::usage(
                "no key of the log is named\n  next: pass --log-key NAME+ID+BASE64 (the \
                 checkpointKey of getEngineInfo under its origin)",
            )
        })?;
        let key = note_key(KeyUse::Log, text)?;
        let origin = self.origin.as_ref().or(anchors.origin.as_ref());
        let origin = origin.map_or_else(|| key.name().to_owned(), Clone::clone);
        let witnesses = self.witnesses.read(anchors)?;
        Ok(Log { key, origin, witnesses })
    }
}

fn note_key(kind: KeyUse, text: &str) -> Result<NoteKey, Failure> {
    NoteKey::parse(kind, text).map_err(|error| {
        let name = refused::name(&error);
        Failure::usage(format!("{name}: {text}: {error}\n  next: write it as NAME+ID+BASE64"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn args(engine_id: Option<u8>, anchors: Option<&Path>) -> EnginePinArgs {
        EnginePinArgs {
            engine_id: engine_id.map(|n| EngineId([n; 32])),
            address: engine_id.map(|n| Address([n; 20])),
            anchors: AnchorsArgs { anchors: anchors.map(Path::to_owned) },
        }
    }

    #[test]
    fn quorum_that_no_witness_reaches_is_refused_by_every_command() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("anchors.toml");
        let (id, address) = (EngineId([1; 32]), Address([1; 20]));
        let key = NoteKey::new(KeyUse::Witness, "w.example", [7; 32]).unwrap();
        for (more, is_good) in [
            ("quorum = 0".to_owned(), false),
            ("quorum = 2".to_owned(), false),
            (format!("witnesses = [\"{key}\"]\nquorum = 0"), false),
            (format!("witnesses = [\"{key}\"]\nquorum = 2"), false),
            (format!("witnesses = [\"{key}\", \"{key}\"]"), false),
            (format!("witnesses = [\"{key}\"]\nquorum = 1"), true),
        ] {
            let text = format!("engine_id = \"{id}\"\naddress = \"{address}\"\n{more}");
            std::fs::write(&file, text).unwrap();
            let read = args(None, Some(&file)).read();
            assert_eq!(read.as_ref().map_err(Failure::exit_code).err(), (!is_good).then_some(2));
        }
    }

    #[test]
    fn flags_and_file_must_name_the_same_engine() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("anchors.toml");
        let (id, address) = (EngineId([1; 32]), Address([1; 20]));
        std::fs::write(&file, format!("engine_id = \"{id}\"\naddress = \"{address}\"")).unwrap();
        let engine = Engine { id, address };
        assert_eq!(args(Some(1), None).read().unwrap().engine, engine);
        assert_eq!(args(None, Some(&file)).read().unwrap().engine, engine);
        assert_eq!(args(Some(1), Some(&file)).read().unwrap().engine, engine);
        for wrong in [args(Some(2), Some(&file)), args(None, None)] {
            assert_eq!(wrong.read().unwrap_err().exit_code(), 2);
        }
    }
}
