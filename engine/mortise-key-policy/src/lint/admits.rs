//! Checks whether a policy lets the enclave of one image use the key.

use super::{
    Effect, Fact, Holder, PolicyDocument, Scene, Statement, Truth, ZERO, covers, holders, is_for,
    is_for_every_key, register_of,
};
use crate::compose::ATTESTED_ACTIONS;

/// Whether a policy admits an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// An attested grant names the image, and no Deny revokes it.
    Admitted,
    /// No attested grant names the image.
    NotNamed {
        /// The operation that no grant covers.
        action: &'static str,
    },
    /// A grant names the image, and a statement denies it.
    Denied {
        /// The denied operation.
        action: &'static str,
        /// The Sid of the statement, or its number from 1.
        statement: String,
    },
}

/// Checks an enclave with these registers: pairs of number and lower-case value. A missing register
/// 8 is zero, as for an unsigned image.
///
/// Takes all conditions except those on measurements as fulfilled: `Admitted` does not prove that
/// the caller has the role or sends the encryption context that a grant requires.
pub fn admits(policy: &PolicyDocument, registers: &[(u8, String)]) -> Admission {
    for action in ATTESTED_ACTIONS {
        let grants: Vec<_> =
            policy.statements.iter().filter(|grant| is_named(grant, action, registers)).collect();
        if grants.is_empty() {
            return Admission::NotNamed { action };
        }
        let denying = |grant: &&Statement| {
            holders(grant).iter().find_map(|holder| denied_by(policy, action, holder, registers))
        };
        let open = grants.iter().any(|grant| denying(grant).is_none());
        if let (false, Some(statement)) = (open, grants.iter().find_map(denying)) {
            return Admission::Denied { action, statement };
        }
    }
    Admission::Admitted
}

/// Whether a grant covers this image and no unnamed image.
fn is_named(grant: &Statement, action: &str, registers: &[(u8, String)]) -> bool {
    grant.effect == Effect::Allow
        && covers(&grant.actions, action)
        && grant.conditions_hold(|key| fact(key, registers)) != Truth::No
        && grant.conditions_hold(|key| Scene::OtherImage.fact(key)) == Truth::No
}

fn denied_by(
    policy: &PolicyDocument,
    action: &str,
    holder: &Holder,
    registers: &[(u8, String)],
) -> Option<String> {
    let denies = |statement: &Statement| {
        statement.effect == Effect::Deny
            && is_for(statement, holder)
            && covers(&statement.actions, action)
            && is_for_every_key(&statement.resources)
            && statement.conditions_hold(|key| fact(key, registers)) == Truth::Yes
    };
    let place = policy.statements.iter().position(denies)?;
    let name = policy.statements.get(place)?.sid.clone();
    Some(name.unwrap_or_else(|| format!("statement {}", place + 1)))
}

/// The fact that the image's attestation document gives for a condition key.
fn fact(key: &str, registers: &[(u8, String)]) -> Fact {
    let Some(register) = register_of(key) else { return Fact::Unknown };
    let number = match register.as_str() {
        "imagesha384" => Some(0),
        name => name.strip_prefix("pcr").and_then(|number| number.parse().ok()),
    };
    match registers.iter().find(|(register, _)| Some(*register) == number) {
        Some((_, value)) => Fact::Is(value.clone()),
        None if number == Some(8) => Fact::Is(ZERO.to_owned()),
        None => Fact::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::{Plan, Service, compose};

    const ACCOUNT: &str = "arn:aws:iam::111122223333";

    fn value(digit: &str) -> String {
        digit.repeat(96)
    }

    fn policy(images: &[&str], more: &str) -> PolicyDocument {
        let mut policy = compose(&Plan {
            service: Service::Engine,
            role: format!("{ACCOUNT}:role/engine"),
            admins: vec![format!("{ACCOUNT}:root")],
            images: images.iter().map(|digit| value(digit)).collect(),
            registers: vec![(2, vec![value("2")])],
            engine_id: None,
        });
        if !more.is_empty() {
            let more = serde_json::from_str(more).unwrap();
            policy["Statement"].as_array_mut().unwrap().push(more);
        }
        PolicyDocument::parse(&policy.to_string()).unwrap()
    }

    fn image(pcr0: &str, pcr2: &str) -> Vec<(u8, String)> {
        vec![(0, value(pcr0)), (1, value("1")), (2, value(pcr2))]
    }

    #[test]
    fn only_named_images_are_admitted() {
        let both = policy(&["a", "b"], "");
        assert_eq!(admits(&both, &image("a", "2")), Admission::Admitted);
        assert_eq!(admits(&both, &image("b", "2")), Admission::Admitted);
        let not = Admission::NotNamed { action: "kms:Decrypt" };
        assert_eq!(admits(&both, &image("c", "2")), not);
        assert_eq!(admits(&both, &image("a", "3")), not);
        assert_eq!(admits(&both, &image("0", "0")), not);
    }

    #[test]
    fn grant_to_everyone_names_no_image() {
        let open = r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*",
            "Resource": "*"}]}"#;
        let found = admits(&PolicyDocument::parse(open).unwrap(), &image("a", "2"));
        assert_eq!(found, Admission::NotNamed { action: "kms:Decrypt" });
    }

    #[test]
    fn statement_that_denies_a_named_image_is_returned() {
        let deny = r#"{"Sid": "Stop", "Effect": "Deny", "Principal": "*", "Resource": "*",
            "Action": "kms:GenerateDataKey"}"#;
        let (action, statement) = ("kms:GenerateDataKey", "Stop".to_owned());
        let found = admits(&policy(&["a"], deny), &image("a", "2"));
        assert_eq!(found, Admission::Denied { action, statement });
    }
}
