//! Origins in the genesis file.

use alloc::string::String;
use mortise_format::witness::Origin;
use serde::{Deserialize, Serialize};

/// Domain of the origin when the file names none: a name that resolves nowhere (RFC 6761).
const LOCAL_DOMAIN: &str = "mortise.localhost";

/// The origin in the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "form", deny_unknown_fields)]
pub(super) enum OriginJson {
    C2sp { domain: String },
    Sigsum {},
}

impl Default for OriginJson {
    fn default() -> Self {
        Self::C2sp { domain: LOCAL_DOMAIN.into() }
    }
}

impl From<&Origin> for OriginJson {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::C2sp { domain } => Self::C2sp { domain: domain.clone() },
            Origin::Sigsum => Self::Sigsum {},
        }
    }
}

impl From<OriginJson> for Origin {
    fn from(json: OriginJson) -> Self {
        match json {
            OriginJson::C2sp { domain } => Self::C2sp { domain },
            OriginJson::Sigsum {} => Self::Sigsum,
        }
    }
}
