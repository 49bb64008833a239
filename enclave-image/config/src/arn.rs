//! Names of keys: `arn:<partition>:kms:<region>:<account>:key/<id>`.
//!
//! Only key ARNs are accepted, no aliases and no bare ids. An alias can be pointed at another key
//! without a change of the measured configuration, and the service answers with the key ARN, which
//! is compared byte for byte.

use mortise_transport::aws::Partition;
use std::fmt;
use std::str::FromStr;

/// Longest ARN that is parsed.
const ARN_BYTES_MAX: usize = 256;
/// Longest id of a key. Ids of plain and multi-Region keys have 36 characters.
const KEY_ID_BYTES_MAX: usize = 64;

/// Why a text is not a key ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArnError {
    /// It does not have six parts between colons, or is far too long.
    #[error("a key ARN is arn:PARTITION:kms:REGION:ACCOUNT:key/ID")]
    Shape,
    /// The partition is not one with a key service known to us.
    #[error("the partition of a key ARN is not an AWS partition, such as aws, aws-cn or aws-eusc")]
    Partition,
    /// It names another service.
    #[error("a key ARN names the service kms")]
    Service,
    /// The region is not letters, digits and dashes.
    #[error("the region of a key ARN is lower-case letters, digits and dashes")]
    Region,
    /// The region is one of another partition, so that the ARN names no key.
    #[error("the region of a key ARN is not one of its partition")]
    RegionOfOtherPartition,
    /// The account is not twelve digits.
    #[error("the account of a key ARN is twelve digits")]
    Account,
    /// The resource is not `key/ID`.
    #[error("a key ARN ends in key/ID; an alias is not accepted")]
    NotAKey,
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
    /// The text of the ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The public host name of the key service in the region.
    pub fn service_host(&self) -> String {
        self.partition.kms_host(&self.region)
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
        let partition = Partition::of_name(partition).ok_or(ArnError::Partition)?;
        if service != "kms" {
            return Err(ArnError::Service);
        }
        match Partition::of_region(region) {
            None => return Err(ArnError::Region),
            Some(of_region) if of_region != partition => {
                return Err(ArnError::RegionOfOtherPartition);
            }
            Some(_) => {}
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
            (
                "arn:aws-eusc:kms:eusc-de-east-1:123456789012:key/a",
                "kms.eusc-de-east-1.amazonaws.eu",
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
            ("arn:aws:kms:cn-north-1:123456789012:key/a", ArnError::RegionOfOtherPartition),
            ("arn:aws-cn:kms:eu-west-1:123456789012:key/a", ArnError::RegionOfOtherPartition),
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
