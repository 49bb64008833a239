//! What the registers of a software module say.

use mortise_format::pcr::Pcr;
use sha2::{Digest as _, Sha384};

/// The registers that hold something when an enclave starts; all others are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurements {
    /// The image.
    pub pcr0: Pcr,
    /// Kernel and first ramdisk.
    pub pcr1: Pcr,
    /// The application.
    pub pcr2: Pcr,
    /// The parent's role.
    pub pcr3: Pcr,
    /// The parent's instance.
    pub pcr4: Pcr,
    /// The certificate that signed the image.
    pub pcr8: Pcr,
}

impl Measurements {
    /// Values that follow from a label and from nothing else; none of them is zero. Another label
    /// stands for another image.
    #[must_use]
    pub fn dev(label: &str) -> Self {
        let pcr = |index: u8| {
            let hash = Sha384::new().chain_update(DEV_TAG).chain_update([index]);
            Pcr(hash.chain_update(label).finalize().into())
        };
        Self { pcr0: pcr(0), pcr1: pcr(1), pcr2: pcr(2), pcr3: pcr(3), pcr4: pcr(4), pcr8: pcr(8) }
    }

    /// What debug mode shows: nothing of the image, but the parent's role and instance.
    #[must_use]
    pub fn debug(label: &str) -> Self {
        let zero = Pcr::ZERO;
        Self { pcr0: zero, pcr1: zero, pcr2: zero, pcr8: zero, ..Self::dev(label) }
    }

    /// With the index of each.
    pub(super) fn by_index(&self) -> [(usize, Pcr); 6] {
        let Self { pcr0, pcr1, pcr2, pcr3, pcr4, pcr8 } = *self;
        [(0, pcr0), (1, pcr1), (2, pcr2), (3, pcr3), (4, pcr4), (8, pcr8)]
    }
}

/// Stands before the index and the label.
const DEV_TAG: &str = "mortise dev measurement";
