//! The answer of a witness to a checkpoint (C2SP tlog-witness, `add-checkpoint`).
//!
//! What it is for: the log, which asks witnesses through an untrusted parent. What it does not do:
//! speak HTTP, choose witnesses.

use crate::checkpoint::cosigned_at;
use alloc::format;
use alloc::string::String;
use mortise_format::add_checkpoint::parse_size;
use mortise_format::limits::WITNESS_ANSWER_BYTES_MAX;
use mortise_format::note::{Note, NoteKey};

/// The answer of a witness. Only a cosignature is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WitnessAnswer {
    /// The witness cosigned; checked against its key and the checkpoint's text.
    Cosigned {
        /// The signature line for the checkpoint, with its newline.
        line: String,
        /// When, by the witness's clock, seconds since the Unix epoch.
        time: u64,
    },
    /// 409: the size that the witness cosigned last.
    LastCosigned(u64),
    /// 409 without a size: the witness has another root at the checkpoint's size.
    OtherRoot,
    /// 422: the path does not lead from the last cosigned tree to the checkpoint.
    Inconsistent,
    /// Any other answer: the witness does not know the log, or does not speak the protocol.
    Unusable,
}

/// Reads an answer to a checkpoint of `text`. A cosignature proves itself; the parent may have
/// written anything else.
pub fn read_answer(witness: &NoteKey, text: &str, status: u16, body: &[u8]) -> WitnessAnswer {
    if body.len() > WITNESS_ANSWER_BYTES_MAX {
        return WitnessAnswer::Unusable;
    }
    match status {
        200 => cosigned(witness, text, body).unwrap_or(WitnessAnswer::Unusable),
        409 => parse_size(body).map_or(WitnessAnswer::OtherRoot, WitnessAnswer::LastCosigned),
        422 => WitnessAnswer::Inconsistent,
        _ => WitnessAnswer::Unusable,
    }
}

/// The first valid line of the witness in the answer.
fn cosigned(witness: &NoteKey, text: &str, body: &[u8]) -> Option<WitnessAnswer> {
    let lines = core::str::from_utf8(body).ok()?;
    let note = format!("{text}\n{lines}");
    let note = Note::parse(note.as_bytes()).ok()?;
    let (name, id) = (witness.name(), witness.id());
    note.signatures().iter().filter(|s| s.name == name && s.id == id).find_map(|signature| {
        let time = cosigned_at(witness, text, &signature.bytes)?;
        Some(WitnessAnswer::Cosigned { line: witness.signature_line(&signature.bytes), time })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use mortise_format::note::KeyUse;

    #[test]
    fn answer_at_its_limit_is_read_and_one_byte_more_is_none() {
        let key = NoteKey::new(KeyUse::Witness, "w.example", [7; 32]).unwrap();
        let read = |bytes: usize| read_answer(&key, "text\n", 409, &vec![b'x'; bytes]);
        assert_eq!(read(WITNESS_ANSWER_BYTES_MAX), WitnessAnswer::OtherRoot);
        assert_eq!(read(WITNESS_ANSWER_BYTES_MAX + 1), WitnessAnswer::Unusable);
    }
}
