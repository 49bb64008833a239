//! AWS Signature Version 4 for the one kind of request that the key service gets: POST of /, no
//! query, JSON body.
//!
//! Written by hand because it is short: the published crate would bring its whole runtime into the
//! measured binary. A test compares it with that crate, byte for byte.
//!
//! Source: AWS IAM user guide, "Create a signed AWS API request".

use super::credentials::SigningCredentials;
use aws_lc_rs::digest;
use aws_lc_rs::hmac;
use mortise_format::hex;

/// Name of the service in the scope.
const SERVICE: &str = "kms";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The signed parts of a request: every header except those of the connection.
pub(super) struct Unsigned<'a> {
    pub(super) region: &'a str,
    /// `YYYYMMDDTHHMMSSZ`.
    pub(super) date: &'a str,
    pub(super) host: &'a str,
    pub(super) content_type: &'a str,
    pub(super) target: &'a str,
    pub(super) body: &'a [u8],
}

/// The value of the `Authorization` header.
pub(super) fn authorization(request: &Unsigned<'_>, credentials: &SigningCredentials) -> String {
    let headers = signed_headers(request, credentials);
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let mut canonical = String::from("POST\n/\n\n");
    for (name, value) in &headers {
        push(&mut canonical, &[name, ":", value, "\n"]);
    }
    push(&mut canonical, &["\n", &names, "\n", &hex::encode(&sha256(request.body))]);

    let day = &request.date[..8];
    let scope = format!("{day}/{}/{SERVICE}/aws4_request", request.region);
    let digest = hex::encode(&sha256(canonical.as_bytes()));
    let text = format!("{ALGORITHM}\n{}\n{scope}\n{digest}", request.date);
    let key = signing_key(credentials, day, request.region);
    let signature = hex::encode(hmac::sign(&key, text.as_bytes()).as_ref());
    let id = credentials.access_key_id();
    format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
}

/// Header names in the order of the canonical form.
fn signed_headers<'a>(
    request: &Unsigned<'a>,
    credentials: &'a SigningCredentials,
) -> Vec<(&'static str, &'a str)> {
    let mut headers = vec![
        ("content-type", request.content_type),
        ("host", request.host),
        ("x-amz-date", request.date),
    ];
    headers.extend(credentials.token().map(|token| ("x-amz-security-token", token)));
    headers.push(("x-amz-target", request.target));
    headers
}

fn signing_key(credentials: &SigningCredentials, day: &str, region: &str) -> hmac::Key {
    let first = credentials.with_signing_seed(|seed| hmac::Key::new(hmac::HMAC_SHA256, seed));
    [day, region, SERVICE, "aws4_request"].iter().fold(first, |key, part| {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
    })
}

fn push(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::timestamp::format_basic;
    use super::*;
    use aws_sigv4::http_request::{
        SignableBody, SignableRequest, SigningParams, SigningSettings, sign,
    };
    use aws_sigv4::sign::v4;
    use mortise_rpc::credentials::Credentials;
    use std::time::{Duration, UNIX_EPOCH};

    /// Requests compared; each has another length, time, region and credentials.
    const REQUESTS: usize = 500;

    fn text(alphabet: &[u8], seed: usize, bytes: usize) -> String {
        let at = |i: usize| char::from(alphabet[(seed * 31 + i * 7 + i * i) % alphabet.len()]);
        (0..bytes).map(at).collect()
    }

    fn credentials(i: usize) -> Credentials {
        let base64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
        Credentials {
            access_key_id: text(&base64[..62], i, 16 + i % 40),
            secret_access_key: text(base64, i + 1, 1 + i % 200),
            token: (!i.is_multiple_of(3)).then(|| text(base64, i + 2, 1 + i * 3)),
            expiration: None,
        }
    }

    /// The header as the published crate makes it.
    fn published(request: &Unsigned<'_>, credentials: &Credentials, unix_s: u64) -> String {
        let known = aws_credential_types::Credentials::new(
            &credentials.access_key_id,
            &credentials.secret_access_key,
            credentials.token.clone(),
            None,
            "test",
        );
        let known = known.into();
        let params: SigningParams<'_> = v4::SigningParams::builder()
            .identity(&known)
            .region(request.region)
            .name("kms")
            .time(UNIX_EPOCH + Duration::from_secs(unix_s))
            .settings(SigningSettings::default())
            .build()
            .map(v4::SigningParams::into)
            .unwrap();
        let headers = [
            ("host", request.host),
            ("content-type", request.content_type),
            ("x-amz-target", request.target),
        ];
        let uri = format!("https://{}/", request.host);
        let body = SignableBody::Bytes(request.body);
        let signable = SignableRequest::new("POST", uri, headers.into_iter(), body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let (headers, _) = instructions.into_parts();
        headers.iter().find(|h| h.name() == "authorization").unwrap().value().to_owned()
    }

    #[test]
    fn header_is_that_of_the_published_crate_for_many_requests() {
        for i in 0..REQUESTS {
            let given = credentials(i);
            let unix_s = 1_000_000_000 + u64::try_from(i).unwrap() * 7_654_321;
            let date = format_basic(unix_s * 1000).unwrap();
            let (region, host) = (format!("region-{i}"), format!("kms.region-{i}.amazonaws.com"));
            let body = text(b"{}:,\"abc\\ \xff\n", i, i * 5).into_bytes();
            let request = Unsigned {
                region: &region,
                date: &date,
                host: &host,
                content_type: "application/x-amz-json-1.1",
                target: ["TrentService.Decrypt", "TrentService.GenerateRandom"][i % 2],
                body: &body,
            };
            let ours = authorization(&request, &SigningCredentials::parse(&given).unwrap());
            assert_eq!(ours, published(&request, &given, unix_s), "request {i}");
        }
    }
}
