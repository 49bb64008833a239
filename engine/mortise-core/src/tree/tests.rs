//! The tree against its definition, implemented again as a slow recursive function.

use super::state_tree::proof_of;
use super::*;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use mortise_format::{Root, codec};
use proptest::prelude::*;

type Model = BTreeMap<TreeKey, ValueHash>;

/// The definition, word for word.
fn naive_root(leaves: &[(TreeKey, ValueHash)], depth: usize) -> [u8; 32] {
    match leaves {
        [] => [0; 32],
        [(position, value)] => leaf_hash(position, value),
        _ => {
            let bit = |p: &TreeKey| p.0[depth / 8] >> (7 - depth % 8) & 1;
            let split = leaves.partition_point(|(p, _)| bit(p) == 0);
            let (left, right) = leaves.split_at(split);
            node_hash(&naive_root(left, depth + 1), &naive_root(right, depth + 1))
        }
    }
}

fn model_root(model: &Model) -> Root {
    let leaves: Vec<_> = model.iter().map(|(p, v)| (*p, *v)).collect();
    Root(naive_root(&leaves, 0))
}

fn apply(model: &mut Model, batch: &[(TreeKey, Option<ValueHash>)]) {
    for (position, value) in batch {
        match value {
            Some(value) => model.insert(*position, *value),
            None => model.remove(position),
        };
    }
}

fn assert_equal(tree: &StateTree, model: &Model) {
    assert_eq!(tree.root(), model_root(model));
    assert_eq!(tree.len(), u64::try_from(model.len()).unwrap());
    assert_eq!(
        tree.leaves().collect::<Vec<_>>(),
        model.iter().map(|(p, v)| (*p, *v)).collect::<Vec<_>>()
    );
}

/// Spreads `n` into 32 uniform bytes.
fn uniform(n: u64) -> [u8; 32] {
    *blake3::hash(&n.to_le_bytes()).as_bytes()
}

fn position(n: u64) -> TreeKey {
    TreeKey(uniform(n))
}

fn value(n: u64) -> ValueHash {
    ValueHash(uniform(n ^ 0x5555_0000_0000))
}

/// Few positions that share prefixes of every length: base bytes with some bits flipped.
fn crafted() -> impl Strategy<Value = TreeKey> {
    let deep = prop_oneof![0usize..8, 60usize..68, 120usize..136, 248usize..256, 0usize..256];
    (0u8..3, prop::collection::vec(deep, 0..4)).prop_map(|(base, flips)| {
        let mut position = TreeKey([base.wrapping_mul(0x5b); 32]);
        for bit in flips {
            position.0[bit / 8] ^= 0x80 >> (bit % 8);
        }
        position
    })
}

fn any_position() -> impl Strategy<Value = TreeKey> {
    prop_oneof![2 => crafted(), 1 => (0u64..200).prop_map(position)]
}

fn batches(size: usize) -> impl Strategy<Value = Vec<Vec<(TreeKey, Option<ValueHash>)>>> {
    let change = (any_position(), prop::option::weighted(0.6, (0u64..8).prop_map(value)));
    prop::collection::vec(prop::collection::vec(change, 0..size), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_batch_leaves_the_root_of_the_definition(batches in batches(60)) {
        let (mut tree, mut model) = (StateTree::new(), Model::new());
        for batch in &batches {
            tree.update(batch);
            apply(&mut model, batch);
            assert_equal(&tree, &model);
        }
        let rebuilt = StateTree::from_sorted(tree.leaves()).unwrap();
        prop_assert_eq!(rebuilt.root(), tree.root());
        // The inverse of everything.
        let removals: Vec<_> = model.keys().map(|p| (*p, None)).collect();
        tree.update(&removals);
        prop_assert_eq!(tree.root(), Root::ZERO);
        prop_assert!(tree.is_empty());
    }

    #[test]
    fn root_does_not_depend_on_order_or_batch_boundaries(
        leaves in prop::collection::btree_map(any_position(), (0u64..8).prop_map(value), 1..60),
        noise in prop::collection::vec(any_position(), 0..60),
        seed in any::<u64>(),
        size in 1usize..20,
    ) {
        let mut order: Vec<_> = leaves.iter().map(|(p, v)| (*p, Some(*v))).collect();
        order.sort_by_key(|(p, _)| *blake3::keyed_hash(&uniform(seed), &p.0).as_bytes());
        let mut tree = StateTree::new();
        tree.update(&noise.iter().map(|p| (*p, Some(value(99)))).collect::<Vec<_>>());
        for batch in order.chunks(size) {
            tree.update(batch);
        }
        let gone: Vec<_> =
            noise.iter().filter(|p| !leaves.contains_key(*p)).map(|p| (*p, None)).collect();
        tree.update(&gone);
        assert_equal(&tree, &leaves);
    }

    #[test]
    fn every_position_has_a_proof_that_verifies_and_no_other(
        leaves in prop::collection::btree_map(any_position(), (0u64..8).prop_map(value), 0..60),
        asked in prop::collection::vec(any_position(), 1..20),
    ) {
        let tree = StateTree::from_sorted(leaves.iter().map(|(p, v)| (*p, *v))).unwrap();
        let root = tree.root();
        for position in asked.iter().chain(leaves.keys()) {
            let proof = tree.prove(position);
            prop_assert_eq!(tree.get(position), leaves.get(position).copied());
            match leaves.get(position) {
                Some(value) => {
                    prop_assert_eq!(proof.verify_present(&root, position, value), Ok(()));
                    prop_assert_eq!(
                        proof.verify_absent(&root, position),
                        Err(StateProofError::ShowsPresence)
                    );
                }
                None => {
                    prop_assert_eq!(proof.verify_absent(&root, position), Ok(()));
                    prop_assert_eq!(
                        proof.verify_present(&root, position, &value(0)),
                        Err(StateProofError::ShowsAbsence)
                    );
                }
            }
            let decoded = codec::decode::<StateProof>(&codec::encode(&proof));
            prop_assert_eq!(decoded.as_ref(), Ok(&proof));
        }
    }

    #[test]
    fn a_proof_never_verifies_for_another_position(
        leaves in prop::collection::btree_map(any_position(), (0u64..8).prop_map(value), 1..40),
        (asked, other) in (any_position(), any_position()),
    ) {
        let tree = StateTree::from_sorted(leaves.iter().map(|(p, v)| (*p, *v))).unwrap();
        let proof = tree.prove(&asked);
        // A proof of absence may also hold for a neighbour in the same empty subtree. Whatever it
        // proves must be true.
        if proof.verify_absent(&tree.root(), &other).is_ok() {
            prop_assert!(!leaves.contains_key(&other));
        }
        if let (Some(value), true) = (leaves.get(&asked), asked != other) {
            prop_assert!(proof.verify_present(&tree.root(), &other, value).is_err());
        }
    }
}

#[test]
fn large_uniform_batches_leave_the_root_of_the_definition() {
    let (mut tree, mut model) = (StateTree::new(), Model::new());
    for round in 0..12u64 {
        let batch: Vec<_> = (0..3000u64)
            .map(|i| {
                let n = (round * 7919 + i * 31) % 9000;
                let keep = (n + round) % 3 != 0;
                (position(n), keep.then(|| value(n + round)))
            })
            .collect();
        tree.update(&batch);
        apply(&mut model, &batch);
        assert_equal(&tree, &model);
    }
    assert!(model.len() > 3000, "the test moves a large tree");
}

#[test]
fn last_change_of_a_position_in_a_batch_wins() {
    let mut tree = StateTree::new();
    let (a, b) = (position(1), position(2));
    tree.update(&[
        (a, Some(value(1))),
        (b, Some(value(1))),
        (a, None),
        (b, None),
        (b, Some(value(2))),
    ]);
    assert_equal(&tree, &Model::from([(b, value(2))]));
}

#[test]
fn two_positions_that_differ_in_the_last_bit_have_proofs_of_256_siblings() {
    let (a, mut b) = (TreeKey([0xff; 32]), TreeKey([0xff; 32]));
    b.0[31] = 0xfe;
    let mut tree = StateTree::new();
    tree.update(&[(a, Some(value(1))), (b, Some(value(2)))]);
    assert_equal(&tree, &Model::from([(a, value(1)), (b, value(2))]));
    let proof = tree.prove(&a);
    assert_eq!(proof.siblings().len(), PROOF_SIBLINGS_MAX);
    assert_eq!(proof.verify_present(&tree.root(), &a, &value(1)), Ok(()));
    tree.update(&[(b, None)]);
    assert_eq!(tree.root().0, leaf_hash(&a, &value(1)));
}

#[test]
fn leaves_out_of_order_or_doubled_do_not_make_a_tree() {
    let (a, b) = (TreeKey([1; 32]), TreeKey([2; 32]));
    for (leaves, leaf) in [(vec![b, a], 1), (vec![a, b, b], 2)] {
        let result = StateTree::from_sorted(leaves.into_iter().map(|p| (p, value(0))));
        assert_eq!(result.unwrap_err(), StateTreeError::NotAscending { leaf });
    }
}

#[test]
fn memory_of_a_uniform_tree_is_below_130_bytes_a_leaf_and_is_reused() {
    let mut tree = StateTree::new();
    let count = 50_000;
    let fill: Vec<_> = (0..count).map(|n| (position(n), Some(value(n)))).collect();
    tree.update(&fill);
    let bytes = tree.memory_bytes();
    assert!(bytes < 130 * 50_000, "{bytes} bytes");
    for round in 1..4 {
        let moved: Vec<_> = (0..count)
            .flat_map(|n| {
                let old = (position(n + (round - 1) * count), None);
                [old, (position(n + round * count), Some(value(n)))]
            })
            .collect();
        for batch in moved.chunks(1024) {
            tree.update(batch);
        }
    }
    assert_eq!(tree.len(), count);
    assert!(tree.memory_bytes() < bytes + bytes / 4, "{} bytes", tree.memory_bytes());
}

/// A tree with a twin, a node above a gap, and an empty half on the path.
fn sample() -> (StateTree, Vec<TreeKey>) {
    let mut positions: Vec<_> = (0..40).map(position).collect();
    let mut near = positions[3];
    near.0[2] ^= 1;
    positions.push(near);
    let batch: Vec<_> = positions.iter().map(|p| (*p, Some(value(7)))).collect();
    let mut tree = StateTree::new();
    tree.update(&batch);
    (tree, positions)
}

/// Does `proof` still prove what `honest` proves?
fn verify(proof: &StateProof, tree: &StateTree, asked: &TreeKey) -> Result<(), StateProofError> {
    match tree.get(asked) {
        Some(value) => proof.verify_present(&tree.root(), asked, &value),
        None => proof.verify_absent(&tree.root(), asked),
    }
}

#[test]
fn every_flipped_bit_of_an_encoded_proof_is_refused() {
    let (tree, positions) = sample();
    let mut absent_near = positions[3];
    absent_near.0[2] ^= 2;
    let mut far_below = positions[3];
    far_below.0[31] ^= 1;
    let (mut refused, mut ends) = (0, [0; 3]);
    for asked in [positions[3], positions[0], position(1000), absent_near, far_below] {
        let proof = tree.prove(&asked);
        ends[match proof.end() {
            ProofEnd::Present => 0,
            ProofEnd::Empty => 1,
            ProofEnd::Other { .. } => 2,
        }] += 1;
        let bytes = codec::encode(&proof);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(proof) = codec::decode::<StateProof>(&flipped) {
                assert!(verify(&proof, &tree, &asked).is_err(), "bit {bit}");
            }
            refused += 1;
        }
        for end in 0..bytes.len() {
            assert!(codec::decode::<StateProof>(&bytes[..end]).is_err());
        }
    }
    assert!(refused > 5000);
    assert!(ends.iter().all(|count| *count > 0), "all three ends were tried: {ends:?}");
}

#[test]
fn every_cut_lengthened_or_swapped_proof_is_refused_by_name() {
    let (tree, positions) = sample();
    let absent = position(1000);
    for asked in [positions[0], positions[3], absent] {
        let honest = tree.prove(&asked);
        let siblings = honest.siblings().to_vec();
        let check = |siblings: Vec<[u8; 32]>, error| {
            let proof = proof_of(siblings, honest.end());
            assert_eq!(verify(&proof, &tree, &asked), Err(error));
        };
        let mut cut_below = siblings.clone();
        cut_below.pop();
        // The last sibling may now be an empty half on the path; then both errors are right.
        let expected = match cut_below.last() {
            Some(last) if *last == [0; 32] => StateProofError::LastSiblingEmpty,
            _ => StateProofError::RootMismatch,
        };
        check(cut_below, expected);
        check(siblings[1..].to_vec(), StateProofError::RootMismatch);
        check([siblings.clone(), vec![[0; 32]]].concat(), StateProofError::LastSiblingEmpty);
        let mut swapped = siblings.clone();
        swapped.swap(0, 1);
        check(swapped, StateProofError::RootMismatch);
    }
}

#[test]
fn another_leaf_must_differ_and_lie_on_the_way() {
    let (tree, positions) = sample();
    let root = tree.root();
    let asked = positions[0];
    let present = tree.prove(&asked);
    let siblings = present.siblings().to_vec();
    let other = |position, value| ProofEnd::Other { position, value };

    // The leaf of the position itself, passed off as another leaf.
    let proof = proof_of(siblings.clone(), other(asked, value(7)));
    assert_eq!(proof.verify_absent(&root, &asked), Err(StateProofError::OtherIsSame));

    // A valid path, but of another leaf: it hashes to the root and proves nothing about `asked`.
    let elsewhere = positions[1];
    let way = tree.prove(&elsewhere).siblings().to_vec();
    let count = way.len();
    let proof = proof_of(way, other(elsewhere, value(7)));
    let shared = asked.shared_bits(&elsewhere);
    assert!(shared < count);
    assert_eq!(
        proof.verify_absent(&root, &asked),
        Err(StateProofError::OtherOffTheWay { shared, siblings: count })
    );

    // The position's own leaf hidden behind an empty end.
    let proof = proof_of(siblings, ProofEnd::Empty);
    assert_eq!(proof.verify_absent(&root, &asked), Err(StateProofError::RootMismatch));
}

#[test]
fn a_node_cannot_be_passed_off_as_a_leaf() {
    let (a, b) = (TreeKey([0x11; 32]), TreeKey([0x99; 32]));
    let mut tree = StateTree::new();
    tree.update(&[(a, Some(value(1))), (b, Some(value(2)))]);
    let (left, right) = (leaf_hash(&a, &value(1)), leaf_hash(&b, &value(2)));
    assert_eq!(tree.root().0, node_hash(&left, &right));
    // The two hashes below the root, passed off as position and value of a single leaf.
    let forged = proof_of(vec![], ProofEnd::Present);
    let claim = forged.verify_present(&tree.root(), &TreeKey(left), &ValueHash(right));
    assert_eq!(claim, Err(StateProofError::RootMismatch));
}

#[test]
fn more_than_256_siblings_do_not_decode() {
    let mut bytes = 257u16.to_le_bytes().to_vec();
    bytes.extend(vec![1; 257 * 32]);
    bytes.extend([0; 4]);
    assert!(codec::decode::<StateProof>(&bytes).is_err());
    let parts = StateProof::from_parts(vec![[1; 32]; 257], ProofEnd::Present);
    assert_eq!(parts, Err(StateProofError::TooManySiblings { found: 257 }));
    bytes.drain(2..34);
    bytes[..2].copy_from_slice(&256u16.to_le_bytes());
    assert!(codec::decode::<StateProof>(&bytes).is_ok());
}

#[test]
fn empty_tree_proves_absence_with_no_siblings() {
    let tree = StateTree::new();
    let proof = tree.prove(&position(1));
    assert_eq!(proof.verify_absent(&Root::ZERO, &position(1)), Ok(()));
    assert_eq!(codec::encode(&proof), [0, 0, 1, 0, 0, 0]);
}

/// The worked example of the specification: its page must show exactly these bytes.
#[test]
fn worked_example_is_the_one_of_the_specification() {
    let page = include_str!("../../../../specs/state-tree.md");
    let shown = |name: &str, bytes: &[u8]| {
        let hex = mortise_format::ids::to_hex(bytes);
        let text: alloc::string::String = page.split_whitespace().collect();
        assert!(text.contains(&hex[2..]), "the page lacks {name}: {hex}");
    };
    let at = |first: u8| {
        let mut position = TreeKey([0; 32]);
        position.0[0] = first;
        position
    };
    let leaf = |position, value| (position, Some(ValueHash([value; 32])));
    let batch = [leaf(at(0x00), 0x11), leaf(at(0x80), 0x22), leaf(at(0x90), 0x33)];
    let mut tree = StateTree::new();
    tree.update(&batch);

    let [a, b, c] = batch.map(|(position, value)| leaf_hash(&position, &value.unwrap()));
    let both = node_hash(&b, &c);
    let above = node_hash(&both, &[0; 32]);
    let right = node_hash(&above, &[0; 32]);
    assert_eq!(tree.root().0, node_hash(&a, &right));

    use mortise_format::domains;
    shown("the leaf key", &domains::blake3_key(domains::STATE_LEAF));
    shown("the node key", &domains::blake3_key(domains::STATE_NODE));
    for (name, hash) in [("A", a), ("B", b), ("C", c), ("BC", both), ("X", above), ("Y", right)] {
        shown(name, &hash);
    }
    shown("the root", &tree.root().0);
    for asked in [0x80, 0xc0, 0x01] {
        shown("a proof", &codec::encode(&tree.prove(&at(asked))));
    }
}

proptest! {
    #[test]
    fn the_roots_of_earlier_batches_prove_presence_and_absence(
        batches in batches(40),
        asked in proptest::collection::vec(any_position(), 1..20),
    ) {
        let mut tree = StateTree::new();
        let mut model = Model::new();
        let mut earlier = Vec::new();
        for batch in &batches {
            earlier.push((tree.root(), model.clone()));
            apply(&mut model, batch);
            tree.update(batch);
        }
        for (root, then) in earlier {
            let differs = |p: &&TreeKey| then.get(*p) != model.get(*p);
            let differing = then.keys().chain(model.keys()).filter(differs);
            let mut sheet: Vec<_> = differing.map(|p| (*p, then.get(p).copied())).collect();
            sheet.sort_unstable();
            sheet.dedup();
            let known: Vec<_> = then.keys().chain(model.keys()).copied().take(30).collect();
            for position in asked.iter().chain(&known) {
                let (found, proof) = tree.prove_over(&sheet, position);
                prop_assert_eq!(found, root);
                match then.get(position) {
                    Some(value) => {
                        prop_assert_eq!(proof.verify_present(&root, position, value), Ok(()));
                    }
                    None => prop_assert_eq!(proof.verify_absent(&root, position), Ok(())),
                }
            }
        }
    }

    #[test]
    fn without_changes_a_proof_is_the_one_of_the_tree(batches in batches(40)) {
        let mut tree = StateTree::new();
        for batch in &batches {
            tree.update(batch);
        }
        for n in 0..40 {
            let position = position(n);
            prop_assert_eq!(tree.prove_over(&[], &position), (tree.root(), tree.prove(&position)));
        }
        for (position, _) in tree.leaves() {
            prop_assert_eq!(tree.prove_over(&[], &position).1, tree.prove(&position));
        }
    }
}
