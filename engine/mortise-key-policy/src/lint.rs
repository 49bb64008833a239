//! Finds who can use a key outside the attested enclave, by one key policy.
//!
//! For each operation the linter evaluates the policy for a caller without an attestation document,
//! with the document of another image, and with that of an enclave in debug mode. It takes every
//! other condition of a grant as fulfilled: an encryption context, a network, an unknown key. A
//! Deny counts only if it holds for certain. So a finding may overstate a risk, and never
//! understates one.

mod admits;
mod images;

pub use admits::{Admission, admits};
pub use images::image_findings;

use super::condition::{Fact, Truth};
use super::document::{Condition, Effect, Patterns, PolicyDocument, Principals, Statement};
use super::evaluate::{account_of, covers};
use std::collections::BTreeSet;

/// How severe a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// True of every policy in some form: for your information, nothing to fix.
    Note,
    /// Weakens the guarantees of attestation, or makes the key unusable.
    Warning,
    /// Wrapped keys open outside the attested enclave, or keys that others know can be wrapped for
    /// it: an engine would boot with them (`specs/genesis-and-loss.md`).
    Critical,
}

impl Severity {
    /// `critical`, `warning`, `note`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One risk that the policy allows, or one goal that it misses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub severity: Severity,
    /// A stable name, such as `decrypt-without-attestation`.
    pub rule: &'static str,
    /// The principal as the policy writes it; empty if the finding is about a value.
    pub principal: String,
    /// The operation, or the condition key.
    pub subject: String,
    /// The Sid of the statement, or its number from 1.
    pub statement: String,
    /// The consequence, for people.
    pub text: String,
}

/// What no lint of a policy sees. A report names it.
pub const NOT_LOOKED_AT: [&str; 5] = [
    "IAM policies of the account, and who may assume its roles",
    "service control and resource control policies of the organization",
    "grants on the key (kms:ListGrants): one from before the policy denied CreateGrant works on",
    "the past: what the policy was, and what was wrapped under it (CloudTrail: PutKeyPolicy)",
    "the key: its origin, its other Regions, its scheduled deletion (kms:DescribeKey)",
];

/// Returns the findings, the most severe first.
///
/// **What a clean result proves** (none above [`Severity::Note`]): by this policy alone, only the
/// attested images can open wrapped keys.
///
/// **What it does not prove**: what is in [`NOT_LOOKED_AT`], that the measurements belong to a good
/// image, that those who may change the policy will not.
pub fn lint(policy: &PolicyDocument) -> Vec<Finding> {
    let mut findings = BTreeSet::new();
    for (place, statement) in policy.statements.iter().enumerate() {
        let name = statement.sid.clone().unwrap_or_else(|| format!("statement {}", place + 1));
        if statement.effect == Effect::Allow {
            for holder in holders(statement) {
                uses(policy, statement, &name, &holder, &mut findings);
                findings.extend(images::holder_finding(policy, statement, &name, &holder));
            }
        }
        for condition in &statement.conditions {
            findings.extend(value_finding(condition, &name));
        }
        findings.extend(context_finding(statement, &name));
        findings.extend(images::late_register_finding(statement, &name));
    }
    if !policy.statements.iter().any(grants_to_the_enclave) {
        let (principal, subject) = (String::new(), String::from("kms:Decrypt"));
        findings.insert(Finding {
            severity: Severity::Warning,
            rule: "no-attested-grant",
            principal,
            subject,
            statement: String::from("policy"),
            text: String::from("no statement grants kms:Decrypt under a PCR0 condition"),
        });
    }
    findings.into_iter().rev().collect()
}

/// A principal of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Holder {
    /// `*`, or everyone except some.
    Everyone,
    /// Every principal that the account's IAM policies allow.
    Account(String),
    /// One user, role or service.
    One(String),
}

impl Holder {
    fn name(&self) -> String {
        match self {
            Self::Everyone => String::from("*"),
            Self::Account(name) | Self::One(name) => name.clone(),
        }
    }

    fn description(&self) -> String {
        match self {
            Self::Everyone => String::from("everyone"),
            Self::Account(name) => format!("any principal that IAM policies of {name} allow"),
            Self::One(name) => name.clone(),
        }
    }
}

fn holders(statement: &Statement) -> Vec<Holder> {
    let Some(Principals { excluded, everyone, aws, others }) = &statement.principals else {
        return Vec::new();
    };
    if *everyone || *excluded {
        return vec![Holder::Everyone];
    }
    let of_aws = aws.iter().map(|name| match account_of(name) {
        Some(_) => Holder::Account(name.clone()),
        None => Holder::One(name.clone()),
    });
    of_aws.chain(others.iter().map(|name| Holder::One(name.clone()))).collect()
}

/// The environment that calls an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// Without an attestation document.
    Unattested,
    /// In an enclave with an image that no policy names.
    OtherImage,
    /// In an enclave in debug mode, whose operator reads its memory: PCR0, 1 and 2 are zero.
    Debug,
}

/// PCR0 of an enclave in debug mode.
const ZERO: &str = concat!(
    "000000000000000000000000000000000000000000000000",
    "000000000000000000000000000000000000000000000000"
);

impl Scene {
    fn fact(self, key: &str) -> Fact {
        let key = key.to_ascii_lowercase();
        let Some(register) = key.strip_prefix("kms:recipientattestation:") else {
            return Fact::Unknown;
        };
        match (self, register) {
            (Self::Unattested, _) => Fact::Absent,
            (Self::OtherImage, "imagesha384" | "pcr0") => Fact::Other,
            (Self::Debug, "imagesha384" | "pcr0" | "pcr1" | "pcr2") => Fact::Is(ZERO.to_owned()),
            _ => Fact::Unknown,
        }
    }
}

/// An operation that must not be possible from a scene, and the consequence if it is.
struct Rule {
    action: &'static str,
    scene: Scene,
    name: &'static str,
    severity: Severity,
    follows: &'static str,
}

const fn rule(
    action: &'static str,
    scene: Scene,
    name: &'static str,
    severity: Severity,
    follows: &'static str,
) -> Rule {
    Rule { action, scene, name, severity, follows }
}

const RULES: &[Rule] = &[
    rule(
        "kms:Decrypt",
        Scene::Unattested,
        "decrypt-without-attestation",
        Severity::Critical,
        "opens every wrapped key outside the enclave",
    ),
    rule(
        "kms:Decrypt",
        Scene::OtherImage,
        "decrypt-by-another-image",
        Severity::Critical,
        "opens every wrapped key in an enclave of any code",
    ),
    rule(
        "kms:Decrypt",
        Scene::Debug,
        "decrypt-in-debug-mode",
        Severity::Critical,
        "opens every wrapped key in a debug enclave, whose memory its operator reads",
    ),
    rule(
        "kms:ReEncryptFrom",
        Scene::Unattested,
        "re-encrypt-from",
        Severity::Critical,
        "re-encrypts wrapped keys under a key that the caller can use",
    ),
    rule(
        "kms:CreateGrant",
        Scene::Unattested,
        "create-grant",
        Severity::Critical,
        "grants kms:Decrypt outside this policy",
    ),
    rule(
        "kms:ReplicateKey",
        Scene::Unattested,
        "replicate-key",
        Severity::Critical,
        "copies a multi-Region key to another Region, under the caller's own policy",
    ),
    rule(
        "kms:GenerateDataKey",
        Scene::Unattested,
        "generate-without-attestation",
        Severity::Critical,
        "wraps data keys whose plaintext the caller knows: an engine boots with keys planted so",
    ),
    rule(
        "kms:GenerateDataKey",
        Scene::OtherImage,
        "generate-by-another-image",
        Severity::Critical,
        "wraps data keys whose plaintext another image knows, and can plant keys under them",
    ),
    rule(
        "kms:GenerateDataKey",
        Scene::Debug,
        "generate-in-debug-mode",
        Severity::Critical,
        "wraps data keys whose plaintext the operator of a debug enclave knows, to plant keys",
    ),
    rule(
        "kms:GenerateDataKeyPair",
        Scene::Unattested,
        "generate-pair-without-attestation",
        Severity::Warning,
        "wraps private keys that the caller knows",
    ),
    rule(
        "kms:GenerateDataKeyWithoutPlaintext",
        Scene::Unattested,
        "generate-without-plaintext",
        Severity::Warning,
        "wraps data keys that the enclave did not request",
    ),
    rule(
        "kms:Encrypt",
        Scene::Unattested,
        "encrypt",
        Severity::Critical,
        "wraps keys that the caller chooses: kms:Encrypt takes no attestation",
    ),
    rule(
        "kms:ReEncryptTo",
        Scene::Unattested,
        "re-encrypt-to",
        Severity::Critical,
        "re-encrypts data of another key, which the caller may know, under this one",
    ),
    rule(
        "kms:ImportKeyMaterial",
        Scene::Unattested,
        "import-key-material",
        Severity::Critical,
        "imports key material that the caller knows, and opens and wraps with it anywhere",
    ),
    rule(
        "kms:PutKeyPolicy",
        Scene::Unattested,
        "put-key-policy",
        Severity::Note,
        "can change this policy, and is trusted not to",
    ),
    rule(
        "kms:ScheduleKeyDeletion",
        Scene::Unattested,
        "schedule-deletion",
        Severity::Note,
        "can delete the key, and with it everything that it wraps",
    ),
    rule(
        "kms:DisableKey",
        Scene::Unattested,
        "disable-key",
        Severity::Note,
        "can disable the key: the engine then does not start",
    ),
    rule(
        "kms:DeleteImportedKeyMaterial",
        Scene::Unattested,
        "delete-key-material",
        Severity::Note,
        "can delete imported key material, and with it everything that it wraps",
    ),
];

/// What a manager of the key is expected to do; a finding only when everyone may.
const ONLY_FOR_EVERYONE: [&str; 2] = ["disable-key", "delete-key-material"];

/// Adds what one holder may do by one grant that no Deny revokes. A further grant of kms:Decrypt
/// that only a Deny blocks opens nothing yet, but one edit would: it is a finding too.
fn uses(
    policy: &PolicyDocument,
    grant: &Statement,
    name: &str,
    holder: &Holder,
    findings: &mut BTreeSet<Finding>,
) {
    for rule in RULES.iter().filter(|rule| covers(&grant.actions, rule.action)) {
        let holds = grant.conditions_hold(|key| rule.scene.fact(key));
        let is_expected = ONLY_FOR_EVERYONE.contains(&rule.name) && *holder != Holder::Everyone;
        if holds == Truth::No || is_expected {
            continue;
        }
        let finding = |severity, name_of_rule, text| Finding {
            severity,
            rule: name_of_rule,
            principal: holder.name(),
            subject: rule.action.to_owned(),
            statement: name.to_owned(),
            text,
        };
        let text = format!("{} {}", holder.description(), rule.follows);
        if !is_denied(policy, rule, holder) {
            findings.insert(finding(severity(policy, rule, grant, holder), rule.name, text));
        } else if rule.name == RULES[0].name {
            let text = format!("{text}, were it not for a Deny: remove the grant");
            findings.insert(finding(Severity::Warning, "held-by-deny", text));
        }
    }
}

fn severity(policy: &PolicyDocument, rule: &Rule, grant: &Statement, holder: &Holder) -> Severity {
    let is_of_the_enclave = policy
        .statements
        .iter()
        .any(|statement| grants_to_the_enclave(statement) && holders(statement).contains(holder));
    match (rule.severity, holder) {
        // The parent holds the credentials of the enclave's role.
        (Severity::Note, Holder::Everyone) => Severity::Critical,
        (Severity::Note, _) if is_of_the_enclave && rule.action == "kms:PutKeyPolicy" => {
            Severity::Critical
        }
        (Severity::Note, _) if is_of_the_enclave => Severity::Warning,
        // The application's code (PCR2) or its signer (PCR8) restrict the images. The kernel, the
        // role or the instance (PCR1, 3, 4) alone admit any code.
        (Severity::Critical, _) if rule.scene == Scene::OtherImage && names_the_code(grant) => {
            Severity::Warning
        }
        (severity, _) => severity,
    }
}

/// Whether a Deny certainly revokes the operation.
fn is_denied(policy: &PolicyDocument, rule: &Rule, holder: &Holder) -> bool {
    policy.statements.iter().any(|statement| {
        statement.effect == Effect::Deny
            && is_for(statement, holder)
            && covers(&statement.actions, rule.action)
            && is_for_every_key(&statement.resources)
            && statement.conditions_hold(|key| rule.scene.fact(key)) == Truth::Yes
    })
}

fn is_for(deny: &Statement, holder: &Holder) -> bool {
    let Some(principals) = &deny.principals else { return false };
    if principals.excluded {
        return false;
    }
    let names_account_of = |name: &str| {
        let account = name.split(':').nth(4).unwrap_or(name);
        principals.aws.iter().any(|denied| account_of(denied) == Some(account))
    };
    principals.everyone
        || match holder {
            Holder::Everyone => false,
            Holder::Account(name) => names_account_of(name),
            Holder::One(name) => principals.aws.contains(name) || names_account_of(name),
        }
}

fn is_for_every_key(resources: &Patterns) -> bool {
    !resources.excluded && resources.texts.iter().any(|text| text == "*")
}

/// Whether a statement grants kms:Decrypt to named images only.
fn grants_to_the_enclave(statement: &Statement) -> bool {
    statement.effect == Effect::Allow
        && covers(&statement.actions, "kms:Decrypt")
        && [Scene::Unattested, Scene::OtherImage]
            .iter()
            .all(|scene| statement.conditions_hold(|key| scene.fact(key)) == Truth::No)
}

fn register_of(key: &str) -> Option<String> {
    key.to_ascii_lowercase().strip_prefix("kms:recipientattestation:").map(str::to_owned)
}

fn is_image(register: &str) -> bool {
    matches!(register, "imagesha384" | "pcr0")
}

/// Whether a grant tests the register of the application or of the image's signer.
fn names_the_code(grant: &Statement) -> bool {
    let registers = grant.conditions.iter().filter_map(|condition| register_of(&condition.key));
    registers.into_iter().any(|register| matches!(register.as_str(), "pcr2" | "pcr8"))
}

/// Finds values that never equal a measurement in KMS, which is 96 lower-case hex digits.
fn value_finding(condition: &Condition, statement: &str) -> Option<Finding> {
    register_of(&condition.key)?;
    if !condition.operator.contains("Equals") {
        return None;
    }
    let exact = !condition.operator.contains("IgnoreCase");
    let finding = |severity, rule, text: &str| {
        Some(Finding {
            severity,
            rule,
            principal: String::new(),
            subject: condition.key.clone(),
            statement: statement.to_owned(),
            text: format!("{}: {text}", condition.key),
        })
    };
    let hex = |value: &String| value.len() == 96 && value.bytes().all(|b| b.is_ascii_hexdigit());
    if !condition.values.iter().all(hex) {
        let text = "a value is not 96 hex digits, so it equals no measurement";
        return finding(Severity::Warning, "measurement-malformed", text);
    }
    let upper = |value: &String| value.bytes().any(|b| b.is_ascii_uppercase());
    if exact && condition.values.iter().any(upper) {
        let text = "a value has upper-case digits, which an exact comparison never matches";
        return finding(Severity::Warning, "measurement-upper-case", text);
    }
    let register = register_of(&condition.key)?;
    let is_zero = condition.values.iter().any(|value| value == ZERO);
    if is_zero && !is_image(&register) && !condition.operator.contains("Not") {
        let text = "a value is all zero: nothing was measured into the register";
        return finding(Severity::Warning, "measurement-zero", text);
    }
    None
}

/// Finds an attested grant without a condition on the encryption context.
fn context_finding(statement: &Statement, name: &str) -> Option<Finding> {
    let prefix = "kms:encryptioncontext:";
    let has_context =
        statement.conditions.iter().any(|c| c.key.to_ascii_lowercase().starts_with(prefix));
    if !grants_to_the_enclave(statement) || has_context {
        return None;
    }
    Some(Finding {
        severity: Severity::Note,
        rule: "any-context",
        principal: String::new(),
        subject: String::from("kms:EncryptionContext"),
        statement: name.to_owned(),
        text: String::from(
            "the attested grant names no encryption context: it opens keys of any context",
        ),
    })
}

#[cfg(test)]
#[path = "lint/tests.rs"]
mod tests;
