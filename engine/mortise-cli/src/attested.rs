//! Engines that prove themselves before anything is said to them.
//!
//! What it is for: the flags that name roots and images, and a client that speaks through the
//! channel to what they approve. Registers 1 and 2 may be left out, as in `mortise verify
//! attestation`: PCR0 covers them.
//!
//! What it does not do: explain documents (`mortise verify attestation` does).

use crate::failure::Failure;
use crate::verify::{Images, TrustAnchors, pcr, root};
use clap::Args;
use mortise_client::{Channel, Client};
use mortise_format::pcr::Pcr;

/// EnginePin the caller believes about the engine's code.
#[derive(Debug, Args)]
pub struct ProofArgs {
    /// Believe the engine only after it has proven itself under this root, and seal every call to
    /// it: a PEM file, the SHA-256 of the certificate, or `aws`; repeatable.
    #[arg(long, global = true, value_name = "PEM-FILE|SHA256|aws")]
    pub attest_root: Vec<String>,

    /// Image that is approved, 96 hex digits; repeatable.
    #[arg(long, global = true, value_name = "HEX", value_parser = pcr)]
    pub attest_pcr0: Vec<Pcr>,

    /// Kernel and first ramdisk that are approved; repeatable.
    #[arg(long, global = true, value_name = "HEX", value_parser = pcr)]
    pub attest_pcr1: Vec<Pcr>,

    /// Application that is approved; repeatable.
    #[arg(long, global = true, value_name = "HEX", value_parser = pcr)]
    pub attest_pcr2: Vec<Pcr>,

    /// Certificate of the image that is approved; repeatable.
    #[arg(long, global = true, value_name = "HEX", value_parser = pcr)]
    pub attest_pcr8: Vec<Pcr>,

    /// Speak in clear also to an engine that has proven itself.
    #[arg(long, global = true)]
    pub in_clear: bool,
}

impl ProofArgs {
    fn pcrs(&self) -> [(u8, &[Pcr]); 4] {
        let Self { attest_pcr0, attest_pcr1, attest_pcr2, attest_pcr8, .. } = self;
        [(0, attest_pcr0), (1, attest_pcr1), (2, attest_pcr2), (8, attest_pcr8)]
    }

    /// Whether a proof is asked for.
    ///
    /// # Errors
    /// Wrong usage: images without a root, which would be approved and never looked at.
    pub fn is_asked(&self) -> Result<bool, Failure> {
        let is_image_named = self.pcrs().iter().any(|(_, values)| !values.is_empty());
        match self.attest_root.is_empty() {
            true if is_image_named => Err(Failure::usage(
                "an image is named and no root\n  next: name the root that vouches for it with \
                 --attest-root",
            )),
            is_plain => Ok(!is_plain),
        }
    }

    fn anchors(&self) -> Result<TrustAnchors, Failure> {
        let mut roots = Vec::new();
        for text in &self.attest_root {
            roots.extend(root(text)?);
        }
        if self.attest_pcr0.is_empty() {
            return Err(Failure::usage(
                "no image is named\n  next: name the image that you approve with --attest-pcr0",
            ));
        }
        Ok(TrustAnchors { roots, images: Images::of_flags(false, self.pcrs())? })
    }

    /// The client as the flags want it: attested and sealed, or as it was.
    ///
    /// # Errors
    /// Wrong usage; a proof that does not stand; an engine that does not answer.
    pub async fn apply(&self, client: Client) -> Result<Client, Failure> {
        if !self.is_asked()? {
            return Ok(client);
        }
        let anchors = self.anchors()?;
        // A look at the registers that the caller left out; the check itself is the client's.
        let shown = client.prove(&anchors.any_image()).await?;
        let trust = anchors.trust(shown.document())?;
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
            in_clear: false,
        }
    }

    #[test]
    fn proof_is_asked_for_when_a_root_is_named_and_an_image_with_it() {
        assert!(!args().is_asked().unwrap());
        let aws = ProofArgs { attest_root: vec!["aws".into()], ..args() };
        assert!(aws.is_asked().unwrap());
        assert_eq!(aws.anchors().unwrap_err().exit_code(), 2);
        let both = ProofArgs { attest_pcr0: vec![Pcr([1; 48])], ..aws };
        assert_eq!(both.anchors().unwrap().roots.len(), 1);
    }

    #[test]
    fn image_without_a_root_is_wrong_usage() {
        for at in 0..2 {
            let pcrs = |index| if at == index { vec![Pcr([1; 48])] } else { Vec::new() };
            let args = ProofArgs { attest_pcr0: pcrs(0), attest_pcr2: pcrs(1), ..args() };
            assert_eq!(args.is_asked().unwrap_err().exit_code(), 2);
        }
    }
}
