//! Checks AWS Signature Version 4, written from the specification.
//!
//! What it does not do: presigned URLs, chunked uploads, any path but `/`.

use super::error::{KmsError, KmsErrorKind};
use super::iam::{Iam, Principal};
use super::time::parse_basic;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::HeaderMap;
use mortise_format::civil::Civil;
use mortise_format::hex;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Most seconds between a request's time and the service's.
const SKEW_S_MAX: u64 = 5 * 60;
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "kms";
const TERMINATOR: &str = "aws4_request";

/// The received request. Every call is `POST /` with no query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received<'a> {
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// Returns the principal that signed the request.
///
/// # Errors
/// `MissingAuthenticationTokenException`, `IncompleteSignatureException`,
/// `InvalidSignatureException`, `UnrecognizedClientException`, `ExpiredTokenException`.
pub(super) fn authenticate(
    iam: &Iam,
    received: Received<'_>,
    region: &str,
    now_ms: u64,
) -> Result<Principal, KmsError> {
    let authorization = Authorization::parse(&header(received.headers, "authorization"))?;
    let date = header(received.headers, "x-amz-date");
    let signed_s = parse_basic(&date).ok_or_else(|| {
        incomplete("Date must be in ISO-8601 'basic format' in the header X-Amz-Date.")
    })?;
    authorization.check_scope(&date, region)?;
    authorization.check_headers(received.headers)?;
    let principal = iam.by_access_key(&authorization.access_key).ok_or_else(unrecognized)?;
    check_token(&principal, &header(received.headers, "x-amz-security-token"))?;
    check_signature(&authorization, received, &date, &principal.secret_access_key)?;
    check_time(&date, signed_s, now_ms / 1000)?;
    match principal.expires_at_ms {
        Some(end) if end <= now_ms => Err(KmsError::new(
            KmsErrorKind::ExpiredToken,
            "The security token included in the request is expired",
        )),
        _ => Ok(principal),
    }
}

/// The parsed `Authorization` header.
struct Authorization {
    access_key: String,
    /// Date, region, service, terminator.
    scope: [String; 4],
    signed_headers: Vec<String>,
    signature: Vec<u8>,
}

impl Authorization {
    fn parse(text: &str) -> Result<Self, KmsError> {
        if text.is_empty() {
            let message = "Missing Authentication Token";
            return Err(KmsError::new(KmsErrorKind::MissingToken, message));
        }
        let rest = text.strip_prefix(ALGORITHM).ok_or_else(|| incomplete("unknown algorithm"))?;
        let part = |name: &str| {
            let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
            let found = parts.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
            found.ok_or_else(|| incomplete(&format!("Authorization header requires '{name}'.")))
        };
        let (credential, signed_headers) = (part("Credential")?, part("SignedHeaders")?);
        let signature = part("Signature")?;
        let mut fields = credential.split('/').map(str::to_owned);
        let mut next = || fields.next().ok_or_else(|| incomplete("Credential has five parts."));
        Ok(Self {
            access_key: next()?,
            scope: [next()?, next()?, next()?, next()?],
            signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
            signature: hex::decode(&signature)
                .ok()
                .filter(|mac| mac.len() == 32)
                .ok_or_else(|| incomplete("Signature is not 64 hex digits."))?,
        })
    }

    fn check_scope(&self, date: &str, region: &str) -> Result<(), KmsError> {
        let expected = [&date[..8], region, SERVICE, TERMINATOR];
        match self.scope.iter().zip(expected).all(|(found, expected)| found == expected) {
            true => Ok(()),
            false => {
                Err(invalid(&format!("Credential should be scoped to '{}'.", expected.join("/"))))
            }
        }
    }

    /// Checks that the signed headers are sorted, unique, and include every header that the service
    /// acts on.
    fn check_headers(&self, headers: &HeaderMap) -> Result<(), KmsError> {
        let ordered: BTreeSet<_> = self.signed_headers.iter().cloned().collect();
        let is_ordered = ordered.iter().eq(self.signed_headers.iter());
        let acted_on = |name: &str| name == "host" || name.starts_with("x-amz-");
        let mut names = headers.keys().map(|name| name.as_str()).filter(|name| acted_on(name));
        match is_ordered && ordered.contains("host") && names.all(|name| ordered.contains(name)) {
            true => Ok(()),
            false => Err(invalid("'Host' and every 'X-Amz-*' header must be signed, in order.")),
        }
    }

    fn canonical_request(&self, received: Received<'_>) -> String {
        let line = |name: &String| format!("{name}:{}\n", header(received.headers, name));
        let headers: String = self.signed_headers.iter().map(line).collect();
        let (names, payload) = (self.signed_headers.join(";"), sha256_hex(received.body));
        format!("POST\n/\n\n{headers}\n{names}\n{payload}")
    }
}

fn check_signature(
    authorization: &Authorization,
    received: Received<'_>,
    date: &str,
    secret: &str,
) -> Result<(), KmsError> {
    let stated = header(received.headers, "x-amz-content-sha256");
    if !stated.is_empty() && stated != sha256_hex(received.body) {
        return Err(invalid("The value of X-Amz-Content-Sha256 is not the hash of the body."));
    }
    let request = sha256_hex(authorization.canonical_request(received).as_bytes());
    let scope = authorization.scope.join("/");
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{request}");
    let first = format!("AWS4{secret}").into_bytes();
    let key = authorization
        .scope
        .iter()
        .fold(first, |key, part| mac(&key, part.as_bytes()).finalize().into_bytes().to_vec());
    mac(&key, to_sign.as_bytes()).verify_slice(&authorization.signature).map_err(|_| {
        invalid("The request signature we calculated does not match the signature you provided.")
    })
}

/// Compares hashes of the tokens, so that timing reveals nothing about them.
fn check_token(principal: &Principal, found: &str) -> Result<(), KmsError> {
    let expected = principal.session_token.as_deref().unwrap_or_default();
    match Sha256::digest(expected) == Sha256::digest(found) {
        true => Ok(()),
        false => Err(unrecognized()),
    }
}

fn check_time(date: &str, signed_s: u64, now_s: u64) -> Result<(), KmsError> {
    let basic = |unix_s| Civil::of_unix(unix_s).basic();
    let now = basic(now_s);
    let (oldest, newest) = (now_s.saturating_sub(SKEW_S_MAX), now_s.saturating_add(SKEW_S_MAX));
    if signed_s < oldest {
        let oldest = basic(oldest);
        return Err(invalid(&format!(
            "Signature expired: {date} is now earlier than {oldest} ({now} - 5 min.)"
        )));
    }
    if signed_s > newest {
        let newest = basic(newest);
        return Err(invalid(&format!(
            "Signature not yet current: {date} is still later than {newest} ({now} + 5 min.)"
        )));
    }
    Ok(())
}

/// All values of a header as the signature covers them: trimmed, inner runs of spaces collapsed,
/// several values joined; empty when the header is missing.
fn header(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).into_iter();
    let text = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let tidy = text.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    tidy.collect::<Vec<_>>().join(",")
}

fn mac(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes))
}

fn invalid(message: &str) -> KmsError {
    KmsError::new(KmsErrorKind::InvalidSignature, message)
}

fn incomplete(message: &str) -> KmsError {
    KmsError::new(KmsErrorKind::IncompleteSignature, message)
}

fn unrecognized() -> KmsError {
    let message = "The security token included in the request is invalid.";
    KmsError::new(KmsErrorKind::UnrecognizedClient, message)
}

#[cfg(test)]
#[path = "sigv4/tests.rs"]
mod tests;
