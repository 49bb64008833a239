//! Sample policies: they equal the command's output, and allow only what they should.

use super::text;
use mortise_key_policy::{
    Access, Caller, Decision, Facts, PolicyDocument, Severity, evaluate, lint,
};
use std::process::Command;

const ROLE: &str = "arn:aws:iam::111122223333:role/mortise-parent";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555";

/// A placeholder: a measurement that no image has.
fn pcr0() -> String {
    "ab".repeat(48)
}

/// The output of `mortise key-policy aws` with the flags in the README.
fn written(more: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mortise-under-test"));
    command.args(["key-policy", "aws", "--account", "111122223333", "--role", "mortise-parent"]);
    command.args(["--admin", "mortise-key-admin", "--pcr0", &pcr0()]).args(more);
    let ran = command.output().unwrap();
    assert!(ran.status.success());
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn sample_key_policies_equal_the_output_of_the_command() {
    assert_eq!(text("iam/key-policy-engine.sample.json"), written(&[]));
    assert_eq!(text("iam/key-policy-app.sample.json"), written(&["--app"]));
}

#[test]
fn a_key_policy_names_roles_of_one_partition() {
    let statements = |policy: &str| policy.matches("arn:aws:").count();
    let china = written(&["--partition", "aws-cn"]);
    assert!(china.contains("arn:aws-cn:iam::111122223333:role/mortise-parent"), "{china}");
    assert_eq!(statements(&china), 0, "{china}");
    // A role given by its ARN says where the key is.
    let gov = "arn:aws-us-gov:iam::111122223333:role/other-admin";
    let gov = written(&["--admin", gov]);
    assert!(gov.contains("arn:aws-us-gov:iam::111122223333:role/mortise-parent"), "{gov}");
    assert_eq!(statements(&gov), 0, "{gov}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mortise-under-test"));
    command.args(["key-policy", "aws", "--account", "111122223333", "--partition", "aws-cn"]);
    command.args(["--role", "arn:aws:iam::111122223333:role/r", "--pcr0", &pcr0()]);
    let ran = command.output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let text = String::from_utf8(ran.stderr).unwrap();
    assert!(text.contains("aws-cn and aws"), "{text}");
}

#[test]
fn sample_key_policies_admit_only_the_image() {
    for path in ["iam/key-policy-engine.sample.json", "iam/key-policy-app.sample.json"] {
        let policy = PolicyDocument::parse(&text(path)).unwrap();
        let bad: Vec<_> =
            lint(&policy).into_iter().filter(|f| f.severity > Severity::Note).collect();
        assert!(bad.is_empty(), "{path}: {bad:?}");
    }
}

/// Whether the role's own policy allows an operation, with this image in the document.
fn role_allows(action: &str, resource: &str, image: Option<&str>) -> bool {
    let identity = PolicyDocument::parse(&text("iam/parent-role-policy.json")).unwrap();
    let caller = Caller::new(ROLE).unwrap();
    let mut facts = Facts::default();
    if let Some(image) = image {
        facts.set("kms:RecipientAttestation:ImageSha384", image);
    }
    let account = caller.account().to_owned();
    let access = Access { caller: &caller, action, resource, account: &account, facts: &facts };
    evaluate(None, Some(&identity), &access) == Decision::Allowed
}

#[test]
fn role_of_the_parent_gets_three_operations_from_the_attested_image_and_no_others() {
    let image = pcr0();
    for (action, resource) in
        [("kms:Decrypt", KEY), ("kms:GenerateDataKey", KEY), ("kms:GenerateRandom", "*")]
    {
        assert!(role_allows(action, resource, Some(&image)), "{action}");
        assert!(!role_allows(action, resource, None), "{action} without a document");
        let debug = "0".repeat(96);
        assert!(!role_allows(action, resource, Some(&debug)), "{action} in debug mode");
    }
    assert!(!role_allows("kms:Decrypt", &KEY.replace("1111", "9999"), Some(&image)));
    for action in ["kms:Encrypt", "kms:PutKeyPolicy", "kms:CreateGrant", "kms:ScheduleKeyDeletion"]
    {
        assert!(!role_allows(action, KEY, Some(&image)), "{action}");
    }
}
