//! Published test keys, and signing of every command.
//!
//! The keys are the ten of the mnemonic `test test test test test test test test test test test
//! junk`, which every EVM developer knows: they protect nothing and must never hold anything.

use mortise_format::U256;
use mortise_format::command::{CancelForm, Command, SignedCancel, SignedIntent};
use mortise_format::eip712::{self, Claim, Digest, Domain, Request};
use mortise_format::fact::BalanceFact;
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, Signature, parse_hex};
use mortise_format::images::ImageApproval;
use mortise_format::lock::LockTerms;
use mortise_format::reading::ReadingGrant;
use mortise_format::secp256k1::Signer;
use std::sync::OnceLock;

const SECRETS: [&str; 10] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
];

/// Who takes part in the tests, each with one of the published keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// Owns assets.
    Owner,
    /// Owns other assets.
    OtherOwner,
    /// Locks are held for this one.
    Beneficiary,
    /// Signs claims.
    Arbiter,
    /// Has no part in any lock.
    Stranger,
    /// Reports balances.
    ObserverA,
    /// Reports balances.
    ObserverB,
    /// Reports balances.
    ObserverC,
    /// Operates the engine.
    Operator,
    /// The key that an engine of the tests signs with.
    Engine,
}

impl Party {
    /// Everybody.
    pub const ALL: [Self; 10] = [
        Self::Owner,
        Self::OtherOwner,
        Self::Beneficiary,
        Self::Arbiter,
        Self::Stranger,
        Self::ObserverA,
        Self::ObserverB,
        Self::ObserverC,
        Self::Operator,
        Self::Engine,
    ];

    /// The observers of the policy of the tests.
    pub const OBSERVERS: [Self; 3] = [Self::ObserverA, Self::ObserverB, Self::ObserverC];

    /// The name in the tables of the specs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::OtherOwner => "other owner",
            Self::Beneficiary => "beneficiary",
            Self::Arbiter => "arbiter",
            Self::Stranger => "stranger",
            Self::ObserverA => "observer a",
            Self::ObserverB => "observer b",
            Self::ObserverC => "observer c",
            Self::Operator => "operator",
            Self::Engine => "engine",
        }
    }

    /// The key.
    pub fn signer(self) -> &'static Signer {
        static SIGNERS: OnceLock<Vec<Signer>> = OnceLock::new();
        let signers = SIGNERS.get_or_init(|| {
            SECRETS
                .iter()
                .map(|text| Signer::from_bytes(&secret(text)).expect("published"))
                .collect()
        });
        let at = Self::ALL.iter().position(|party| *party == self);
        &signers[at.expect("ALL has every party")]
    }

    /// The key as in a key file. It is published: never use it.
    pub fn secret_text(self) -> &'static str {
        let at = Self::ALL.iter().position(|party| *party == self);
        SECRETS[at.expect("ALL has every party")]
    }

    /// The address.
    pub fn address(self) -> Address {
        self.signer().address()
    }

    /// The party with this address.
    pub fn of(address: &Address) -> Option<Self> {
        Self::ALL.into_iter().find(|party| party.address() == *address)
    }
}

fn secret(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    parse_hex(text, &mut out).expect("published keys are 32 bytes of hex");
    out
}

/// The signer of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedBy {
    /// This address signed the command's own fields.
    Address(Address),
    /// Well-formed, but of no account: over other fields, or of another form than stated.
    NoOne,
    /// Not well-formed: high s, foreign v, scalars out of range.
    Malformed,
}

/// A command and the signers of its signatures, in their order.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The command.
    pub command: Command,
    /// Its signers.
    pub signers: Vec<SignedBy>,
}

impl Asked {
    fn new(command: Command, by: &[Party]) -> Self {
        let signers = by.iter().map(|by| SignedBy::Address(by.address())).collect();
        Self { command, signers }
    }

    /// The same with the high-s twin in place of signature `at`.
    #[must_use]
    pub fn with_high_s(mut self, at: usize) -> Self {
        let mut signatures = self.command.signatures_mut();
        *signatures[at] = high_s(signatures[at]);
        self.signers[at] = SignedBy::Malformed;
        self
    }

    /// The same with a signature by `by` over nothing of the command in place of signature `at`.
    #[must_use]
    pub fn with_foreign_digest(mut self, at: usize, by: Party) -> Self {
        *self.command.signatures_mut()[at] = by.signer().sign(&FOREIGN_DIGEST);
        self.signers[at] = SignedBy::NoOne;
        self
    }
}

/// Signs for one engine.
#[derive(Debug, Clone, Copy)]
pub struct TestSigner {
    engine_id: EngineId,
    domain: Domain,
}

impl TestSigner {
    /// A test signer for the engine.
    pub fn new(engine_id: EngineId) -> Self {
        Self { engine_id, domain: Domain::of_engine(&engine_id) }
    }

    /// The engine.
    pub fn engine_id(&self) -> &EngineId {
        &self.engine_id
    }

    /// The id of a lock.
    pub fn lock_id(&self, terms: &LockTerms) -> LockId {
        terms.lock_id(&self.engine_id)
    }

    fn sign(&self, by: Party, hash: &Bytes32) -> Signature {
        by.signer().sign(&self.domain.digest(hash))
    }

    /// One lock by its owner's intent.
    pub fn commit(&self, by: Party, terms: &LockTerms, request: Request) -> Asked {
        self.commit_all(&[(by, terms.clone(), request)])
    }

    /// Locks by their owners' intents, all or none.
    pub fn commit_all(&self, parts: &[(Party, LockTerms, Request)]) -> Asked {
        let ids: Vec<LockId> = parts.iter().map(|(_, terms, _)| self.lock_id(terms)).collect();
        let batch = if ids.len() == 1 { Bytes32::ZERO } else { eip712::batch_hash(&ids) };
        let intent = |(by, terms, request): &(Party, LockTerms, Request)| {
            let hash = eip712::lock_intent(terms, &batch, request);
            let signature = self.sign(*by, &hash);
            SignedIntent { terms: terms.clone(), request: *request, signature }
        };
        let intents = parts.iter().map(intent).collect();
        let by: Vec<Party> = parts.iter().map(|(by, _, _)| *by).collect();
        Asked::new(Command::Commit { intents }, &by)
    }

    /// A draft by the existing client's approval. Terms with another number of legs than one have
    /// no approval; the signature is then over nothing.
    pub fn approve(&self, by: Party, terms: &LockTerms) -> Asked {
        let digest = eip712::lock_approval(&self.lock_id(terms), terms);
        let signature = by.signer().sign(&digest.unwrap_or(FOREIGN_DIGEST));
        Asked::new(Command::Approve { terms: terms.clone(), signature }, &[by])
    }

    /// A claim.
    pub fn claim(&self, by: Party, claim: &Claim) -> Asked {
        let signature = self.sign(by, &claim.hash());
        let command = Command::Claim { claim: claim.clone(), signature };
        Asked::new(command, &[by])
    }

    /// A release.
    pub fn release(&self, by: Party, lock_id: LockId, request: Request) -> Asked {
        let signature = self.sign(by, &eip712::release_consent(&lock_id, &request));
        let command = Command::Release { lock_id, request, signature };
        Asked::new(command, &[by])
    }

    /// An extension.
    pub fn extend(&self, by: Party, lock_id: LockId, expires: u64, request: Request) -> Asked {
        let signature = self.sign(by, &eip712::extend_consent(&lock_id, expires, &request));
        let command = Command::Extend { lock_id, new_expires: expires, request, signature };
        Asked::new(command, &[by])
    }

    /// One consent to cancel, as the form says.
    pub fn consent(&self, by: Party, lock_id: &LockId, form: CancelForm) -> SignedCancel {
        let digest = match &form {
            CancelForm::Consent(request) => {
                self.domain.digest(&eip712::cancel_consent(lock_id, request))
            }
            CancelForm::Text => eip712::cancel_text(lock_id),
            CancelForm::ServerHash | CancelForm::TextOrServerHash => {
                eip712::cancel_server_hash(lock_id)
            }
        };
        SignedCancel { form, signature: by.signer().sign(&digest) }
    }

    /// A cancellation with these consents.
    pub fn cancel(&self, lock_id: LockId, by: &[(Party, CancelForm)]) -> Asked {
        let consents = by.iter().map(|(by, form)| self.consent(*by, &lock_id, *form)).collect();
        let by: Vec<Party> = by.iter().map(|(by, _)| *by).collect();
        Asked::new(Command::Cancel { lock_id, consents }, &by)
    }

    /// An owner's end of a draft.
    pub fn cancel_draft(&self, by: Party, terms: &LockTerms, form: CancelForm) -> Asked {
        let consent = self.consent(by, &self.lock_id(terms), form);
        let command = Command::CancelDraft { terms: terms.clone(), consent };
        Asked::new(command, &[by])
    }

    /// A fact by these observers.
    pub fn fact(&self, by: &[Party], fact: &BalanceFact) -> Asked {
        let hash = eip712::balance_fact(fact);
        let signatures = by.iter().map(|by| self.sign(*by, &hash)).collect();
        Asked::new(Command::RecordFact { fact: *fact, signatures }, by)
    }

    /// A reading right by these operators.
    pub fn grant_reading(&self, by: &[Party], grant: &ReadingGrant) -> Asked {
        let hash = eip712::grant_reading(&self.engine_id, grant);
        let signatures = by.iter().map(|by| self.sign(*by, &hash)).collect();
        Asked::new(Command::GrantReading { grant: *grant, signatures }, by)
    }

    /// An approval of images by these operators.
    pub fn approve_images(&self, by: &[Party], approval: &ImageApproval) -> Asked {
        let hash = eip712::approve_images(&self.engine_id, approval);
        let signatures = by.iter().map(|by| self.sign(*by, &hash)).collect();
        Asked::new(Command::ApproveImages { approval: approval.clone(), signatures }, by)
    }
}

/// The other signature over the same digest: `n - s`, with the other v.
pub fn high_s(signature: &Signature) -> Signature {
    const ORDER: &str = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let order = U256::parse(ORDER).expect("the group order is an amount");
    let mut s = [0; 32];
    s.copy_from_slice(&signature.0[32..64]);
    let high = order.checked_sub(U256::from_be_bytes(s)).expect("s lies below the order");
    let mut out = *signature;
    out.0[32..64].copy_from_slice(&high.to_be_bytes());
    out.0[64] ^= 27 ^ 28;
    out
}

/// A digest of nothing that the engine knows.
pub const FOREIGN_DIGEST: Digest = Digest([0x5a; 32]);

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::secp256k1::{SignatureError, recover};

    #[test]
    fn keys_have_the_published_addresses() {
        let published = [
            "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
            "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
            "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
            "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
            "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
            "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
            "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
            "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
            "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
        ];
        for (party, address) in Party::ALL.into_iter().zip(published) {
            assert_eq!(Ok(party.address()), Address::parse(address), "{}", party.name());
            assert_eq!(Party::of(&party.address()), Some(party));
        }
    }

    #[test]
    fn high_s_twin_is_refused_as_one() {
        let signature = Party::Owner.signer().sign(&FOREIGN_DIGEST);
        let twin = high_s(&signature);
        assert_eq!(recover(&FOREIGN_DIGEST, &twin), Err(SignatureError::HighS));
    }
}
