//! Both forms open; each deviation is refused by name.

use super::EnvelopeError;
use crate::kms::RecipientKey;
use crate::kms::tests::cms::{
    self, AES256_CBC, CONTENT_KEY, MGF1, OAEP, Parts, SHA256, der, encrypt, encrypt_key, oaep,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_format::hex;
use mortise_format::limits::KMS_ENVELOPE_BYTES_MAX;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const PLAINTEXT: [u8; 32] = [0x50; 32];
/// One key for all tests, because making one is slow.
static KEY: LazyLock<RecipientKey> = LazyLock::new(|| RecipientKey::generate().unwrap());

fn service() -> Parts {
    Parts::service(KEY.public_der(), &PLAINTEXT)
}

fn open(bytes: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    KEY.open(bytes).map(|opened| opened.to_vec())
}

#[test]
fn both_forms_open_for_any_length_of_content() {
    for bytes in [0, 1, 15, 16, 17, 32, 1024, 4096] {
        let plaintext = vec![7; bytes];
        for parts in [
            Parts::service(KEY.public_der(), &plaintext),
            Parts { piece_bytes: 1000, ..Parts::service(KEY.public_der(), &plaintext) },
            Parts::emulator(KEY.public_der(), &plaintext),
        ] {
            assert_eq!(open(&parts.encode()), Ok(plaintext.clone()));
        }
    }
}

#[test]
fn hash_parameters_may_be_absent() {
    let bare = |hash: &[u8]| der(0x30, &[hash]);
    let hash = der(0xa0, &[&bare(SHA256)]);
    let mgf = der(0xa1, &[&der(0x30, &[MGF1, &bare(SHA256)])]);
    let key_algorithm = der(0x30, &[OAEP, &der(0x30, &[&hash, &mgf])]);
    assert_eq!(open(&Parts { key_algorithm, ..service() }.encode()), Ok(PLAINTEXT.to_vec()));
}

/// A change of one part, and the expected error.
type Wrong = (fn(&mut Parts), EnvelopeError);

const WRONG: &[Wrong] = &[
    (|p| p.content_info_type[10] = 2, EnvelopeError::NotEnvelopedData),
    (|p| p.content_info_type[0] = 4, EnvelopeError::Structure),
    (|p| p.version = 1, EnvelopeError::Version),
    (|p| p.version = 3, EnvelopeError::Version),
    (|p| p.recipients = 0, EnvelopeError::RecipientKind),
    (|p| p.recipients = 2, EnvelopeError::ManyRecipients),
    (|p| p.recipient_tag = 0xa1, EnvelopeError::RecipientKind),
    (|p| p.recipient_version = 0, EnvelopeError::RecipientKind),
    (|p| p.recipient_version = 1, EnvelopeError::RecipientKind),
    (|p| p.recipient_name = der(0x81, &[&[1]]), EnvelopeError::RecipientKind),
    (|p| p.key_algorithm[12] = 1, EnvelopeError::KeyAlgorithm),
    (|p| p.key_algorithm = der(0x30, &[OAEP]), EnvelopeError::OaepParameters),
    (|p| p.key_algorithm = der(0x30, &[OAEP, &der(0x30, &[])]), EnvelopeError::OaepParameters),
    (|p| p.key_algorithm = oaep(AES256_CBC, SHA256, &[]), EnvelopeError::OaepParameters),
    (|p| p.key_algorithm = oaep(SHA256, AES256_CBC, &[]), EnvelopeError::OaepParameters),
    (|p| p.key_algorithm = oaep(SHA256, SHA256, &[0xa2, 0]), EnvelopeError::OaepParameters),
    (|p| p.encrypted_key.truncate(255), EnvelopeError::Undecryptable),
    (|p| p.encrypted_key.push(0), EnvelopeError::Undecryptable),
    (|p| p.encrypted_key.clear(), EnvelopeError::Undecryptable),
    (|p| p.content_type[10] = 2, EnvelopeError::ContentType),
    (|p| p.content_cipher[10] = 0x2e, EnvelopeError::ContentAlgorithm),
    (|p| p.content_cipher[10] = 0x02, EnvelopeError::ContentAlgorithm),
    (|p| p.iv.truncate(12), EnvelopeError::IvLength { bytes: 12 }),
    (|p| p.iv.push(0), EnvelopeError::IvLength { bytes: 17 }),
    (|p| p.content.clear(), EnvelopeError::ContentLength { bytes: 0 }),
    (|p| p.content.truncate(47), EnvelopeError::ContentLength { bytes: 47 }),
    (|p| p.content.truncate(32), EnvelopeError::Undecryptable),
    (
        |p| p.encrypted_key = encrypt_key(KEY.public_der(), &CONTENT_KEY[..16]),
        EnvelopeError::Undecryptable,
    ),
    (|p| p.encrypted_key = encrypt_key(KEY.public_der(), &[1; 32]), EnvelopeError::Undecryptable),
    (|p| p.content.resize(KMS_ENVELOPE_BYTES_MAX, 0), EnvelopeError::TooLarge { bytes: 0 }),
];

#[test]
fn every_wrong_part_is_refused_by_name_in_both_forms() {
    for (i, (change, expected)) in WRONG.iter().enumerate() {
        for mut parts in [service(), Parts::emulator(KEY.public_der(), &PLAINTEXT)] {
            // In the second form version 0 is correct, so change 7 changes nothing.
            let zero_is_right = parts.recipient_version == 0;
            change(&mut parts);
            if zero_is_right && i == 7 {
                continue;
            }
            let found = open(&parts.encode()).unwrap_err();
            match expected {
                EnvelopeError::TooLarge { .. } => {
                    assert!(matches!(found, EnvelopeError::TooLarge { .. }), "{i}: {found:?}");
                }
                expected => assert_eq!(found, *expected, "change {i}"),
            }
        }
    }
}

#[test]
fn key_of_another_request_opens_nothing() {
    let other = RecipientKey::generate().unwrap();
    let made = Parts::service(other.public_der(), &PLAINTEXT).encode();
    assert_eq!(open(&made), Err(EnvelopeError::Undecryptable));
}

#[test]
fn cut_lengthened_and_nested_messages_are_refused_by_name() {
    for parts in [service(), Parts::emulator(KEY.public_der(), &PLAINTEXT)] {
        let whole = parts.encode();
        for length in 0..whole.len() {
            assert_eq!(open(&whole[..length]), Err(EnvelopeError::Truncated), "{length}");
        }
        let longer = [&whole[..], &[0]].concat();
        assert_eq!(open(&longer), Err(EnvelopeError::TrailingBytes));
        let twice = [&whole[..], &whole[..]].concat();
        assert_eq!(open(&twice), Err(EnvelopeError::TrailingBytes));
    }
    let deep = [0x30, 0x80].repeat(KMS_ENVELOPE_BYTES_MAX / 2);
    assert_eq!(open(&deep), Err(EnvelopeError::TooDeep));
    let giant = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0];
    assert_eq!(open(&giant), Err(EnvelopeError::Truncated));
    assert_eq!(open(&[0; KMS_ENVELOPE_BYTES_MAX]), Err(EnvelopeError::Structure));
    let bytes = KMS_ENVELOPE_BYTES_MAX + 1;
    assert_eq!(open(&vec![0x30; bytes]), Err(EnvelopeError::TooLarge { bytes }));
}

/// The range of a part in a message.
fn range_of(whole: &[u8], part: &[u8]) -> std::ops::Range<usize> {
    let start = whole.windows(part.len()).position(|window| window == part).unwrap();
    start..start + part.len()
}

/// A changed initialization vector or content may open, because AES-CBC does not authenticate, but
/// never to the same plaintext. A changed recipient name has no effect. Every other change is
/// refused.
#[test]
fn changed_byte_outside_of_iv_and_content_never_gives_another_key() {
    for parts in [service(), Parts::emulator(KEY.public_der(), &PLAINTEXT)] {
        let whole = parts.encode();
        let name = range_of(&whole, &parts.recipient_name);
        let iv = range_of(&whole, &parts.iv);
        let first_piece = &parts.content[..32];
        let content = range_of(&whole, first_piece).start..whole.len();
        let mut refused = 0;
        for at in 0..whole.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= mask;
                match open(&changed) {
                    Err(_) => refused += 1,
                    Ok(found) if name.contains(&at) => assert_eq!(found, PLAINTEXT),
                    Ok(found) => {
                        assert!(iv.contains(&at) || content.contains(&at), "byte {at} ^ {mask}");
                        assert_ne!(found, PLAINTEXT, "byte {at} ^ {mask}");
                    }
                }
            }
        }
        assert!(refused > 3 * (whole.len() - 32 - 64), "{refused} of {}", 3 * whole.len());
    }
}

#[test]
fn content_has_only_plain_chunks() {
    let parts = service();
    let whole = parts.encode();
    let piece = range_of(&whole, &der(4, &[&parts.content[..32]]));
    for (tag, expected) in [(0x24, EnvelopeError::Structure), (5, EnvelopeError::Structure)] {
        let mut changed = whole.clone();
        changed[piece.start] = tag;
        assert_eq!(open(&changed), Err(expected), "{tag}");
    }
    assert_eq!(encrypt(&PLAINTEXT), parts.content);
    assert_eq!(cms::IV.to_vec(), parts.iv);
}

#[test]
fn message_of_the_real_service_opens() {
    let Some(text) = vector("cms/kms_ciphertext_for_recipient.json") else { return };
    let vector: serde_json::Value = serde_json::from_str(&text).unwrap();
    let field = |name: &str| vector[name].as_str().unwrap();
    let message = STANDARD.decode(field("ciphertext_for_recipient_ber_b64")).unwrap();
    let key = STANDARD.decode(field("rsa_2048_pkcs8_der_b64")).unwrap();
    let key = RecipientKey::from_pkcs8(&key).unwrap();
    let opened = key.open(&message).unwrap();
    assert_eq!(hex::encode(&opened), field("plaintext_hex"));
    for length in 0..message.len() {
        assert_eq!(key.open(&message[..length]).unwrap_err(), EnvelopeError::Truncated);
    }
    assert_eq!(open(&message), Err(EnvelopeError::Undecryptable));
}

/// A published vector. Without the folder the test prints a note and passes, except under
/// `CI=true`.
fn vector(name: &str) -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let path = std::env::var_os("MORTISE_VECTORS").map_or(beside, PathBuf::from).join(name);
    let read = std::fs::read_to_string(&path);
    absent(read.is_err(), &path.display().to_string());
    read.ok()
}

fn absent(is_absent: bool, what: &str) {
    if is_absent {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{what} is absent");
        println!("skipped: {what} is absent");
    }
}

/// Runs openssl in `folder`; `None` if it is not installed.
fn openssl(folder: &Path, arguments: &str) -> Option<()> {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    absent(output.is_err(), "openssl");
    let output = output.ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

#[test]
fn messages_of_openssl_open_in_every_form_of_encoding() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("plain"), PLAINTEXT).unwrap();
    let made = openssl(
        path,
        "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=test -days 2",
    );
    if made.is_none() {
        return;
    }
    openssl(path, "pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.der").unwrap();
    let key = RecipientKey::from_pkcs8(&std::fs::read(path.join("key.der")).unwrap()).unwrap();
    let made = |options: &str| {
        let line = format!(
            "cms -encrypt -binary -in plain -out message -outform DER -recip cert.pem{options}"
        );
        openssl(path, &line).unwrap();
        key.open(&std::fs::read(path.join("message")).unwrap()).map(|opened| opened.to_vec())
    };
    let oaep = " -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256";
    let right = format!("{oaep} -keyopt rsa_mgf1_md:sha256");
    for form in ["", " -stream", " -keyid", " -stream -keyid"] {
        let opened = made(&format!(" -aes-256-cbc{form}{right}"));
        assert_eq!(opened, Ok(PLAINTEXT.to_vec()), "{form}");
    }
    let refused = |options: &str| made(options).unwrap_err();
    assert_eq!(refused(" -aes-256-cbc"), EnvelopeError::KeyAlgorithm);
    assert_eq!(refused(&format!(" -aes-128-cbc{right}")), EnvelopeError::ContentAlgorithm);
    let sha1 = " -aes-256-cbc -keyopt rsa_padding_mode:oaep";
    assert_eq!(refused(sha1), EnvelopeError::OaepParameters);
    let mgf1 = format!(" -aes-256-cbc{oaep} -keyopt rsa_mgf1_md:sha1");
    assert_eq!(refused(&mgf1), EnvelopeError::OaepParameters);
}
