//! Roots and images that the caller trusts, as the command line names them.

use super::source::hex;
use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_client::{KeyOrigin, Trust};
use mortise_format::pcr::Pcr;
use mortise_verify::attestation::{
    AWS_NITRO_ROOT_G1, Document, PcrPolicy, PolicyError, RootFingerprint,
};
use mortise_verify::lease::AgeLimit;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The name of the AWS root among roots.
const AWS: &str = "aws";
const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

/// The flags that name roots and images.
#[derive(Debug, clap::Args)]
pub(crate) struct ImageArgs {
    /// Trusted root: a PEM file, the SHA-256 of the certificate, or `aws`; repeatable.
    ///
    /// The default is the root of AWS Nitro Enclaves alone.
    #[arg(long, value_name = "PEM-FILE|SHA256|aws")]
    pub root: Vec<String>,

    /// Approved image, 96 hex digits; repeatable, for example for both images of an upgrade.
    #[arg(long, value_name = "HEX", value_parser = pcr)]
    pub pcr0: Vec<Pcr>,

    /// Approved kernel and first ramdisk; repeatable.
    #[arg(long, value_name = "HEX", value_parser = pcr)]
    pub pcr1: Vec<Pcr>,

    /// Approved application; repeatable.
    #[arg(long, value_name = "HEX", value_parser = pcr)]
    pub pcr2: Vec<Pcr>,

    /// Approved certificate that signed the image; repeatable.
    #[arg(long, value_name = "HEX", value_parser = pcr)]
    pub pcr8: Vec<Pcr>,

    /// Accept any image that is not in debug mode. For inspection only.
    #[arg(long, conflicts_with_all = ["pcr0", "pcr1", "pcr2", "pcr8"])]
    pub any_image: bool,

    /// Fail unless a genesis document proves that an approved image drew the keys.
    #[arg(long)]
    pub drawn_inside: bool,
}

impl ImageArgs {
    /// What is asked about where the keys were drawn.
    pub fn origin(&self) -> KeyOrigin {
        match self.drawn_inside {
            true => KeyOrigin::DrawnInside,
            false => KeyOrigin::Anywhere,
        }
    }
}

/// One register of a flag.
pub(crate) fn pcr(text: &str) -> Result<Pcr, String> {
    Pcr::parse(text).map_err(|error| format!("a register has 96 hex digits: {error}"))
}

/// One `--root`: a fingerprint, `aws`, or a file with certificates in PEM or with a fingerprint.
pub(crate) fn root(text: &str) -> Result<Vec<RootFingerprint>, Failure> {
    if text == AWS {
        return Ok(vec![AWS_NITRO_ROOT_G1]);
    }
    if let Some(root) = fingerprint(text) {
        return Ok(vec![root]);
    }
    let content = std::fs::read_to_string(Path::new(text)).map_err(|error| {
        let next = "next: pass a PEM file, its SHA-256 in 64 hex digits, or `aws`";
        Failure::usage(format!("--root {text}: {error}\n  {next}"))
    })?;
    roots_of(&content).ok_or_else(|| {
        Failure::usage(format!(
            "--root {text}: neither certificates in PEM nor a SHA-256\n  next: for a development \
             system, pass the file nitro-root.pem of its folder"
        ))
    })
}

fn fingerprint(text: &str) -> Option<RootFingerprint> {
    hex(text).and_then(|bytes| bytes.try_into().ok()).map(RootFingerprint)
}

/// The fingerprint that a file holds, or those of its certificates.
fn roots_of(content: &str) -> Option<Vec<RootFingerprint>> {
    if let Some(root) = fingerprint(content.trim()) {
        return Some(vec![root]);
    }
    let mut roots = Vec::new();
    for block in content.split(PEM_BEGIN).skip(1) {
        let base64: String = block.split_once(PEM_END)?.0.split_whitespace().collect();
        roots.push(RootFingerprint::of_der(&STANDARD.decode(base64).ok()?));
    }
    (!roots.is_empty()).then_some(roots)
}

/// Which images pass.
#[derive(Debug, Clone)]
pub(crate) enum Images {
    /// Any image, except in debug mode.
    Any,
    /// Those with these registers; PCR0 is among them.
    Named(BTreeMap<u8, BTreeSet<Pcr>>),
}

impl Images {
    /// The images of the flags, given as (register, values).
    pub fn of_flags(any: bool, flags: [(u8, &[Pcr]); 4]) -> Result<Self, Failure> {
        if any {
            return Ok(Self::Any);
        }
        let named = flags.into_iter().filter(|(_, values)| !values.is_empty());
        let sets: BTreeMap<u8, BTreeSet<Pcr>> =
            named.map(|(index, values)| (index, values.iter().copied().collect())).collect();
        match sets.contains_key(&0) {
            true => Ok(Self::Named(sets)),
            false => Err(Failure::usage(
                "no image is named\n  next: pass the image that you approve with --pcr0 HEX, and \
                 --pcr1 and --pcr2, from your own build (`mortise-dev dev --config-out` writes \
                 them); to inspect a document without trust, pass --any-image",
            )),
        }
    }

    /// Registers of the image that the caller did not name.
    pub fn unnamed(&self) -> Vec<u8> {
        match self {
            Self::Any => Vec::new(),
            Self::Named(sets) => [1, 2].into_iter().filter(|i| !sets.contains_key(i)).collect(),
        }
    }

    /// The policy. PCR1 and PCR2, if not named, are taken from the documents: PCR0 covers all their
    /// bytes. A register that the documents lack stays unnamed, and the policy is refused.
    fn policy(&self, shown: &[&Document]) -> Result<PcrPolicy, PolicyError> {
        let Self::Named(sets) = self else { return Ok(PcrPolicy::any_image()) };
        let mut sets = sets.clone();
        for index in self.unnamed() {
            for pcr in shown.iter().filter_map(|document| document.pcr(index)) {
                sets.entry(index).or_default().insert(*pcr);
            }
        }
        PcrPolicy::new(sets)
    }
}

/// Roots and images.
#[derive(Debug, Clone)]
pub(crate) struct TrustAnchors {
    /// Named, or that of AWS.
    pub roots: Vec<RootFingerprint>,
    /// Named, or any.
    pub images: Images,
    /// How old the lease in a document may be.
    pub limit: AgeLimit,
    /// Whether the keys must have been drawn inside.
    pub origin: KeyOrigin,
}

impl TrustAnchors {
    /// For reading the registers: under these roots, any image.
    pub fn any_image(&self) -> Trust {
        let pcrs = PcrPolicy::any_image();
        Trust { roots: self.roots.clone(), pcrs, limit: self.limit, origin: self.origin }
    }

    /// For the check, after the registers of the documents are read: of the engine's document and,
    /// if it has one, of its genesis document, whose image may be another.
    pub fn trust(&self, shown: &Document, genesis: Option<&Document>) -> Result<Trust, Failure> {
        let shown: Vec<&Document> = std::iter::once(shown).chain(genesis).collect();
        let pcrs = self.images.policy(&shown).map_err(Failure::usage)?;
        Ok(Trust { pcrs, ..self.any_image() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_named_by_word_digits_or_file() {
        assert_eq!(root("aws").unwrap(), [AWS_NITRO_ROOT_G1]);
        let digits = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b";
        assert_eq!(root(digits).unwrap(), [AWS_NITRO_ROOT_G1]);
        assert_eq!(root(&format!("0x{digits}")).unwrap(), [AWS_NITRO_ROOT_G1]);
        assert_eq!(roots_of(&format!("{digits}\n")).unwrap(), [AWS_NITRO_ROOT_G1]);
        let pem = format!("{PEM_BEGIN}\naGVs\nbG8=\n{PEM_END}\n");
        let hello = RootFingerprint::of_der(b"hello");
        assert_eq!(roots_of(&pem).unwrap(), [hello]);
        assert_eq!(roots_of(&pem.repeat(2)).unwrap(), [hello, hello]);
    }

    #[test]
    fn what_is_no_root_is_wrong_usage() {
        assert_eq!(root("/nowhere/root.pem").unwrap_err().exit_code(), 2);
        let open = format!("{PEM_BEGIN}\naGVsbG8=\n");
        for content in ["", "hello", &open, &format!("{PEM_BEGIN}!!{PEM_END}")] {
            assert!(roots_of(content).is_none(), "{content}");
        }
    }

    #[test]
    fn image_must_be_named_and_pcr0_with_it() {
        let one = [Pcr([1; 48])];
        for flags in [[&[][..]; 4], [&[][..], &one, &one, &one]] {
            let [a, b, c, d] = flags;
            let refused = Images::of_flags(false, [(0, a), (1, b), (2, c), (8, d)]).unwrap_err();
            assert_eq!(refused.exit_code(), 2);
            assert!(refused.text().contains("--any-image"), "{}", refused.text());
        }
        let named = Images::of_flags(false, [(0, &one), (1, &[]), (2, &one), (8, &[])]).unwrap();
        assert_eq!(named.unnamed(), [1]);
    }
}
