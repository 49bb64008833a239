//! Checks of a command without the state.

use crate::keys::{Asked, SignedBy};
use mortise_format::command::Command;
use mortise_format::ids::{Address, Bytes32, Measurement};
use mortise_format::limits::{
    APPROVED_IMAGES_MAX, BATCH_LOCKS_MAX, EXECUTION_DATA_BYTES_MAX, LOCK_LEGS_MAX, OBSERVERS_MAX,
};
use mortise_format::lock::LockTerms;
use mortise_format::reject::{Field, Reject};
use mortise_format::rules::RuleSet;
use std::collections::BTreeSet;

/// The first rule that the command breaks.
pub fn check(rules: RuleSet, asked: &Asked) -> Result<(), Reject> {
    match &asked.command {
        Command::Commit { intents } => {
            rule((1..=BATCH_LOCKS_MAX).contains(&intents.len()), Field::Locks)?;
            intents.iter().try_for_each(|intent| check_terms(rules, &intent.terms))?;
            let mut pairs = intents.iter().zip(&asked.signers);
            pairs.try_for_each(|(intent, signer)| signed_by(*signer, &intent.terms.owner))
        }
        Command::Approve { terms, .. } => {
            check_terms(rules, terms)?;
            rule(terms.beneficiary.is_zero(), Field::Beneficiary)?;
            rule(terms.arbiter.is_zero(), Field::Arbiter)?;
            rule(terms.legs.len() == 1, Field::Assets)?;
            signed_by(asked.signers[0], &terms.owner)
        }
        Command::Claim { claim, .. } => {
            rule((1..=LOCK_LEGS_MAX).contains(&claim.amounts.len()), Field::Amounts)?;
            rule(claim.amounts.iter().any(|a| !a.is_zero()), Field::Amounts)?;
            rule(!claim.claimant.is_zero(), Field::Claimant)?;
            well_formed(asked)
        }
        Command::Release { .. } | Command::Extend { .. } => well_formed(asked),
        Command::Cancel { consents, .. } => {
            rule((1..=2).contains(&consents.len()), Field::Signature)?;
            well_formed(asked)
        }
        Command::CancelDraft { terms, .. } => {
            check_terms(rules, terms)?;
            signed_by(asked.signers[0], &terms.owner)
        }
        Command::RecordFact { fact, signatures } => {
            rule(fact.asset.check().is_ok(), Field::Asset)?;
            rule(!fact.account.is_zero(), Field::Account)?;
            rule(fact.withdrawing <= fact.balance, Field::Withdrawing)?;
            rule((1..=OBSERVERS_MAX).contains(&signatures.len()), Field::Signatures)?;
            each_once(asked)
        }
        Command::ApproveImages { approval, signatures } => {
            let images = &approval.images;
            let each_once = images.iter().collect::<BTreeSet<_>>().len() == images.len();
            let sorted = images.is_sorted() && each_once && !images.contains(&Measurement::ZERO);
            rule(approval.serial > 0, Field::Serial)?;
            rule(sorted && images.len() <= APPROVED_IMAGES_MAX, Field::Images)?;
            rule((1..=OBSERVERS_MAX).contains(&signatures.len()), Field::Signatures)?;
            self::each_once(asked)
        }
        Command::GrantReading { grant, signatures } => {
            rule(grant.reader != Bytes32::ZERO, Field::Reader)?;
            rule(grant.from_epoch > 0, Field::FromEpoch)?;
            let ends = grant.to_epoch == 0 || grant.from_epoch <= grant.to_epoch;
            rule(ends, Field::ToEpoch)?;
            rule((1..=OBSERVERS_MAX).contains(&signatures.len()), Field::Signatures)?;
            each_once(asked)
        }
    }
}

fn check_terms(rules: RuleSet, terms: &LockTerms) -> Result<(), Reject> {
    rule(!terms.owner.is_zero(), Field::Owner)?;
    rule((1..=LOCK_LEGS_MAX).contains(&terms.legs.len()), Field::Assets)?;
    for (i, leg) in terms.legs.iter().enumerate() {
        rule(!leg.amount.is_zero(), Field::Amount)?;
        rule(leg.asset.check().is_ok(), Field::Asset)?;
        rule(!terms.legs[..i].iter().any(|other| other.asset == leg.asset), Field::Asset)?;
    }
    let (condition, strict) = (&terms.condition, rules >= RuleSet(2));
    if strict {
        rule(terms.beneficiary != terms.owner, Field::Beneficiary)?;
        rule(terms.arbiter != terms.owner, Field::Arbiter)?;
    }
    rule(condition.target_asset.check().is_ok(), Field::TargetAsset)?;
    if strict {
        let same_chain = condition.target_asset.chain_id == condition.target_chain_id;
        rule(same_chain, Field::TargetAsset)?;
        rule(!condition.target_amount.is_zero(), Field::TargetAmount)?;
        rule(!condition.recipient.is_zero(), Field::Recipient)?;
    }
    let data = terms.condition.execution_data.as_deref().unwrap_or_default();
    rule(data.len() <= EXECUTION_DATA_BYTES_MAX, Field::ExecutionData)
}

fn rule(holds: bool, field: Field) -> Result<(), Reject> {
    if holds { Ok(()) } else { Err(Reject::Validation(field)) }
}

fn signed_by(signer: SignedBy, owner: &Address) -> Result<(), Reject> {
    if signer == SignedBy::Address(*owner) { Ok(()) } else { Err(Reject::InvalidSignature) }
}

fn well_formed(asked: &Asked) -> Result<(), Reject> {
    let malformed = asked.signers.contains(&SignedBy::Malformed);
    if malformed { Err(Reject::InvalidSignature) } else { Ok(()) }
}

fn each_once(asked: &Asked) -> Result<(), Reject> {
    well_formed(asked)?;
    let known: Vec<Address> = asked.signers.iter().filter_map(address).collect();
    let twice = known.iter().any(|a| known.iter().filter(|b| a == *b).count() > 1);
    rule(!twice, Field::Signatures)
}

/// The address that a signature recovers to, if any.
pub fn address(signer: &SignedBy) -> Option<Address> {
    match signer {
        SignedBy::Address(address) => Some(*address),
        SignedBy::NoOne | SignedBy::Malformed => None,
    }
}
