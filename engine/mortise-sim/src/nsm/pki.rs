//! The certificate authority of a software module: a permanent root and the links down to leaves.

use super::certificate::Link;
use super::error::NsmFolderError;
use super::files;
use super::identity::{Identity, random};
use mortise_format::domains::sha256;
use mortise_format::hex;
use std::path::{Path, PathBuf};

const HOUR_S: u64 = 3600;
const DAY_S: u64 = 24 * HOUR_S;
/// Life of a leaf, as in AWS.
const LEAF_S: u64 = 3 * HOUR_S;
const LEAF_BACKDATED_S: u64 = 3;
/// A leaf with less than this left is replaced.
const LEAF_LEFT_S_MIN: u64 = HOUR_S / 4;
const ROOT_S: u64 = 3650 * DAY_S;

/// The links between root and leaf, each with its file and its life.
const BETWEEN: [(Link, &str, u64); 3] = [
    (Link::Region, "region", 20 * DAY_S),
    (Link::Zone, "zone", 5 * DAY_S),
    (Link::Instance, "instance", DAY_S),
];

pub(super) struct Pki {
    folder: PathBuf,
    pub(super) root: Identity,
    between: Vec<Identity>,
}

impl Pki {
    /// Opens the authority in `folder`, or creates one.
    ///
    /// # Errors
    /// [`NsmFolderError`].
    pub(super) fn open(folder: &Path, now_s: u64) -> Result<Self, NsmFolderError> {
        let _lock = files::lock(folder)?;
        let root = open_root(folder, now_s)?;
        let (from_s, to_s) = (root.from_s, root.to_s);
        if !root.covers(now_s, now_s) {
            return Err(NsmFolderError::RootNotValid { from_s, to_s, now_s });
        }
        let between = open_between(folder, &root, now_s)?;
        Ok(Self { folder: folder.to_owned(), root, between })
    }

    /// The id of the instance that the module pretends to run on. Permanent for a folder.
    pub(super) fn instance_id(&self) -> String {
        instance_id(&self.root)
    }

    /// The certificates above the leaf, from the root down.
    pub(super) fn cabundle(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let bundle: Vec<_> = std::iter::once(&self.root).chain(&self.between).collect();
        bundle.into_iter().map(|identity| identity.der.as_slice())
    }

    /// Issues a leaf for the module. First renews the authorities above it that would end before
    /// the leaf.
    ///
    /// # Errors
    /// [`NsmFolderError`].
    pub(super) fn leaf(&mut self, module_id: &str, now_s: u64) -> Result<Identity, NsmFolderError> {
        if !self.between.iter().all(|above| outlives_a_leaf(above, now_s)) {
            let _lock = files::lock(&self.folder)?;
            self.between = open_between(&self.folder, &self.root, now_s)?;
        }
        let name = format!("{module_id}.{SUFFIX}");
        let validity = [now_s.saturating_sub(LEAF_BACKDATED_S), now_s.saturating_add(LEAF_S)];
        Identity::issue(Link::Leaf, name, validity, self.between.last())
    }
}

/// Returns true when a leaf is valid at `now_s` with some time left.
pub(super) fn is_fresh(leaf: &Identity, now_s: u64) -> bool {
    leaf.covers(now_s, now_s.saturating_add(LEAF_LEFT_S_MIN))
}

fn outlives_a_leaf(above: &Identity, now_s: u64) -> bool {
    above.covers(now_s.saturating_sub(LEAF_BACKDATED_S), now_s.saturating_add(LEAF_S))
}

fn open_root(folder: &Path, now_s: u64) -> Result<Identity, NsmFolderError> {
    let path = folder.join("root.pem");
    if let Some(text) = files::read(&path)? {
        return Identity::from_text(&text).ok_or(NsmFolderError::RootUnreadable { path });
    }
    let validity = [now_s.saturating_sub(DAY_S), now_s.saturating_add(ROOT_S)];
    let name = format!("{}.{SUFFIX}", hex::encode(&random::<8>()));
    let root = Identity::issue(Link::Root, name, validity, None)?;
    files::write(&path, 0o600, &root.to_text())?;
    Ok(root)
}

/// Reads the links between root and leaf. Replaces a link that is missing, is not issued by the one
/// above, or would end before a leaf of now, and every link below it.
fn open_between(
    folder: &Path,
    root: &Identity,
    now_s: u64,
) -> Result<Vec<Identity>, NsmFolderError> {
    let mut between = Vec::<Identity>::with_capacity(BETWEEN.len());
    for (link, file, life_s) in BETWEEN {
        let above = between.last().unwrap_or(root);
        let path = folder.join(file).with_extension("pem");
        let stored = files::read(&path)?.and_then(|text| Identity::from_text(&text));
        let usable = |found: &Identity| outlives_a_leaf(found, now_s) && found.follows(above);
        let identity = match stored.filter(usable) {
            Some(identity) => identity,
            None => {
                let validity = [now_s.saturating_sub(HOUR_S), now_s.saturating_add(life_s)];
                let made = Identity::issue(link, name(link, root), validity, Some(above))?;
                files::write(&path, 0o600, &made.to_text())?;
                made
            }
        };
        between.push(identity);
    }
    Ok(between)
}

/// Common names as AWS chooses them: an instance by its id, the others by random digits.
fn name(link: Link, root: &Identity) -> String {
    match link {
        Link::Instance => format!("{}.{SUFFIX}", instance_id(root)),
        Link::Zone => format!("{}.zonal.{SUFFIX}", hex::encode(&random::<8>())),
        _ => format!("{}.{SUFFIX}", hex::encode(&random::<8>())),
    }
}

fn instance_id(root: &Identity) -> String {
    format!("i-{:.17}", hex::encode(&sha256(&[&root.der])))
}

/// Suffix of every common name.
const SUFFIX: &str = "mortise-dev.nitro-enclaves";
