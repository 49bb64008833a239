//! Names of keys: `arn:<partition>:kms:<region>:<account>:key/<id>`.
//!
//! Only key ARNs are accepted, not aliases or key ids. An alias can be moved to another key without
//! a change of the measured configuration. The key service answers with the key ARN, and the client
//! compares it byte for byte.

use std::fmt;
use std::str::FromStr;

/// Maximum length of an ARN.
const ARN_BYTES_MAX: usize = 256;
/// Maximum length of a key id. Plain and multi-region ids have 36 characters.
const KEY_ID_BYTES_MAX: usize = 64;

/// Why a text is not a key ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArnError {
    /// It does not have six parts between colons, or is too long.
    #[error("a key ARN is arn:PARTITION:kms:REGION:ACCOUNT:key/ID")]
    Shape,
    /// The partition is unknown.
    #[error("the partition of a key ARN is aws, aws-cn or aws-us-gov")]
    Partition,
    /// It names another service.
    #[error("a key ARN names the service kms")]
    Service,
    /// The region is not letters, digits and dashes.
    #[error("the region of a key ARN is lower-case letters, digits and dashes")]
    Region,
    /// The account is not twelve digits.
    #[error("the account of a key ARN is twelve digits")]
    Account,
    /// The resource is not `key/ID`. An alias is refused.
    #[error("a key ARN ends in key/ID; an alias is not accepted")]
    NotAKey,
}

/// The part of AWS that a region belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Partition {
    Aws,
    China,
    UsGov,
}

/// The ARN of one key.
///
/// ```
/// use mortise_config::KeyArn;
/// let text = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// let arn: KeyArn = text.parse().unwrap();
/// assert_eq!((arn.region(), arn.as_str()), ("eu-west-1", text));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct KeyArn {
    text: String,
    partition: Partition,
    region: String,
}

impl KeyArn {
    /// The ARN as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Region of the key.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The public host name of the key service of this key.
    pub fn service_host(&self) -> String {
        let suffix = match self.partition {
            Partition::Aws | Partition::UsGov => "amazonaws.com",
            Partition::China => "amazonaws.com.cn",
        };
        format!("kms.{}.{suffix}", self.region)
    }
}

impl FromStr for KeyArn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        if text.len() > ARN_BYTES_MAX {
            return Err(ArnError::Shape);
        }
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, service, region, account, resource] = parts[..] else {
            return Err(ArnError::Shape);
        };
        let partition = parse_partition(partition)?;
        if service != "kms" {
            return Err(ArnError::Service);
        }
        if !is_region(region) {
            return Err(ArnError::Region);
        }
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ArnError::Account);
        }
        if !resource.strip_prefix("key/").is_some_and(is_key_id) {
            return Err(ArnError::NotAKey);
        }
        Ok(Self { text: text.to_owned(), partition, region: region.to_owned() })
    }
}

fn parse_partition(text: &str) -> Result<Partition, ArnError> {
    match text {
        "aws" => Ok(Partition::Aws),
        "aws-cn" => Ok(Partition::China),
        "aws-us-gov" => Ok(Partition::UsGov),
        _ => Err(ArnError::Partition),
    }
}

fn is_region(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(is_part)
}

fn is_key_id(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=KEY_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_part)
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyArn({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_arn_reads_back_as_written_and_knows_its_host() {
        for (text, host) in [
            ("arn:aws:kms:us-east-1:000000000000:key/mrk-1a", "kms.us-east-1.amazonaws.com"),
            ("arn:aws-cn:kms:cn-north-1:123456789012:key/a", "kms.cn-north-1.amazonaws.com.cn"),
            (
                "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/a",
                "kms.us-gov-west-1.amazonaws.com",
            ),
        ] {
            let arn: KeyArn = text.parse().unwrap();
            assert_eq!(arn.to_string(), text);
            assert_eq!(arn.service_host(), host);
        }
    }

    #[test]
    fn every_wrong_arn_is_refused_by_name() {
        let long = format!("arn:aws:kms:us-east-1:123456789012:key/{}", "a".repeat(300));
        for (text, error) in [
            ("", ArnError::Shape),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", ArnError::Shape),
            ("arn:aws:kms:us-east-1:123456789012:key/a:b", ArnError::Shape),
            (long.as_str(), ArnError::Shape),
            ("arn:aws-eu:kms:us-east-1:123456789012:key/a", ArnError::Partition),
            ("arn:aws:s3:us-east-1:123456789012:key/a", ArnError::Service),
            ("arn:aws:kms:US_EAST:123456789012:key/a", ArnError::Region),
            ("arn:aws:kms::123456789012:key/a", ArnError::Region),
            ("arn:aws:kms:a.evil.example/:123456789012:key/a", ArnError::Region),
            ("arn:aws:kms:us-east-1:12345678901x:key/a", ArnError::Account),
            ("arn:aws:kms:us-east-1:123456789012:alias/a", ArnError::NotAKey),
            ("arn:aws:kms:us-east-1:123456789012:key/", ArnError::NotAKey),
            ("arn:aws:kms:us-east-1:123456789012:key/a/b", ArnError::NotAKey),
        ] {
            assert_eq!(text.parse::<KeyArn>(), Err(error), "{text}");
        }
    }
}
