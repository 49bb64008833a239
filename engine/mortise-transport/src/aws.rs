//! The AWS partitions: names in ARNs and the domain of their services, in one table.
//!
//! What it is for: the enclave, the parent's relay and the tools derive the same host name for the
//! key service of a region, and write ARNs of the partition that the key is in.
//!
//! What it does not do: know which regions exist, or which services a region has. A region that is
//! in no row belongs to `aws`, as in the SDKs, so that a new region needs no new release.
//!
//! Source: the partitions of the AWS SDKs (`partitions.json` of botocore).

/// An AWS partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition(&'static Row);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Row {
    name: &'static str,
    /// What every region of the partition begins with.
    regions: &'static str,
    domain: &'static str,
}

const fn row(name: &'static str, regions: &'static str, domain: &'static str) -> Row {
    Row { name, regions, domain }
}

/// The commercial regions: every one that no other row takes.
static AWS: Row = row("aws", "", "amazonaws.com");

/// The others. No prefix begins with another one.
static OTHERS: [Row; 7] = [
    row("aws-cn", "cn-", "amazonaws.com.cn"),
    row("aws-us-gov", "us-gov-", "amazonaws.com"),
    row("aws-eusc", "eusc-", "amazonaws.eu"),
    row("aws-iso", "us-iso-", "c2s.ic.gov"),
    row("aws-iso-b", "us-isob-", "sc2s.sgov.gov"),
    row("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk"),
    row("aws-iso-f", "us-isof-", "csp.hci.ic.gov"),
];

/// Longest name of a region that is used.
const REGION_BYTES_MAX: usize = 32;

impl Partition {
    /// The partition of a region; `None` if the text cannot be the name of a region: 1 to 32
    /// lower-case letters, digits and dashes.
    ///
    /// ```
    /// use mortise_transport::aws::Partition;
    /// let partition = Partition::of_region("eusc-de-east-1").unwrap();
    /// assert_eq!(partition.kms_host("eusc-de-east-1"), "kms.eusc-de-east-1.amazonaws.eu");
    /// assert_eq!(Partition::of_region("evil.example/"), None);
    /// ```
    pub fn of_region(region: &str) -> Option<Self> {
        let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=REGION_BYTES_MAX).contains(&region.len()) && region.bytes().all(is_part);
        let other = OTHERS.iter().find(|row| region.starts_with(row.regions));
        fits.then(|| Self(other.unwrap_or(&AWS)))
    }

    /// The partition with this name in ARNs, such as `aws-us-gov`.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::all().find(|partition| partition.name() == name)
    }

    /// The name in ARNs.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// DNS name of the key service in a region of this partition.
    pub fn kms_host(self, region: &str) -> String {
        format!("kms.{region}.{}", self.0.domain)
    }

    fn all() -> impl Iterator<Item = Self> {
        std::iter::once(&AWS).chain(&OTHERS).map(Self)
    }

    /// Every name, for messages.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::all().map(Self::name)
    }
}

impl Default for Partition {
    /// The commercial regions.
    fn default() -> Self {
        Self(&AWS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_is_found_by_region_and_by_name() {
        for (region, name, host) in [
            ("eu-west-1", "aws", "kms.eu-west-1.amazonaws.com"),
            ("us-east-1", "aws", "kms.us-east-1.amazonaws.com"),
            ("mx-central-1", "aws", "kms.mx-central-1.amazonaws.com"),
            ("cn-north-1", "aws-cn", "kms.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "kms.us-gov-west-1.amazonaws.com"),
            ("eusc-de-east-1", "aws-eusc", "kms.eusc-de-east-1.amazonaws.eu"),
            ("us-iso-east-1", "aws-iso", "kms.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "kms.us-isob-east-1.sc2s.sgov.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "kms.eu-isoe-west-1.cloud.adc-e.uk"),
            ("us-isof-south-1", "aws-iso-f", "kms.us-isof-south-1.csp.hci.ic.gov"),
        ] {
            let partition = Partition::of_region(region).unwrap();
            assert_eq!(partition.name(), name, "{region}");
            assert_eq!(partition.kms_host(region), host);
            assert_eq!(Partition::of_name(name), Some(partition));
        }
        assert_eq!(Partition::names().count(), 8);
    }

    #[test]
    fn what_cannot_be_a_region_or_a_partition_is_none() {
        let long = "a".repeat(33);
        for text in ["", "US-EAST-1", "eu central", "eu.central", "../x", "a/b", long.as_str()] {
            assert_eq!(Partition::of_region(text), None, "{text}");
        }
        for text in ["", "AWS", "aws-eu", "aws-"] {
            assert_eq!(Partition::of_name(text), None, "{text}");
        }
    }
}
