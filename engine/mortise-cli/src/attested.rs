//! Engines that are attested before anything is sent to them.
//!
//! What it is for: the flags that name roots and images, and a client that encrypts every request
//! to the attested channel key. Registers 1 and 2 are optional, as in `mortise verify
//! attestation`: PCR0 covers them.
//!
//! What it does not do: explain documents (`mortise verify attestation` does).

use crate::failure::Failure;
use crate::verify::{Images, TrustAnchors, pcr, root};
use clap::Args;
use mortise_client::{Channel, Client, KeyOrigin};
use mortise_format::pcr::Pcr;
use mortise_verify::lease::AgeLimit;

/// The roots and images that must attest the engine.
#[derive(Debug, Args)]
pub struct ProofArgs {
    /// Attest the engine under this root before anything is sent, then encrypt every request to it:
    /// a PEM file, the SHA-256 of the certificate, or `aws`; repeatable.
    #[arg(long, global = true, value_name = "PEM-FILE|SHA256|aws")]
    pub attest_root: Vec<String>,

    /// Approved image (PCR0), 96 hex digits; repeatable.
    #[arg(long, global = true, value_name = "HEX", value_parser = pcr)]
    pub attest_pcr0: Vec<Pcr>,

    /// Approved kernel and first ramdisk (PCR1); repeatable.
    #[arg(long, global = true, value_name = "HEX", value_parser = pcr)]
    pub attest_pcr1: Vec<Pcr>,

    /// Approved application (PCR2); repeatable.
    #[arg(long, global = true, value_name = "HEX", value_parser = pcr)]
    pub attest_pcr2: Vec<Pcr>,

    /// Approved certificate that signed the image (PCR8); repeatable.
    #[arg(long, global = true, value_name = "HEX", value_parser = pcr)]
    pub attest_pcr8: Vec<Pcr>,

    /// Accept an engine that does not prove that its keys were drawn inside an enclave.
    #[arg(long, global = true)]
    pub attest_keys_from_anywhere: bool,

    /// Do not encrypt requests to the attested engine.
    #[arg(long, global = true)]
    pub in_clear: bool,
}

impl ProofArgs {
    fn pcrs(&self) -> [(u8, &[Pcr]); 4] {
        let Self { attest_pcr0, attest_pcr1, attest_pcr2, attest_pcr8, .. } = self;
        [(0, attest_pcr0), (1, attest_pcr1), (2, attest_pcr2), (8, attest_pcr8)]
    }

    /// Whether the caller requires an attestation.
    ///
    /// # Errors
    /// Wrong usage: images without a root, which would never be checked.
    pub fn is_required(&self) -> Result<bool, Failure> {
        let is_image_named = self.pcrs().iter().any(|(_, values)| !values.is_empty());
        match self.attest_root.is_empty() {
            true if is_image_named => Err(Failure::usage(
                "an image without a root\n  next: pass the root that attests it with --attest-root",
            )),
            is_plain => Ok(!is_plain),
        }
    }

    fn anchors(&self, limit: AgeLimit) -> Result<TrustAnchors, Failure> {
        let mut roots = Vec::new();
        for text in &self.attest_root {
            roots.extend(root(text)?);
        }
        if self.attest_pcr0.is_empty() {
            return Err(Failure::usage(
                "a root without an image\n  next: pass the image that you approve with \
                 --attest-pcr0",
            ));
        }
        let images = Images::of_flags(false, self.pcrs())?;
        let origin = match self.attest_keys_from_anywhere {
            true => KeyOrigin::Anywhere,
            false => KeyOrigin::DrawnInside,
        };
        Ok(TrustAnchors { roots, images, limit, origin })
    }

    /// The client as the flags say: attested and encrypted, or unchanged.
    ///
    /// # Errors
    /// Wrong usage; an attestation that fails; an engine that does not answer.
    pub async fn apply(&self, client: Client, limit: AgeLimit) -> Result<Client, Failure> {
        if !self.is_required()? {
            return Ok(client);
        }
        let anchors = self.anchors(limit)?;
        // Reads the registers that the caller left out; the client does the check itself.
        let shown = client.prove(&anchors.any_image()).await?;
        let trust = anchors.trust(shown.document(), shown.genesis())?;
        let channel = if self.in_clear { Channel::Off } else { Channel::Sealed };
        let client = client.attested(trust, channel);
        client.proven().await?;
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ProofArgs {
        let (attest_root, none) = (Vec::new(), Vec::new);
        ProofArgs {
            attest_root,
            attest_pcr0: none(),
            attest_pcr1: none(),
            attest_pcr2: none(),
            attest_pcr8: none(),
            attest_keys_from_anywhere: false,
            in_clear: false,
        }
    }

    #[test]
    fn attestation_is_required_with_a_root_and_an_image() {
        assert!(!args().is_required().unwrap());
        let aws = ProofArgs { attest_root: vec!["aws".into()], ..args() };
        assert!(aws.is_required().unwrap());
        assert_eq!(aws.anchors(AgeLimit::DEFAULT).unwrap_err().exit_code(), 2);
        let both = ProofArgs { attest_pcr0: vec![Pcr([1; 48])], ..aws };
        assert_eq!(both.anchors(AgeLimit::DEFAULT).unwrap().roots.len(), 1);
    }

    #[test]
    fn image_without_a_root_is_wrong_usage() {
        for at in 0..2 {
            let pcrs = |index| if at == index { vec![Pcr([1; 48])] } else { Vec::new() };
            let args = ProofArgs { attest_pcr0: pcrs(0), attest_pcr2: pcrs(1), ..args() };
            assert_eq!(args.is_required().unwrap_err().exit_code(), 2);
        }
    }
}
