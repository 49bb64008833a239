//! Witnesses that cosign checkpoints of the history, and the name of the log in checkpoints.
//!
//! What it is for: the part of policy and genesis that defines a witness quorum. What it does not
//! do: talk to witnesses, check their signatures (`mortise-verify`).
//!
//! Invariants: witnesses are sorted by key, each key and each name once; `2k > n + f`, so that any
//! two quorums share an honest witness, and `k > f`, so that faulty witnesses alone are none.

use crate::domains::sha256;
use crate::hex;
use crate::ids::EngineId;
use crate::limits::{ORIGIN_DOMAIN_BYTES_MAX, WITNESS_NAME_BYTES_MAX, WITNESSES_MAX};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bincode::{Decode, Encode};

/// A witness of transparency logs: an Ed25519 key that cosigns checkpoints, and its name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WitnessKey {
    /// The public key.
    pub key: [u8; 32],
    /// Name of the key, as in its signature lines.
    pub name: String,
}

/// Name of the log in its checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Origin {
    /// `domain/engineId`. Does not name the key, so the key can rotate.
    C2sp {
        /// DNS name of the operator of the service.
        domain: String,
    },
    /// `sigsum.org/v1/tree/<hash of the key>`, as witnesses of Sigsum logs require. The key can
    /// never rotate.
    Sigsum,
}

/// Request of the engine to its parent: forward these bytes to a witness. One call per connection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WitnessCall {
    /// The witness, by its key.
    pub witness: [u8; 32],
    /// Body of a `POST` to its `add-checkpoint`.
    pub body: Vec<u8>,
}

/// The parent's reply. The engine trusts only the signed parts of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum WitnessReply {
    /// What the parent received from the configured address of the witness.
    Answered {
        /// HTTP status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// The parent has no address for this witness.
    Unknown,
    /// There was no answer, or none within the bounds.
    Unreachable,
}

impl Origin {
    /// First line of the checkpoints of an engine.
    pub fn line(&self, engine_id: &EngineId, checkpoint_key: &[u8; 32]) -> String {
        match self {
            Self::C2sp { domain } => format!("{domain}/{}", hex::encode(&engine_id.0)),
            Self::Sigsum => {
                format!("sigsum.org/v1/tree/{}", hex::encode(&sha256(&[checkpoint_key])))
            }
        }
    }

    /// True when the origin is well-formed: lower-case letters, digits, hyphens and dots between
    /// labels that are not empty.
    pub fn is_well_formed(&self) -> bool {
        let Self::C2sp { domain } = self else { return true };
        let digit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        domain.len() <= ORIGIN_DOMAIN_BYTES_MAX
            && domain.split('.').all(|label| !label.is_empty() && label.bytes().all(digit))
    }
}

/// True when witnesses are within the bound, sorted by key, each key and each name once, and each
/// name is well-formed.
pub(crate) fn are_well_formed(witnesses: &[WitnessKey]) -> bool {
    let named = |w: &WitnessKey| {
        w.name.len() <= WITNESS_NAME_BYTES_MAX
            && !w.name.is_empty()
            && w.name.bytes().all(|b| b.is_ascii_graphic() && b != b'+')
    };
    let mut names: Vec<&str> = witnesses.iter().map(|w| w.name.as_str()).collect();
    names.sort_unstable();
    witnesses.len() <= WITNESSES_MAX
        && witnesses.windows(2).all(|w| w[0].key < w[1].key)
        && names.windows(2).all(|w| w[0] < w[1])
        && witnesses.iter().all(named)
}

/// True when any two quorums of `min` share a witness that is not among the `faulty` ones.
pub(crate) fn is_quorum(count: usize, min: u32, faulty: u32) -> bool {
    let Ok(count) = u64::try_from(count) else { return false };
    let (min, faulty) = (u64::from(min), u64::from(faulty));
    match count {
        0 => min == 0 && faulty == 0,
        _ => min <= count && 2 * min > count + faulty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn witness(key: u8, name: &str) -> WitnessKey {
        WitnessKey { key: [key; 32], name: name.into() }
    }

    #[test]
    fn two_quorums_always_share_an_honest_witness() {
        for (n, k, f) in
            [(0, 0, 0), (1, 1, 0), (2, 2, 0), (2, 2, 1), (3, 2, 0), (4, 3, 1), (3, 3, 2)]
        {
            assert!(is_quorum(n, k, f), "{n} {k} {f}");
        }
        for (n, k, f) in
            [(0, 1, 0), (0, 0, 1), (1, 0, 0), (2, 1, 0), (3, 2, 1), (3, 4, 0), (1, 1, 1)]
        {
            assert!(!is_quorum(n, k, f), "{n} {k} {f}");
        }
    }

    #[test]
    fn witnesses_are_sorted_and_each_there_once_under_a_name_of_its_own() {
        assert!(are_well_formed(&[witness(1, "b.example/w"), witness(2, "a.example/w")]));
        for bad in [
            vec![witness(2, "a"), witness(1, "b")],
            vec![witness(1, "a"), witness(1, "b")],
            vec![witness(1, "a"), witness(2, "a")],
            vec![witness(1, "")],
            vec![witness(1, "a b")],
            vec![witness(1, "a+b")],
            vec![witness(1, &"a".repeat(WITNESS_NAME_BYTES_MAX + 1))],
        ] {
            assert!(!are_well_formed(&bad), "{bad:?}");
        }
        assert!(are_well_formed(&[witness(1, &"a".repeat(WITNESS_NAME_BYTES_MAX))]));
        let many = 0..=u8::try_from(WITNESSES_MAX).unwrap();
        let many: Vec<_> = many.map(|n| witness(n, &format!("w{n}"))).collect();
        assert!(are_well_formed(&many[1..]) && !are_well_formed(&many));
    }

    #[test]
    fn origins_are_those_of_the_two_forms() {
        let c2sp = Origin::C2sp { domain: "locks.example".into() };
        let id = EngineId([0xab; 32]);
        assert_eq!(c2sp.line(&id, &[1; 32]), format!("locks.example/{}", "ab".repeat(32)));
        let line = Origin::Sigsum.line(&id, &[1; 32]);
        // sha256 of 32 bytes 0x01
        let hash = "72cd6e8422c407fb6d098690f1130b7ded7ec2f7f5e1d30bd9d521f015363793";
        assert_eq!(line, format!("sigsum.org/v1/tree/{hash}"));
        for bad in ["", ".", "a.", ".a", "A.example", "a b", "a/b", "a..b", "a\n"] {
            assert!(!Origin::C2sp { domain: bad.into() }.is_well_formed(), "{bad:?}");
        }
        let longest = "a".repeat(ORIGIN_DOMAIN_BYTES_MAX);
        for good in ["a-1.example", &longest] {
            assert!(Origin::C2sp { domain: good.into() }.is_well_formed(), "{good}");
        }
        assert!(!Origin::C2sp { domain: format!("{longest}a") }.is_well_formed());
    }
}
