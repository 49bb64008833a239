//! Every image that a policy admits: the values of PCR0 in its grants.
//!
//! A second image in a list is one more code that opens the keys. No rule can tell whether it is
//! meant; the reader can, when it is shown, and anyone who knows the measurements of the good
//! images can compare.

use super::{
    Condition, Effect, Finding, Holder, PolicyDocument, Severity, Statement, grants_to_the_enclave,
    is_image, register_of,
};
use crate::compose::ATTESTED_ACTIONS;
use crate::evaluate::{account_of, covers};
use std::collections::BTreeSet;

/// Returns each value of PCR0 that a grant of the attested operations admits, in lower case, with
/// the name of the statement.
fn admitted_images(policy: &PolicyDocument) -> BTreeSet<(String, String)> {
    let grants = policy.statements.iter().enumerate().filter(|(_, statement)| {
        statement.effect == Effect::Allow
            && ATTESTED_ACTIONS.iter().any(|action| covers(&statement.actions, action))
    });
    grants
        .flat_map(|(place, grant)| {
            let name = grant.sid.clone().unwrap_or_else(|| format!("statement {}", place + 1));
            let admits = |condition: &&Condition| {
                register_of(&condition.key).is_some_and(|register| is_image(&register))
                    && !condition.operator.contains("Not")
            };
            let values = grant.conditions.iter().filter(admits).flat_map(|c| c.values.iter());
            values.map(move |value| (value.to_ascii_lowercase(), name.clone())).collect::<Vec<_>>()
        })
        .collect()
}

/// Compares the admitted images with the known good ones: a note for each of these, a critical
/// finding for each other.
pub fn image_findings(policy: &PolicyDocument, good: &[String]) -> Vec<Finding> {
    let finding = |(value, statement): (String, String)| {
        let is_good = good.iter().any(|known| known.eq_ignore_ascii_case(&value));
        let (severity, rule, text) = match is_good {
            true => (Severity::Note, "admits-image", "a grant admits the given image"),
            false => {
                let text = "a grant admits an image that is not of the given measurements";
                (Severity::Critical, "admits-another-image", text)
            }
        };
        let (principal, subject) = (String::new(), value.clone());
        Finding { severity, rule, principal, subject, statement, text: format!("{text}: {value}") }
    };
    let mut findings: Vec<_> = admitted_images(policy).into_iter().map(finding).collect();
    findings.sort_by(|a, b| b.cmp(a));
    findings
}

/// An attested grant to everyone, or to another account than those that manage the key: anyone who
/// holds those credentials runs the image on a machine of its own and has the keys there.
pub(super) fn holder_finding(
    policy: &PolicyDocument,
    grant: &Statement,
    name: &str,
    holder: &Holder,
) -> Option<Finding> {
    if !grants_to_the_enclave(grant) {
        return None;
    }
    let (rule, text) = match holder {
        Holder::Everyone => ("attested-grant-to-everyone", "every account".to_owned()),
        Holder::Account(principal) | Holder::One(principal) => {
            let account = account(principal)?;
            let own = managing_accounts(policy);
            if own.is_empty() || own.contains(account) {
                return None;
            }
            ("attested-grant-to-another-account", format!("account {account}"))
        }
    };
    Some(Finding {
        severity: Severity::Critical,
        rule,
        principal: holder.name(),
        subject: String::from("kms:Decrypt"),
        statement: name.to_owned(),
        text: format!("{text} can run the image on a machine of its own and use the key there"),
    })
}

/// The accounts whose principals may change the policy.
fn managing_accounts(policy: &PolicyDocument) -> BTreeSet<&str> {
    let managing = policy.statements.iter().filter(|statement| {
        statement.effect == Effect::Allow && covers(&statement.actions, "kms:PutKeyPolicy")
    });
    let principals = managing.filter_map(|statement| statement.principals.as_ref());
    principals.flat_map(|principals| principals.aws.iter()).filter_map(|p| account(p)).collect()
}

fn account(principal: &str) -> Option<&str> {
    account_of(principal).or_else(|| principal.split(':').nth(4).filter(|text| !text.is_empty()))
}

/// A grant on a register that boot extends later: at the first calls of the key service it is still
/// zero.
pub(super) fn late_register_finding(statement: &Statement, name: &str) -> Option<Finding> {
    let is_late = |condition: &&Condition| {
        register_of(&condition.key).is_some_and(|register| register == "pcr16")
    };
    let condition = statement.conditions.iter().find(is_late)?;
    Some(Finding {
        severity: Severity::Warning,
        rule: "register-extended-late",
        principal: String::new(),
        subject: condition.key.clone(),
        statement: name.to_owned(),
        text: String::from(
            "PCR16 is extended after the keys are unwrapped: this condition locks the engine out",
        ),
    })
}
