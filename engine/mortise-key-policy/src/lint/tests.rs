use super::*;
use crate::compose::{Plan, Service, compose};

const ROLE: &str = "arn:aws:iam::111122223333:role/engine";
const ROOT: &str = "arn:aws:iam::111122223333:root";

fn pcr(digit: &str) -> String {
    digit.repeat(96)
}

fn plan(service: Service) -> Plan {
    Plan {
        service,
        role: ROLE.to_owned(),
        admins: vec![ROOT.to_owned()],
        images: vec![pcr("a"), pcr("b")],
        registers: vec![(1, vec![pcr("1")]), (8, vec![pcr("8")])],
        engine_id: None,
    }
}

fn findings(text: &str) -> Vec<(Severity, &'static str, String)> {
    let policy = PolicyDocument::parse(text).unwrap();
    lint(&policy).into_iter().map(|f| (f.severity, f.rule, f.principal)).collect()
}

fn bad(text: &str) -> Vec<(&'static str, String)> {
    let bad = findings(text).into_iter().filter(|(severity, ..)| *severity > Severity::Note);
    bad.map(|(_, rule, principal)| (rule, principal)).collect()
}

fn grant(principal: &str, action: &str, condition: &str) -> String {
    format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"{action}",
            "Resource":"*","Condition":{condition}}}"#
    )
}

fn attested(register: &str, value: &str) -> String {
    format!(r#"{{"StringEqualsIgnoreCase":{{"kms:RecipientAttestation:{register}":"{value}"}}}}"#)
}

fn policy(statements: &[String]) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

/// The grant that every policy needs, so that the tests find only planted faults.
fn good() -> String {
    grant(ROLE, "kms:Decrypt", &attested("ImageSha384", &pcr("a")))
}

#[test]
fn composed_policy_has_only_notes_about_its_administrators() {
    for service in [Service::Engine, Service::App] {
        let found = findings(&compose(&plan(service)).to_string());
        let expected = [
            (Severity::Note, "schedule-deletion", ROOT.to_owned()),
            (Severity::Note, "put-key-policy", ROOT.to_owned()),
        ];
        assert_eq!(found, expected);
    }
}

#[test]
fn each_statement_of_the_composed_policy_is_needed_or_backs_another() {
    let text = compose(&plan(Service::Engine)).to_string();
    let whole = PolicyDocument::parse(&text).unwrap();
    let root = Statement {
        actions: Patterns { excluded: false, texts: vec!["kms:*".to_owned()] },
        ..whole.statements[3].clone()
    };
    let without = |sid: &str| {
        let mut policy = whole.clone();
        policy.statements.retain(|statement| statement.sid.as_deref() != Some(sid));
        policy.statements.push(root.clone());
        let found = lint(&policy).into_iter().filter(|f| f.severity > Severity::Note);
        found.map(|finding| finding.rule).collect::<Vec<_>>()
    };
    assert_eq!(without("-"), ["held-by-deny"]);
    assert_eq!(without("AttestedEnclave"), ["no-attested-grant", "held-by-deny"]);
    let unwrapping = without("NothingElseUnwraps");
    assert!(unwrapping.contains(&"decrypt-without-attestation"), "{unwrapping:?}");
    assert!(unwrapping.contains(&"decrypt-in-debug-mode"), "{unwrapping:?}");
    let around = without("NoWayAround");
    for rule in ["re-encrypt-from", "create-grant", "encrypt", "generate-without-plaintext"] {
        assert!(around.contains(&rule), "{rule} {around:?}");
    }
}

#[test]
fn whole_account_with_every_action_beside_an_attested_role_is_found() {
    let text = policy(&[
        grant(ROOT, "kms:*", "{}"),
        grant(ROLE, "kms:Decrypt", &attested("PCR0", &pcr("a"))),
    ]);
    let found = bad(&text);
    for rule in ["decrypt-without-attestation", "encrypt", "create-grant", "re-encrypt-from"] {
        assert!(found.contains(&(rule, ROOT.to_owned())), "{rule} {found:?}");
    }
    assert!(found.iter().all(|(_, principal)| principal == ROOT), "{found:?}");
}

#[test]
fn second_grant_that_only_a_deny_blocks_is_found() {
    let composed = compose(&plan(Service::Engine)).to_string();
    let with = |condition: &str| {
        let second = grant(ROOT, "kms:*", condition);
        composed.replacen("\"Statement\":[", &format!("\"Statement\":[{second},"), 1)
    };
    let finding = (Severity::Warning, "held-by-deny", ROOT.to_owned());
    assert!(!findings(&composed).contains(&finding));
    assert_eq!(findings(&with("{}")).iter().filter(|found| **found == finding).count(), 1);
    assert!(!findings(&with(&attested("PCR0", &pcr("a")))).contains(&finding));
}

#[test]
fn each_operation_that_bypasses_attestation_is_found_with_its_holder() {
    for rule in RULES.iter().filter(|rule| rule.scene == Scene::Unattested) {
        let text = policy(&[good(), grant("*", rule.action, "{}")]);
        assert!(bad(&text).contains(&(rule.name, "*".to_owned())), "{}", rule.action);
    }
}

/// FAULTS F13: with a wrapped key that others know, keys made outside pass as the enclave's.
#[test]
fn whatever_wraps_keys_that_others_know_is_critical() {
    for (action, rule) in [
        ("kms:GenerateDataKey", "generate-without-attestation"),
        ("kms:Encrypt", "encrypt"),
        ("kms:ReEncryptTo", "re-encrypt-to"),
        ("kms:ImportKeyMaterial", "import-key-material"),
    ] {
        let found = findings(&policy(&[good(), grant(ROLE, action, "{}")]));
        assert!(found.contains(&(Severity::Critical, rule, ROLE.to_owned())), "{found:?}");
    }
}

#[test]
fn conditions_that_do_not_name_the_image_are_not_enough() {
    for (condition, rule) in [
        (attested("PCR8", &pcr("8")), "decrypt-by-another-image"),
        (attested("PCR1", &pcr("1")), "decrypt-by-another-image"),
        (attested("ImageSha384", &pcr("0")), "decrypt-in-debug-mode"),
        (attested("PCR0", &pcr("0")), "decrypt-in-debug-mode"),
        (
            r#"{"StringEquals":{"kms:EncryptionContext:a":"1"}}"#.into(),
            "decrypt-without-attestation",
        ),
        (r#"{"IpAddress":{"aws:SourceIp":"10.0.0.1"}}"#.into(), "decrypt-without-attestation"),
        (
            r#"{"StringLike":{"kms:RecipientAttestation:PCR0":"*"}}"#.into(),
            "decrypt-by-another-image",
        ),
        (
            attested("PCR0", &pcr("a")).replace("IgnoreCase", "IgnoreCaseIfExists"),
            "decrypt-without-attestation",
        ),
        (
            r#"{"Null":{"kms:RecipientAttestation:ImageSha384":"false"}}"#.into(),
            "decrypt-by-another-image",
        ),
    ] {
        let text = policy(&[good(), grant(ROLE, "kms:Decrypt", &condition)]);
        assert!(bad(&text).contains(&(rule, ROLE.to_owned())), "{condition} {:?}", bad(&text));
    }
    assert_eq!(bad(&policy(&[good()])), []);
}

#[test]
fn deny_counts_only_when_it_holds_for_certain() {
    let open = grant(ROOT, "kms:Decrypt", "{}");
    let deny = |principal: &str, condition: &str| {
        grant(principal, "kms:Decrypt", condition).replace("Allow", "Deny")
    };
    let unless =
        |register: &str| attested(register, &pcr("a")).replace("StringEquals", "StringNotEquals");
    let rules = |deny: String| {
        let found = bad(&policy(&[good(), open.clone(), deny]));
        found.into_iter().map(|(rule, _)| rule).collect::<Vec<_>>()
    };
    assert_eq!(rules(deny("*", &unless("ImageSha384"))), ["held-by-deny"]);
    assert_eq!(rules(deny(ROOT, &unless("PCR0"))), ["held-by-deny"]);
    assert_eq!(rules(deny("*", "{}")), ["held-by-deny"]);
    let all = ["decrypt-without-attestation", "decrypt-in-debug-mode", "decrypt-by-another-image"];
    assert_eq!(rules(deny(ROLE, &unless("PCR0"))), all);
    assert_eq!(rules(deny("*", r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#)), all);
    let in_part = [&all[1..], &["held-by-deny"]].concat();
    assert_eq!(rules(deny("*", &unless("PCR8"))), in_part);
}

#[test]
fn right_of_the_parent_s_role_to_change_the_policy_is_found() {
    let text = policy(&[good(), grant(ROLE, "kms:PutKeyPolicy", "{}")]);
    assert_eq!(bad(&text), [("put-key-policy", ROLE.to_owned())]);
    let admin = "arn:aws:iam::111122223333:role/admin";
    assert_eq!(bad(&policy(&[good(), grant(admin, "kms:PutKeyPolicy", "{}")])), []);
}

#[test]
fn measurements_that_can_never_match_are_found() {
    for (condition, rule) in [
        (attested("PCR0", "<PCR0-value>"), "measurement-malformed"),
        (attested("PCR1", &format!("0x{}", pcr("a"))), "measurement-malformed"),
        (attested("PCR0", &pcr("A")).replace("IgnoreCase", ""), "measurement-upper-case"),
        (attested("PCR8", &pcr("0")), "measurement-zero"),
    ] {
        let text = policy(&[good(), grant(ROLE, "kms:Decrypt", &condition)]);
        assert!(bad(&text).iter().any(|(found, _)| *found == rule), "{condition}");
    }
}

#[test]
fn not_principal_and_not_action_count_as_wide_as_they_are() {
    let text =
        policy(&[good(), grant(ROLE, "kms:List*", "{}").replace("\"Action\"", "\"NotAction\"")]);
    assert!(bad(&text).contains(&("decrypt-without-attestation", ROLE.to_owned())));
    let text = policy(&[
        good(),
        grant(ROLE, "kms:Decrypt", "{}").replace("\"Principal\"", "\"NotPrincipal\""),
    ]);
    assert!(bad(&text).contains(&("decrypt-without-attestation", "*".to_owned())));
}

#[test]
fn most_severe_finding_comes_first() {
    let severities: Vec<_> =
        findings(&policy(&[grant(ROOT, "kms:*", "{}")])).into_iter().map(|(s, ..)| s).collect();
    assert_eq!(severities[0], Severity::Critical);
    assert!(severities.is_sorted_by(|a, b| a >= b));
}

#[test]
fn every_admitted_image_is_listed_and_an_unknown_one_is_critical() {
    let good = [pcr("a")];
    let found = |text: &str| {
        let policy = PolicyDocument::parse(text).unwrap();
        let found = image_findings(&policy, &good).into_iter();
        found.map(|f| (f.severity, f.rule, f.subject)).collect::<Vec<_>>()
    };
    let ours = (Severity::Note, "admits-image", pcr("a"));
    assert_eq!(found(&policy(&[good_grant(&["a"])])), std::slice::from_ref(&ours));
    let another = |digit: &str| (Severity::Critical, "admits-another-image", pcr(digit));
    // A second value in the same list, and in the Deny that backs it.
    let composed = compose(&plan(Service::Engine)).to_string();
    assert_eq!(found(&composed), [another("b"), ours.clone()]);
    // A second grant, without a Deny.
    let second = grant(ROLE, "kms:*", &attested("PCR0", &pcr("C")));
    assert_eq!(found(&policy(&[good_grant(&["a"]), second])), [another("c"), ours]);
}

fn good_grant(digits: &[&str]) -> String {
    let values: Vec<_> = digits.iter().map(|digit| format!("\"{}\"", pcr(digit))).collect();
    let values = format!("[{}]", values.join(","));
    let condition = attested("ImageSha384", "-").replace("\"-\"", &values);
    grant(ROLE, "kms:Decrypt", &condition)
}

#[test]
fn attested_grant_to_everyone_or_another_account_is_critical() {
    let condition = attested("PCR0", &pcr("a"));
    let manage = grant(ROOT, "kms:PutKeyPolicy", "{}");
    let foreign = "arn:aws:iam::444455556666:role/engine";
    for (principal, rule) in [
        ("*", "attested-grant-to-everyone"),
        (foreign, "attested-grant-to-another-account"),
        ("444455556666", "attested-grant-to-another-account"),
    ] {
        let text = policy(&[manage.clone(), good(), grant(principal, "kms:Decrypt", &condition)]);
        let found = (Severity::Critical, rule, principal.to_owned());
        assert!(findings(&text).contains(&found), "{principal} {:?}", findings(&text));
    }
    assert_eq!(bad(&policy(&[manage, good()])), []);
}

#[test]
fn kernel_role_or_instance_alone_are_critical_and_code_or_signer_are_not() {
    for (register, severity) in [
        ("PCR1", Severity::Critical),
        ("PCR3", Severity::Critical),
        ("PCR4", Severity::Critical),
        ("PCR2", Severity::Warning),
        ("PCR8", Severity::Warning),
    ] {
        let text = policy(&[good(), grant(ROLE, "kms:Decrypt", &attested(register, &pcr("7")))]);
        let found = (severity, "decrypt-by-another-image", ROLE.to_owned());
        assert!(findings(&text).contains(&found), "{register} {:?}", findings(&text));
    }
}

#[test]
fn what_anyone_may_end_is_critical_and_a_manager_may() {
    for action in ["kms:DisableKey", "kms:DeleteImportedKeyMaterial"] {
        let found = |principal: &str| {
            let found = findings(&policy(&[good(), grant(principal, action, "{}")]));
            found.into_iter().filter(|(severity, ..)| *severity > Severity::Note).count()
        };
        assert_eq!((found("*"), found(ROOT)), (1, 0), "{action}");
    }
}

#[test]
fn register_that_boot_extends_late_is_found() {
    let found = |register: &str| {
        let both = attested("ImageSha384", &pcr("a")).replace(
            "{\"kms",
            &format!("{{\"kms:RecipientAttestation:{register}\":\"{}\",\"kms", pcr("1")),
        );
        bad(&policy(&[grant(ROLE, "kms:Decrypt", &both)]))
    };
    assert_eq!(found("PCR16"), [("register-extended-late", String::new())]);
    assert_eq!(found("PCR1"), []);
}
