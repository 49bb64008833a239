//! The key policy against the image and the role: "KMS answers AccessDenied".

use super::super::facts::Facts;
use super::super::machine::{Machine, Trouble};
use super::super::report::Finding;
use mortise_key_policy::compose::measurement;
use mortise_key_policy::{
    Access, Caller, Decision, Effect, Facts as Conditions, PolicyDocument, Severity, Statement,
    evaluate, lint,
};
use serde_json::Value;

const PUT: &str = "aws kms put-key-policy --key-id KEY --policy-name default --policy \
                   file://policy.json";
const WRITE: &str =
    "mortise key-policy aws --account ACCOUNT --role ROLE --pcr0 PCR0 > policy.json";
const FETCH: &str = "aws kms get-key-policy --key-id KEY --policy-name default --query Policy \
                     --output text > policy.json   (as an administrator of the key)";
const SERVICE: &str = "kms:EncryptionContext:mortise:service";
const LOG: &str = "kms:EncryptionContext:mortise:log";

pub(super) fn check(machine: &dyn Machine, facts: &Facts) -> Vec<Finding> {
    let path = &facts.settings.key_policy;
    let skip = |text: String| {
        vec![Finding::skip("policy.lint", text.clone()), Finding::skip("policy.access", text)]
    };
    let text = match machine.read(path) {
        Ok(text) => text,
        Err(Trouble::Missing) => {
            return skip(format!("no copy of the engine key's policy at {path}"));
        }
        Err(trouble) => return skip(format!("{path}: {trouble}")),
    };
    match PolicyDocument::parse(&text) {
        Ok(policy) => vec![linted(&policy, path), access(machine, facts, &policy)],
        Err(error) => {
            let unreadable = Finding::fail(
                "policy.lint",
                format!("{path}: {error}"),
                "doctor cannot check a file that is not a key policy",
                &[FETCH],
            );
            vec![unreadable, Finding::skip("policy.access", "there is no policy")]
        }
    }
}

fn linted(policy: &PolicyDocument, path: &str) -> Finding {
    let id = "policy.lint";
    let findings = lint(policy);
    let bad: Vec<_> = findings.iter().filter(|f| f.severity > Severity::Note).collect();
    let Some(worst) = bad.iter().max_by_key(|finding| finding.severity) else {
        return Finding::ok(id, format!("{path}: only the attested images can unwrap keys"));
    };
    let rules: Vec<_> = bad.iter().map(|finding| finding.rule).collect();
    let saw = format!("{path}: {}: {}", rules.join(", "), worst.text);
    let why = "anyone who can unwrap keys outside the enclave can read the log and sign";
    let steps = [&format!("mortise key-policy lint {path}"), WRITE, PUT];
    match worst.severity {
        Severity::Critical => Finding::fail(id, saw, why, &steps),
        _ => Finding::warn(id, saw, why, &steps),
    }
}

/// Whether the key service lets this enclave unwrap its keys.
fn access(machine: &dyn Machine, facts: &Facts, policy: &PolicyDocument) -> Finding {
    let id = "policy.access";
    let Some(pcr0) = pcr0(machine, facts) else {
        return Finding::skip(id, "PCR0 of the image is not known: see MORTISE_MEASUREMENTS");
    };
    let Some(role) = role_arn(facts, policy) else {
        return Finding::skip(id, "the role is not known: see credentials.role");
    };
    let Some(caller) = Caller::new(&role) else {
        return Finding::skip(id, format!("{role} is not the ARN of a role"));
    };
    let conditions = conditions(facts, policy, &pcr0);
    let access = Access {
        caller: &caller,
        action: "kms:Decrypt",
        resource: "*",
        account: caller.account(),
        facts: &conditions,
    };
    let short = &pcr0[..16];
    if evaluate(Some(policy), None, &access) == Decision::Allowed {
        return Finding::ok(id, format!("{role} may decrypt from the image {short}..."));
    }
    let saw = format!("{role} may not decrypt from the image {short}...: AccessDenied");
    if facts.is_debug() {
        let why = "the enclave runs in debug mode: its PCR0 is zero, and no policy approves zeros";
        let see = "see enclave.debug and engine.health above";
        return Finding::fail(id, saw, why, &[see]);
    }
    if !values(policy, &["imagesha384", "pcr0"]).contains(&pcr0) {
        let why = "the policy approves other images: this one was rebuilt, or the policy is old";
        return Finding::fail(id, saw, why, &[&WRITE.replace("PCR0 >", &format!("{pcr0} >")), PUT]);
    }
    if !roles(policy).contains(&role) {
        let why = "the policy names a role that is not the role of this instance";
        let attach = "aws ec2 replace-iam-instance-profile-association --association-id ID \
                      --iam-instance-profile Name=PROFILE";
        return Finding::fail(id, saw, why, &[WRITE, PUT, attach]);
    }
    let why = "the policy names image and role, but another condition or a Deny blocks them";
    Finding::fail(id, saw, why, &["mortise key-policy lint policy.json", WRITE, PUT])
}

/// PCR0 as the security module reports it: zero in debug mode.
fn pcr0(machine: &dyn Machine, facts: &Facts) -> Option<String> {
    if facts.is_debug() {
        return Some("0".repeat(96));
    }
    let running = facts.enclave().and_then(|enclave| register(&enclave.measurements));
    running.or_else(|| {
        let text = machine.read(&facts.settings.measurements).ok()?;
        register(&serde_json::from_str(&text).ok()?)
    })
}

/// PCR0 in the formats of this project and of nitro-cli.
fn register(value: &Value) -> Option<String> {
    let places = [value, &value["Measurements"], &value["measurements"], &value["pcrs"]];
    let names = ["PCR0", "pcr0", "0"];
    let pcr0 = places.iter().find_map(|place| names.iter().find_map(|name| place[*name].as_str()));
    measurement(pcr0?).ok()
}

/// The role of the instance in the account of its profile, or the only role that the policy grants.
fn role_arn(facts: &Facts, policy: &PolicyDocument) -> Option<String> {
    let imds = facts.imds.as_ref().ok().filter(|imds| !imds.role.is_empty());
    if let Some(imds) = imds {
        let account = imds.profile.split(':').nth(4).filter(|account| !account.is_empty())?;
        let partition = imds.profile.split(':').nth(1).unwrap_or("aws");
        return Some(format!("arn:{partition}:iam::{account}:role/{}", imds.role));
    }
    match roles(policy).as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// The roles that a statement lets decrypt, under any conditions.
fn roles(policy: &PolicyDocument) -> Vec<String> {
    let decrypts = |statement: &&Statement| {
        let is_decrypt = |action: &String| {
            ["kms:decrypt", "kms:*", "*"].contains(&action.to_lowercase().as_str())
        };
        statement.effect == Effect::Allow && statement.actions.texts.iter().any(is_decrypt)
    };
    let granting = policy.statements.iter().filter(decrypts);
    let named = granting.filter_map(|statement| statement.principals.as_ref());
    let named = named.flat_map(|principals| &principals.aws);
    let mut roles: Vec<_> = named.filter(|name| name.contains(":role/")).cloned().collect();
    roles.sort();
    roles.dedup();
    roles
}

fn conditions(facts: &Facts, policy: &PolicyDocument, pcr0: &str) -> Conditions {
    let mut conditions = Conditions::default();
    for key in ["ImageSha384", "PCR0"] {
        conditions.set(&format!("kms:RecipientAttestation:{key}"), pcr0);
    }
    // PCR0 covers PCR1, 2 and 8: assume the values that the policy requires
    for register in ["PCR1", "PCR2", "PCR8"] {
        if let Some(value) = values(policy, &[&register.to_lowercase()]).first() {
            conditions.set(&format!("kms:RecipientAttestation:{register}"), value);
        }
    }
    conditions.set(SERVICE, "lock-engine");
    let engine = facts.health_text("enclaveId").to_owned();
    let wanted = || values(policy, &["mortise:log"]).first().cloned().unwrap_or_default();
    conditions.set(LOG, &if engine.is_empty() { wanted() } else { engine });
    conditions
}

/// Values that the policy requires for condition keys with these endings, in lower case.
fn values(policy: &PolicyDocument, endings: &[&str]) -> Vec<String> {
    let conditions = policy.statements.iter().flat_map(|statement| &statement.conditions);
    let about = conditions.filter(|condition| {
        let key = condition.key.to_lowercase();
        endings.iter().any(|ending| key.ends_with(&format!(":{ending}")))
    });
    about.flat_map(|condition| &condition.values).map(|value| value.to_lowercase()).collect()
}
