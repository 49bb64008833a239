//! How a command knows the engine that answers, and what it says when it does not.
//!
//! What it is for: an engine that was created in the place of another one passes every check
//! of its image. Only a caller that names its engine finds out. So each command that connects says
//! at its end which engine answered, unless it was pinned.
//!
//! What it does not do: check. The client does, against the pin of [`crate::anchors`] or
//! `--engine-id`.

use crate::failure::Failure;
use mortise_client::Identity;
use std::path::{Path, PathBuf};

/// What ties the answers to one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// The caller named the engine: `--engine-id`, or a pin in the anchors file.
    Pinned,
    /// The anchors file had no pin. It gets the engine that answered.
    FirstUse(PathBuf),
    /// An image that the caller named holds its keys, whichever engine it is.
    Attested,
    /// Whichever engine answered.
    NotAtAll,
}

impl Known {
    /// By what the caller passed.
    pub fn of(is_pinned: bool, file: Option<&Path>, is_attested: bool) -> Self {
        match (is_pinned, file, is_attested) {
            (true, ..) => Self::Pinned,
            (false, Some(file), _) => Self::FirstUse(file.to_owned()),
            (false, None, true) => Self::Attested,
            (false, None, false) => Self::NotAtAll,
        }
    }

    /// For programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::FirstUse(_) => "firstUse",
            Self::Attested => "attested",
            Self::NotAtAll => "notAtAll",
        }
    }

    /// Refuses an engine that the caller expects to be new and that is not.
    ///
    /// # Errors
    /// A failed check, `NotNew`.
    pub fn check_new(&self, expects_new: bool) -> Result<(), Failure> {
        match self {
            Self::Pinned if expects_new => Err(Failure::check(
                "NotNew: --expect-new, and an engine is pinned already\n  next: leave the flag \
                 out, or pass an anchors file without engine_id",
            )),
            _ => Ok(()),
        }
    }

    /// What is not proven about the engine; `None` for one that the caller named.
    pub fn note(&self, engine: &Identity, url: &str) -> Option<String> {
        let Identity { engine_id, .. } = engine;
        let pin = "to pin it: --anchors FILE, or --engine-id with this ID from a source you trust";
        match self {
            Self::Pinned => None,
            Self::FirstUse(file) => Some(format!(
                "First use: engine {engine_id} is new to {} and is pinned there from now on.\n  \
                 NOT proven: that it is the engine that you dealt with before, or meant.",
                file.display()
            )),
            Self::Attested => Some(format!(
                "NOT proven: that this is the engine that you dealt with before. The image is one \
                 that you named; the engine is {engine_id}.\n  {pin}"
            )),
            Self::NotAtAll => Some(format!(
                "No engine was pinned: engine {engine_id} answered at {url}, and any other could \
                 have.\n  {pin}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::ids::{Address, EngineId};

    const ENGINE: Identity = Identity { engine_id: EngineId([7; 32]), address: Address([8; 20]) };

    #[test]
    fn only_a_pinned_engine_goes_without_a_note() {
        let file = Path::new("anchors.toml");
        let cases = [
            (Known::of(true, Some(file), true), "pinned", None),
            (Known::of(false, Some(file), true), "firstUse", Some("is new to anchors.toml")),
            (Known::of(false, None, true), "attested", Some("NOT proven")),
            (Known::of(false, None, false), "notAtAll", Some("No engine was pinned")),
        ];
        for (known, name, says) in cases {
            assert_eq!(known.name(), name);
            let note = known.note(&ENGINE, "http://127.0.0.1:1");
            assert_eq!(note.is_some(), says.is_some());
            let text = note.unwrap_or_default();
            assert!(text.contains(says.unwrap_or_default()), "{text}");
            assert!(says.is_none() || text.contains(&ENGINE.engine_id.to_string()), "{text}");
        }
    }

    #[test]
    fn engine_that_is_pinned_is_not_new() {
        assert_eq!(Known::Pinned.check_new(true).unwrap_err().exit_code(), 1);
        assert!(Known::Pinned.check_new(false).is_ok());
        assert!(Known::FirstUse(PathBuf::new()).check_new(true).is_ok());
    }
}
