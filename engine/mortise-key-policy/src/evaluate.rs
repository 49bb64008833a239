//! Decides whether a call is allowed, by the key's policy and the caller's own. A Deny wins.

use super::condition::{Fact, Truth, is_like};
use super::document::{Effect, Patterns, PolicyDocument, Principals, Statement};
use std::collections::BTreeMap;

/// The caller of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    arn: String,
    account: String,
    /// The role's ARN for a session of a role.
    role: Option<String>,
}

impl Caller {
    /// Parses the ARN that CloudTrail shows: a user, a role, the account's root, or a session of a
    /// role (`arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`). `None` if it is not an ARN.
    pub fn new(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (scheme, partition) = (parts.next()?, parts.next()?);
        let (_service, _region, account) = (parts.next()?, parts.next()?, parts.next()?);
        let resource = parts.next()?;
        if scheme != "arn" || account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let role = resource.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next());
        Some(Self {
            arn: arn.to_owned(),
            account: account.to_owned(),
            role: role.map(|role| format!("arn:{partition}:iam::{account}:role/{role}")),
        })
    }

    pub fn arn(&self) -> &str {
        &self.arn
    }

    pub fn account(&self) -> &str {
        &self.account
    }

    /// The role's ARN for a session, otherwise the caller's own.
    pub fn principal_arn(&self) -> &str {
        self.role.as_deref().unwrap_or(&self.arn)
    }

    fn is_named(&self, name: &str) -> bool {
        name == self.arn || self.role.as_deref() == Some(name)
    }

    fn is_of_account(&self, name: &str) -> bool {
        account_of(name) == Some(&self.account)
    }
}

/// The account number if a principal names a whole account: the number, or the ARN of its root.
pub(super) fn account_of(name: &str) -> Option<&str> {
    let number = match name.strip_suffix(":root") {
        Some(rest) => rest.rsplit(':').next().unwrap_or_default(),
        None => name,
    };
    (number.len() == 12 && number.bytes().all(|b| b.is_ascii_digit())).then_some(number)
}

/// The condition keys of one call. Names of keys are case-insensitive.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    values: BTreeMap<String, Fact>,
}

/// Keys that are `Absent`, and not `Unknown`, when a call does not set them.
const KNOWN_KEYS: &[&str] = &["kms:viaservice", "kms:recipientattestation:imagesha384"];
/// Families of such keys.
const KNOWN_FAMILIES: &[&str] = &["kms:encryptioncontext:", "kms:recipientattestation:pcr"];

impl Facts {
    /// Sets a value. A second value under one name (context keys that differ in case) makes it
    /// `Unknown`.
    pub fn set(&mut self, key: &str, value: &str) {
        let name = key.to_ascii_lowercase();
        let fact = match self.values.contains_key(&name) {
            true => Fact::Unknown,
            false => Fact::Is(value.to_owned()),
        };
        self.values.insert(name, fact);
    }

    /// The known value of a key.
    pub fn fact(&self, key: &str) -> Fact {
        let name = key.to_ascii_lowercase();
        match self.values.get(&name) {
            Some(fact) => fact.clone(),
            None if is_known(&name) => Fact::Absent,
            None => Fact::Unknown,
        }
    }
}

fn is_known(name: &str) -> bool {
    KNOWN_KEYS.contains(&name) || KNOWN_FAMILIES.iter().any(|family| name.starts_with(family))
}

#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    pub caller: &'a Caller,
    /// The operation, such as `kms:Decrypt`.
    pub action: &'a str,
    /// The key's ARN, or `*`.
    pub resource: &'a str,
    /// The account of the key.
    pub account: &'a str,
    /// The condition keys of the call.
    pub facts: &'a Facts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// A statement denies it.
    Denied,
    /// No statement allows it.
    NotAllowed,
}

/// Decides on a call. A call without a key (`CreateKey`, `GenerateRandom`) has no key policy, so
/// the caller's own policy decides alone.
pub fn evaluate(
    key_policy: Option<&PolicyDocument>,
    identity: Option<&PolicyDocument>,
    access: &Access<'_>,
) -> Decision {
    let (of_key, of_identity) = (statements(key_policy), statements(identity));
    let denied = of_key.iter().any(|s| denies(s, access, about(s, access) != About::NoOne))
        || of_identity.iter().any(|s| denies(s, access, true));
    if denied {
        return Decision::Denied;
    }
    let identity_allows = of_identity.iter().any(|s| allows(s, access));
    let granted = |wanted| of_key.iter().any(|s| allows(s, access) && about(s, access) == wanted);
    let at_home = access.caller.account() == access.account;
    let allowed = match key_policy {
        None => identity_allows,
        Some(_) if at_home => {
            granted(About::Caller) || (granted(About::Account) && identity_allows)
        }
        Some(_) => (granted(About::Caller) || granted(About::Account)) && identity_allows,
    };
    if allowed { Decision::Allowed } else { Decision::NotAllowed }
}

fn statements(policy: Option<&PolicyDocument>) -> &[Statement] {
    policy.map_or(&[], |policy| &policy.statements)
}

/// How a statement names the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Caller,
    Account,
    NoOne,
}

fn about(statement: &Statement, access: &Access<'_>) -> About {
    let Some(principals) = &statement.principals else { return About::NoOne };
    // PutKeyPolicy refuses NotPrincipal. Even so, it must deny and never grant.
    if principals.excluded {
        return if statement.effect == Effect::Deny { About::Caller } else { About::NoOne };
    }
    let Principals { everyone, aws, .. } = principals;
    if *everyone || aws.iter().any(|name| access.caller.is_named(name)) {
        return About::Caller;
    }
    match aws.iter().any(|name| access.caller.is_of_account(name)) {
        true => About::Account,
        false => About::NoOne,
    }
}

fn denies(statement: &Statement, access: &Access<'_>, is_about: bool) -> bool {
    statement.effect == Effect::Deny
        && is_about
        && covers(&statement.actions, access.action)
        && covers_resource(&statement.resources, access.resource)
        && statement.conditions_hold(|key| access.facts.fact(key)) != Truth::No
}

fn allows(statement: &Statement, access: &Access<'_>) -> bool {
    statement.effect == Effect::Allow
        && covers(&statement.actions, access.action)
        && covers_resource(&statement.resources, access.resource)
        && statement.conditions_hold(|key| access.facts.fact(key)) == Truth::Yes
}

/// Whether the patterns match an action. Actions are case-insensitive.
pub(super) fn covers(patterns: &Patterns, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let listed = patterns.texts.iter().any(|text| is_like(&text.to_ascii_lowercase(), &action));
    listed != patterns.excluded
}

fn covers_resource(patterns: &Patterns, resource: &str) -> bool {
    patterns.texts.iter().any(|text| is_like(text, resource)) != patterns.excluded
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "111122223333";
    const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234";
    const ROLE: &str = "arn:aws:iam::111122223333:role/engine";
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/engine/i-1";
    const ROOT: &str = "arn:aws:iam::111122223333:root";
    const USER: &str = "arn:aws:iam::111122223333:user/alice";

    fn policy(effect: &str, principal: &str, more: &str) -> String {
        format!(
            r#"{{"Effect":"{effect}","Principal":{{"AWS":{principal}}},
                "Action":["kms:Decrypt","kms:Generate*"],"Resource":"*"{more}}}"#
        )
    }

    fn document(statements: &[String]) -> PolicyDocument {
        PolicyDocument::parse(&format!(r#"{{"Statement":[{}]}}"#, statements.join(","))).unwrap()
    }

    fn decide(
        key: &[String],
        identity: Option<&str>,
        arn: &str,
        facts: &[(&str, &str)],
    ) -> Decision {
        decide_for("kms:Decrypt", key, identity, arn, facts)
    }

    fn decide_for(
        action: &str,
        key: &[String],
        identity: Option<&str>,
        arn: &str,
        pairs: &[(&str, &str)],
    ) -> Decision {
        let mut facts = Facts::default();
        for (key, value) in pairs {
            facts.set(key, value);
        }
        let caller = Caller::new(arn).unwrap();
        let access =
            Access { caller: &caller, action, resource: KEY, account: ACCOUNT, facts: &facts };
        let identity = identity.map(|text| PolicyDocument::parse(text).unwrap());
        evaluate(Some(&document(key)), identity.as_ref(), &access)
    }

    const ADMIN: &str = r#"{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;

    #[test]
    fn principals_follow_their_table() {
        use Decision::{Allowed, NotAllowed};
        for (principal, caller, identity, expected) in [
            (ROLE, SESSION, None, Allowed),
            (ROLE, ROLE, None, Allowed),
            (SESSION, SESSION, None, Allowed),
            (ROLE, USER, Some(ADMIN), NotAllowed),
            ("*", USER, None, Allowed),
            (ROOT, USER, None, NotAllowed),
            (ROOT, USER, Some(ADMIN), Allowed),
            (ROOT, ROOT, None, Allowed),
            (ACCOUNT, USER, Some(ADMIN), Allowed),
            ("444455556666", USER, Some(ADMIN), NotAllowed),
            ("*", "arn:aws:iam::444455556666:user/bob", None, NotAllowed),
            ("*", "arn:aws:iam::444455556666:user/bob", Some(ADMIN), Allowed),
            ("arn:aws:iam::111122223333:role/eng*", SESSION, None, NotAllowed),
        ] {
            let key = [policy("Allow", &format!("\"{principal}\""), "")];
            assert_eq!(decide(&key, identity, caller, &[]), expected, "{principal} {caller}");
        }
    }

    #[test]
    fn actions_have_wildcards_and_ignore_case() {
        let key = [policy("Allow", "\"*\"", "")];
        for (action, expected) in [
            ("kms:Decrypt", Decision::Allowed),
            ("KMS:decrypt", Decision::Allowed),
            ("kms:GenerateDataKey", Decision::Allowed),
            ("kms:Encrypt", Decision::NotAllowed),
        ] {
            assert_eq!(decide_for(action, &key, None, USER, &[]), expected, "{action}");
        }
    }

    #[test]
    fn deny_wins_and_a_deny_for_an_account_covers_all_of_it() {
        let allow = policy("Allow", "\"*\"", "");
        for (principal, expected) in [
            (USER, Decision::Denied),
            ("*", Decision::Denied),
            (ROOT, Decision::Denied),
            (ROLE, Decision::Allowed),
        ] {
            let key = [allow.clone(), policy("Deny", &format!("\"{principal}\""), "")];
            assert_eq!(decide(&key, None, USER, &[]), expected, "{principal}");
        }
        let own = r#"{"Statement":{"Effect":"Deny","Action":"kms:*","Resource":"*"}}"#;
        assert_eq!(decide(&[allow], Some(own), USER, &[]), Decision::Denied);
    }

    #[test]
    fn unknown_condition_never_allows_and_always_denies() {
        let on = |test: &str| format!(r#","Condition":{test}"#);
        for test in [
            r#"{"NumericEquals":{"kms:EncryptionContext:a":"1"}}"#,
            r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#,
            r#"{"StringEquals":{"kms:EncryptionContext:b":"1"},"ArnLike":{"aws:SourceArn":"*"}}"#,
        ] {
            let facts = [("kms:EncryptionContext:a", "1"), ("kms:EncryptionContext:b", "1")];
            let allow = [policy("Allow", "\"*\"", &on(test))];
            assert_eq!(decide(&allow, None, USER, &facts), Decision::NotAllowed, "{test}");
            let deny = [policy("Allow", "\"*\"", ""), policy("Deny", "\"*\"", &on(test))];
            assert_eq!(decide(&deny, None, USER, &facts), Decision::Denied, "{test}");
        }
    }

    #[test]
    fn absent_key_and_two_values_of_one_name_satisfy_no_condition() {
        let test = r#","Condition":{"StringEquals":{"kms:EncryptionContext:App":"x"}}"#;
        let key = [policy("Allow", "\"*\"", test)];
        let name = "kms:EncryptionContext:App";
        assert_eq!(decide(&key, None, USER, &[]), Decision::NotAllowed);
        assert_eq!(decide(&key, None, USER, &[(name, "y")]), Decision::NotAllowed);
        assert_eq!(decide(&key, None, USER, &[(name, "x")]), Decision::Allowed);
        let both = [(name, "x"), ("kms:EncryptionContext:app", "y")];
        assert_eq!(decide(&key, None, USER, &both), Decision::NotAllowed);
    }

    #[test]
    fn service_principal_matches_no_caller() {
        let service = policy("Allow", "\"*\"", "").replace(r#"{"AWS":"*"}"#, r#"{"Service":"*"}"#);
        assert_eq!(decide(&[service], Some(ADMIN), USER, &[]), Decision::NotAllowed);
    }

    #[test]
    fn text_that_is_no_arn_is_no_caller() {
        for text in ["", "arn:aws:iam::1:user/a", "arn:aws:iam::111122223333", "alice"] {
            assert_eq!(Caller::new(text), None, "{text}");
        }
    }
}
