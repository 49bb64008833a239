//! The instance's role, through the metadata service of version 2.

use super::super::facts::{Facts, IMDS, Imds};
use super::super::machine::{Machine, Trouble};
use super::super::report::Finding;

pub(super) fn check(_machine: &dyn Machine, facts: &Facts) -> Vec<Finding> {
    let imds = match &facts.imds {
        Ok(imds) => imds,
        Err(trouble) => {
            return vec![unreachable(trouble), Finding::skip("credentials.role", "see above")];
        }
    };
    vec![service(imds), role(imds)]
}

fn unreachable(trouble: &Trouble) -> Finding {
    let id = "credentials.imds";
    if *trouble == Trouble::NotLive {
        return Finding::skip(id, trouble.to_string());
    }
    Finding::fail(
        id,
        format!("http://{IMDS}: {trouble}"),
        "mortise-host fetches the credentials of the role from it and passes them to the enclave",
        &[
            "aws ec2 modify-instance-metadata-options --instance-id ID --http-endpoint enabled \
             --http-tokens required --http-put-response-hop-limit 1",
            "in a container the token needs a hop limit of 2",
        ],
    )
}

fn service(imds: &Imds) -> Finding {
    let id = "credentials.imds";
    if !imds.answers_without_token {
        return Finding::ok(id, "version 2 answers, and only with a token");
    }
    Finding::warn(
        id,
        "it answers without a token: version 1 is enabled",
        "any program here that can be made to fetch a URL leaks the credentials of the role",
        &["aws ec2 modify-instance-metadata-options --instance-id ID --http-tokens required \
           --http-put-response-hop-limit 1"],
    )
}

fn role(imds: &Imds) -> Finding {
    let id = "credentials.role";
    if imds.role.is_empty() {
        return Finding::fail(
            id,
            "the instance has no role",
            "without credentials the key service refuses, and the engine cannot unwrap its keys",
            &["aws ec2 associate-iam-instance-profile --instance-id ID --iam-instance-profile \
               Name=PROFILE"],
        );
    }
    let saw = format!("role {}, {}, until {}", imds.role, imds.code, imds.expiration);
    match imds.code.as_str() {
        "Success" => Finding::ok(id, saw),
        _ => Finding::fail(
            id,
            saw,
            "the service has no credentials for the role: it was deleted, or its trust policy does \
             not allow the EC2 service",
            &[&format!(
                "aws iam get-role --role-name {} --query Role.AssumeRolePolicyDocument",
                imds.role
            )],
        ),
    }
}
