use super::*;
use crate::kms::ADMIN;
use crate::kms::iam::Account;
use hyper::header::{HeaderName, HeaderValue};
use mortise_transport::aws::Partition;
use std::collections::BTreeMap;

const NOW_MS: u64 = 1_767_225_600_000;
const REGION: &str = "eu-central-1";

/// A signed request, correct or with planned faults.
#[derive(Clone)]
struct Plan {
    headers: BTreeMap<String, String>,
    unsigned: BTreeMap<String, String>,
    body: Vec<u8>,
    secret: String,
    access_key: String,
    scope: String,
}

impl Plan {
    fn honest(credentials: &Credentials) -> Self {
        let mut headers = BTreeMap::from([
            ("content-type".to_owned(), "application/x-amz-json-1.1".to_owned()),
            ("host".to_owned(), "kms.eu-central-1.amazonaws.com".to_owned()),
            ("x-amz-date".to_owned(), "20260101T000000Z".to_owned()),
            ("x-amz-target".to_owned(), "TrentService.GenerateRandom".to_owned()),
        ]);
        if let Some(token) = &credentials.token {
            headers.insert("x-amz-security-token".to_owned(), token.clone());
        }
        Self {
            headers,
            unsigned: BTreeMap::new(),
            body: b"{}".to_vec(),
            secret: credentials.secret_access_key.clone(),
            access_key: credentials.access_key_id.clone(),
            scope: format!("20260101/{REGION}/kms/aws4_request"),
        }
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// An independent implementation of the specification, not the checker's functions.
    fn authorization(&self) -> String {
        let names: Vec<_> = self.headers.keys().map(String::as_str).collect();
        let lines: String = self.headers.iter().map(|(k, v)| format!("{k}:{v}\n")).collect();
        let payload = hex::encode(&Sha256::digest(&self.body));
        let canonical = format!("POST\n/\n\n{lines}\n{}\n{payload}", names.join(";"));
        let digest = hex::encode(&Sha256::digest(canonical));
        let date = &self.headers["x-amz-date"];
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{digest}", self.scope);
        let hmac = |key: &[u8], text: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        };
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in self.scope.split('/') {
            key = hmac(&key, part);
        }
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
            self.access_key,
            self.scope,
            names.join(";"),
            hex::encode(&hmac(&key, &text))
        )
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let own = [("authorization".to_owned(), self.authorization())];
        for (name, value) in
            self.headers.iter().chain(&self.unsigned).chain(own.iter().map(|(a, b)| (a, b)))
        {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }
}

use mortise_rpc::credentials::Credentials;

fn check(iam: &Iam, headers: &HeaderMap, body: &[u8], now_ms: u64) -> Result<String, KmsErrorKind> {
    let received = Received { headers, body };
    let checked = authenticate(iam, received, REGION, now_ms);
    checked.map(|principal| principal.name).map_err(|refusal| refusal.kind())
}

fn run(iam: &Iam, plan: &Plan) -> Result<String, KmsErrorKind> {
    check(iam, &plan.headers(), &plan.body, NOW_MS)
}

fn iam() -> (tempfile::TempDir, Iam) {
    let folder = tempfile::tempdir().unwrap();
    let iam =
        Iam::open(folder.path(), Account { partition: Partition::default(), id: "111122223333" })
            .unwrap();
    (folder, iam)
}

#[test]
fn honest_requests_of_both_principals_pass() {
    let (_folder, iam) = iam();
    for name in [ADMIN, "enclave"] {
        let plan = Plan::honest(&iam.credentials(name).unwrap());
        assert_eq!(run(&iam, &plan).as_deref(), Ok(name));
        let spaced = plan.set("x-amz-user-agent", "a b");
        let mut headers = spaced.headers();
        headers.insert("x-amz-user-agent", HeaderValue::from_static("  a   b "));
        assert_eq!(check(&iam, &headers, b"{}", NOW_MS).as_deref(), Ok(name));
    }
}

#[test]
fn each_wrong_part_is_refused_by_its_name() {
    use KmsErrorKind::{InvalidSignature, UnrecognizedClient};
    let (_folder, iam) = iam();
    let plan = Plan::honest(&iam.credentials(ADMIN).unwrap());
    let scope = |text: &str| Plan { scope: text.to_owned(), ..plan.clone() };
    let unsigned = |name: &str| {
        let mut plan = plan.clone();
        let value = plan.headers.remove(name).unwrap();
        plan.unsigned.insert(name.to_owned(), value);
        plan
    };
    for (plan, refused) in [
        (Plan { secret: "no".to_owned(), ..plan.clone() }, InvalidSignature),
        (Plan { access_key: "AKIANOBODY".to_owned(), ..plan.clone() }, UnrecognizedClient),
        (plan.clone().set("x-amz-security-token", "t"), UnrecognizedClient),
        (scope("20260101/us-east-1/kms/aws4_request"), InvalidSignature),
        (scope("20260101/eu-central-1/s3/aws4_request"), InvalidSignature),
        (scope("20251231/eu-central-1/kms/aws4_request"), InvalidSignature),
        (scope("20260101/eu-central-1/kms/aws4"), InvalidSignature),
        (plan.clone().set("x-amz-content-sha256", "00"), InvalidSignature),
        (unsigned("host"), InvalidSignature),
        (unsigned("x-amz-target"), InvalidSignature),
    ] {
        assert_eq!(run(&iam, &plan), Err(refused));
    }
}

#[test]
fn session_needs_its_own_token() {
    let (_folder, iam) = iam();
    let credentials = iam.credentials("enclave").unwrap();
    let plan = Plan::honest(&credentials);
    let wrong = plan.clone().set("x-amz-security-token", "other");
    assert_eq!(run(&iam, &wrong), Err(KmsErrorKind::UnrecognizedClient));
    let mut without = plan;
    without.headers.remove("x-amz-security-token");
    assert_eq!(run(&iam, &without), Err(KmsErrorKind::UnrecognizedClient));
}

#[test]
fn every_signed_byte_counts() {
    let (_folder, iam) = iam();
    let plan = Plan::honest(&iam.credentials(ADMIN).unwrap());
    let headers = plan.headers();
    assert_eq!(check(&iam, &headers, b"{ }", NOW_MS), Err(KmsErrorKind::InvalidSignature));
    for name in ["host", "x-amz-target", "content-type"] {
        let mut changed = headers.clone();
        changed.insert(HeaderName::from_static(name), HeaderValue::from_static("other"));
        assert_eq!(check(&iam, &changed, b"{}", NOW_MS), Err(KmsErrorKind::InvalidSignature));
        changed.clone_from(&headers);
        changed.append(HeaderName::from_static(name), HeaderValue::from_static("more"));
        assert_eq!(check(&iam, &changed, b"{}", NOW_MS), Err(KmsErrorKind::InvalidSignature));
    }
}

#[test]
fn time_of_a_request_is_five_minutes_off_at_most_and_sessions_end() {
    let (_folder, iam) = iam();
    let headers = Plan::honest(&iam.credentials(ADMIN).unwrap()).headers();
    for (off_ms, passes) in
        [(0, true), (300_000, true), (301_000, false), (-300_000, true), (-301_000, false)]
    {
        let now_ms = NOW_MS.checked_add_signed(off_ms).unwrap();
        let expected =
            if passes { Ok(ADMIN.to_owned()) } else { Err(KmsErrorKind::InvalidSignature) };
        assert_eq!(check(&iam, &headers, b"{}", now_ms), expected, "{off_ms}");
    }
    let renewed = iam.renew("enclave", NOW_MS + 1000).unwrap().unwrap();
    let headers = Plan::honest(&renewed).headers();
    assert!(check(&iam, &headers, b"{}", NOW_MS + 999).is_ok());
    let ended = check(&iam, &headers, b"{}", NOW_MS + 1000);
    assert_eq!(ended, Err(KmsErrorKind::ExpiredToken));
}

#[test]
fn authorization_without_its_parts_is_incomplete() {
    let (_folder, iam) = iam();
    let plan = Plan::honest(&iam.credentials(ADMIN).unwrap());
    let honest = plan.authorization();
    let with = |text: &str| {
        let mut headers = plan.headers();
        headers.insert("authorization", HeaderValue::from_str(text).unwrap());
        check(&iam, &headers, b"{}", NOW_MS)
    };
    assert_eq!(with(""), Err(KmsErrorKind::MissingToken));
    for (from, to) in [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        ("Credential=", "Cred="),
        ("/kms/aws4_request", ""),
        ("SignedHeaders=", "Headers="),
        ("Signature=", "Signature=0"),
        ("Signature=", "Sig="),
    ] {
        let text = honest.replace(from, to);
        assert_ne!(text, honest);
        assert_eq!(with(&text), Err(KmsErrorKind::IncompleteSignature), "{from}");
    }
    let mut undated = plan.headers();
    undated.insert("x-amz-date", HeaderValue::from_static("yesterday"));
    assert_eq!(check(&iam, &undated, b"{}", NOW_MS), Err(KmsErrorKind::IncompleteSignature));
}
