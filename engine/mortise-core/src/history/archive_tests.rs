//! Proofs from the archive against those from all leaves, and against the verification that
//! outsiders run.

use super::archive::{Archive, ArchiveError, Plan, TILE_LEAVES, TileLeaves};
use super::*;
use alloc::vec::Vec;

const SIZES: u64 = 1200;

fn leaf(index: u64) -> [u8; 32] {
    leaf_hash(&index.to_be_bytes())
}

fn leaves(count: u64) -> Vec<[u8; 32]> {
    (0..count).map(leaf).collect()
}

fn archive(count: u64) -> Archive {
    let mut archive = Archive::new();
    (0..count).for_each(|index| archive.append(leaf(index)));
    archive
}

fn roots(count: u64) -> Vec<[u8; 32]> {
    let mut frontier = Frontier::new();
    let mut roots = Vec::from([frontier.root()]);
    for index in 0..count {
        frontier.append(leaf(index));
        roots.push(frontier.root());
    }
    roots
}

fn at(n: u64) -> usize {
    usize::try_from(n).unwrap()
}

/// The leaves of the tiles that the plan needs, as a log gives them.
fn tiles(plan: &Plan) -> TileLeaves {
    assert!(plan.tiles().len() <= 2, "{plan:?}");
    let give = |tile: &archive::Tile| {
        (tile.number, (tile.first()..tile.first() + TILE_LEAVES).map(leaf).collect())
    };
    plan.tiles().iter().map(give).collect()
}

fn completed(plan: &Plan) -> Vec<[u8; 32]> {
    plan.complete(&tiles(plan)).unwrap()
}

/// Indexes and sizes where tiles begin and end, and some between.
fn spots(below: u64, step: u64) -> Vec<u64> {
    let edges = (0..=below / TILE_LEAVES).map(|tile| tile * TILE_LEAVES);
    let edges = edges.flat_map(|edge| [edge.saturating_sub(1), edge, edge + 1]);
    let between = (0..below).step_by(at(step));
    let mut spots: Vec<_> = edges.chain(between).chain(below.checked_sub(1)).collect();
    spots.retain(|spot| *spot < below);
    spots.sort_unstable();
    spots.dedup();
    spots
}

#[test]
fn the_root_of_every_size_is_that_of_the_frontier() {
    let (roots, whole) = (roots(SIZES), archive(SIZES));
    let mut growing = Archive::new();
    assert_eq!(growing.newest_root(), roots[0]);
    for size in 1..=SIZES {
        growing.append(leaf(size - 1));
        assert_eq!(growing.size(), size);
        assert_eq!(growing.newest_root(), roots[at(size)]);
        assert_eq!(completed(&whole.root(size).unwrap()), [roots[at(size)]]);
    }
    assert_eq!(whole.root(0), None);
    assert_eq!(whole.root(SIZES + 1), None);
}

#[test]
fn every_path_is_the_one_from_all_leaves() {
    let (all, whole) = (leaves(SIZES), archive(SIZES));
    for size in [1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 768, 1023, 1024, 1025, SIZES] {
        let first = &all[..at(size)];
        for index in spots(size, 101) {
            let plan = whole.inclusion(index, size).unwrap();
            assert_eq!(Some(completed(&plan)), inclusion_path(first, at(index)), "{index} {size}");
        }
        for earlier in spots(size + 1, 101).into_iter().filter(|earlier| *earlier > 0) {
            let plan = whole.consistency(earlier, size).unwrap();
            let naive = consistency_path(first, at(earlier));
            assert_eq!(Some(completed(&plan)), naive, "{earlier} {size}");
        }
    }
}

#[test]
fn every_size_proves_its_leaves_and_its_prefixes() {
    let (roots, whole) = (roots(SIZES), archive(SIZES));
    let mut growing = Archive::new();
    for size in 1..=SIZES {
        growing.append(leaf(size - 1));
        let root = &roots[at(size)];
        for index in spots(size, 397) {
            // The tree of a size is the same one as long as it is the newest and afterwards.
            let path = completed(&whole.inclusion(index, size).unwrap());
            assert_eq!(completed(&growing.inclusion(index, size).unwrap()), path);
            assert_eq!(verify_inclusion(root, size, index, &leaf(index), &path), Ok(()));
            let path = completed(&growing.consistency(index + 1, size).unwrap());
            let earlier_root = &roots[at(index + 1)];
            let verified = verify_consistency(earlier_root, index + 1, root, size, &path);
            assert_eq!(verified, Ok(()), "{index} {size}");
        }
    }
}

#[test]
fn every_leaf_of_one_size_is_proved() {
    let size = SIZES - 77;
    let (roots, whole) = (roots(size), archive(SIZES));
    for index in 0..size {
        let path = completed(&whole.inclusion(index, size).unwrap());
        let root = &roots[at(size)];
        assert_eq!(verify_inclusion(root, size, index, &leaf(index), &path), Ok(()));
    }
}

#[test]
fn large_logs_are_proved_from_at_most_two_tiles() {
    const LARGE: u64 = 66_700;
    let (roots, whole) = (roots(LARGE), archive(LARGE));
    let sizes = [65_535, 65_536, 65_537, 65_791, 65_792, 65_793, 66_000, 66_559, 66_560, LARGE];
    for size in sizes {
        let root = &roots[at(size)];
        for index in [0, 1, 255, 256, 4095, 32_767, 32_768, 65_279, 65_280, 65_534, size - 1] {
            let path = completed(&whole.inclusion(index, size).unwrap());
            assert_eq!(verify_inclusion(root, size, index, &leaf(index), &path), Ok(()));
            let path = completed(&whole.consistency(index + 1, size).unwrap());
            let earlier_root = &roots[at(index + 1)];
            let verified = verify_consistency(earlier_root, index + 1, root, size, &path);
            assert_eq!(verified, Ok(()), "{index} {size}");
        }
    }
}

#[test]
fn what_is_not_there_has_no_plan() {
    let whole = archive(300);
    for (index, size) in [(0, 0), (3, 3), (300, 300), (0, 301), (300, 301), (u64::MAX, u64::MAX)] {
        assert_eq!(whole.inclusion(index, size), None, "{index} {size}");
    }
    for (earlier, later) in [(0, 0), (0, 5), (6, 5), (5, 301), (301, 301), (1, u64::MAX)] {
        assert_eq!(whole.consistency(earlier, later), None, "{earlier} {later}");
    }
    assert_eq!(Archive::new().inclusion(0, 1), None);
}

#[test]
fn leaves_that_were_not_appended_are_refused_by_their_tile() {
    let whole = archive(1000);
    let plan = whole.inclusion(300, 600).unwrap();
    let numbers: Vec<_> = plan.tiles().iter().map(|tile| tile.number).collect();
    assert_eq!(numbers, [2, 1], "the right edge of 600 leaves, then the leaf's own");
    let good = tiles(&plan);
    for tile in [1u64, 2] {
        let wrong = |change: fn(&mut Vec<[u8; 32]>)| {
            let mut changed = good.clone();
            change(changed.get_mut(&tile).unwrap());
            plan.complete(&changed).unwrap_err()
        };
        let mismatch = ArchiveError::TileMismatch { tile };
        assert_eq!(wrong(|leaves| leaves[7][0] ^= 1), mismatch);
        assert_eq!(wrong(|leaves| leaves.swap(0, 255)), mismatch);
        assert_eq!(
            wrong(|leaves| leaves.truncate(255)),
            ArchiveError::TileLength { tile, found: 255 }
        );
        let longer = wrong(|leaves| leaves.push([0; 32]));
        assert_eq!(longer, ArchiveError::TileLength { tile, found: 257 });
        let mut without = good.clone();
        without.remove(&tile);
        assert_eq!(plan.complete(&without), Err(ArchiveError::TileMissing { tile }));
    }
    let mut swapped = good.clone();
    swapped.insert(1, good[&2].clone());
    assert_eq!(plan.complete(&swapped), Err(ArchiveError::TileMismatch { tile: 1 }));
    let mut more = good.clone();
    more.insert(0, Vec::new());
    assert_eq!(plan.complete(&more), plan.complete(&good));
}

#[test]
fn the_open_tile_needs_no_log() {
    let whole = archive(600);
    assert_eq!(whole.inclusion(599, 600).unwrap().tiles(), []);
    assert_eq!(whole.consistency(513, 600).unwrap().tiles(), []);
    assert_eq!(whole.consistency(256, 512).unwrap().tiles(), []);
    assert_eq!(whole.root(512).unwrap().tiles(), []);
}

#[test]
fn archive_of_its_tiles_and_its_open_tile_goes_on_like_the_first() {
    let mut archive = Archive::new();
    for index in 0..1100 {
        if [0, 1, 255, 256, 257, 512, 700, 1024].contains(&index) {
            let mut again = Archive::new();
            archive.full_tiles().iter().for_each(|root| again.append_full_tile(*root));
            archive.open_tile().iter().for_each(|leaf| again.append(*leaf));
            assert_eq!(again, archive);
            assert_eq!(archive.full_tiles().len(), at(index / 256));
            assert_eq!(archive.open_tile().len(), at(index % 256));
            again.append(leaf(index));
            archive.append(leaf(index));
            assert_eq!(again, archive);
        } else {
            archive.append(leaf(index));
        }
    }
}
