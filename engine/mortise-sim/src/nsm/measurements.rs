//! The measurements of a software module.

use mortise_format::pcr::Pcr;
use sha2::{Digest as _, Sha384};

/// The registers with a value when an enclave starts. All others are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurements {
    /// The image.
    pub pcr0: Pcr,
    /// Kernel and boot ramdisk.
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
    /// Values that depend only on a label. None is zero. Each label acts as another image.
    #[must_use]
    pub fn dev(label: &str) -> Self {
        let pcr = |index: u8| {
            let hash = Sha384::new().chain_update(DEV_TAG).chain_update([index]);
            Pcr(hash.chain_update(label).finalize().into())
        };
        Self { pcr0: pcr(0), pcr1: pcr(1), pcr2: pcr(2), pcr3: pcr(3), pcr4: pcr(4), pcr8: pcr(8) }
    }

    /// The registers in debug mode: no measurement of the image, only the parent's role and
    /// instance.
    #[must_use]
    pub fn debug(label: &str) -> Self {
        let zero = Pcr::ZERO;
        Self { pcr0: zero, pcr1: zero, pcr2: zero, pcr8: zero, ..Self::dev(label) }
    }

    /// The registers with their indexes.
    pub(super) fn by_index(&self) -> [(usize, Pcr); 6] {
        let Self { pcr0, pcr1, pcr2, pcr3, pcr4, pcr8 } = *self;
        [(0, pcr0), (1, pcr1), (2, pcr2), (3, pcr3), (4, pcr4), (8, pcr8)]
    }
}

/// Prefix of the hashed text, before index and label.
const DEV_TAG: &str = "mortise dev measurement";
