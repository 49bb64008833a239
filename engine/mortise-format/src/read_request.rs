//! What a party signs to read its entries of the state (`specs/reading.md`, "Who may ask").
//!
//! What it is for: the EIP-712 struct, and the hash that says what is read.
//!
//! What it does not do: have a request id. A read changes nothing, so nothing is remembered: any
//! holder can show the request again until it ends. That is why engines take it inside the channel.

use crate::abi::{Words, type_hash};
use crate::domains::keccak256;
use crate::eip712::{Digest, Domain};
use crate::ids::{Address, Bytes32, EngineId, LockId};
use alloc::string::String;

/// A party asks to read what it is a party of.
pub const READ_REQUEST_TYPE: &str =
    "ReadRequest(address reader,address owner,bytes32 lockId,bytes32 scope,uint64 validUntil)";

/// What a reader signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadRequest {
    /// Who reads, and signs.
    pub reader: Address,
    /// Whose entries; zero when the read names no owner.
    pub owner: Address,
    /// The lock; zero when the read names none.
    pub lock_id: LockId,
    /// [`scope`] of the method and what selects the entries.
    pub scope: Bytes32,
    /// Whole seconds since the Unix epoch, at most `READ_VALID_S_MAX` ahead when it is shown.
    pub valid_until: u64,
}

impl ReadRequest {
    /// Struct hash.
    pub fn hash(&self) -> Bytes32 {
        Words::typed(&type_hash(READ_REQUEST_TYPE))
            .address(&self.reader)
            .address(&self.owner)
            .word(&self.lock_id.0)
            .word(&self.scope.0)
            .number(self.valid_until)
            .hash()
    }

    /// The digest that the reader signs.
    pub fn digest(&self, engine_id: &EngineId) -> Digest {
        Domain::of_engine(engine_id).digest(&self.hash())
    }
}

/// The text that a scope is the hash of: the method, then what selects the entries, by name and
/// ascending. `getLock?lockId=0x12..`, `listLocks?owner=0xab..&status=ACTIVE`, `listLocks`.
pub fn scope_text(method: &str, selected: &[(&str, String)]) -> String {
    let mut text = String::from(method);
    for (at, (name, value)) in selected.iter().enumerate() {
        text.push(if at == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}

/// Keccak-256 of [`scope_text`].
pub fn scope(method: &str, selected: &[(&str, String)]) -> Bytes32 {
    Bytes32(keccak256(&[scope_text(method, selected).as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn scope_is_the_hash_of_a_text_that_anyone_can_write() {
        assert_eq!(scope("listLocks", &[]).0, keccak256(&[b"listLocks"]));
        let selected = [("owner", Address([0xab; 20]).to_string()), ("status", "ACTIVE".into())];
        let text = "listLocks?owner=0xabababababababababababababababababababab&status=ACTIVE";
        assert_eq!(scope_text("listLocks", &selected), text);
        assert_eq!(scope("listLocks", &selected).0, keccak256(&[text.as_bytes()]));
    }

    #[test]
    fn each_field_and_the_engine_are_in_the_digest() {
        let request = ReadRequest {
            reader: Address([1; 20]),
            owner: Address([2; 20]),
            lock_id: LockId([3; 32]),
            scope: Bytes32([4; 32]),
            valid_until: 5,
        };
        let digest = request.digest(&EngineId([7; 32]));
        assert_ne!(request.digest(&EngineId([8; 32])), digest);
        for other in [
            ReadRequest { reader: Address([9; 20]), ..request },
            ReadRequest { owner: Address([9; 20]), ..request },
            ReadRequest { lock_id: LockId([9; 32]), ..request },
            ReadRequest { scope: Bytes32([9; 32]), ..request },
            ReadRequest { valid_until: 9, ..request },
        ] {
            assert_ne!(other.digest(&EngineId([7; 32])), digest);
        }
    }
}
