//! `succession.json`: geneses that validly succeed a predecessor, and wrong ones.

use super::{FORM, File, name, read, word};
use crate::proofs::signer;
use crate::proofs::succession::{
    OPERATORS, drafted, good, head, note_of, put, signed, with_another_nonce,
};
use mortise_format::codec;
use mortise_format::genesis::{Genesis, Predecessor};
use mortise_format::ids::{Bytes32, EngineId, Root};
use mortise_format::merkle::history::TreeHead;
use mortise_format::succession::Succession;
use mortise_format::witness::Origin;
use mortise_rpc::HexBytes;
use mortise_verify::succession::verify;
use serde_json::{Value, json};

const ABOUT: &str = "Successions (specs/durability-and-recovery.md): input.genesis, encoded, takes \
the place of the predecessor that it names; with input.checkpoint (text), that does not contradict \
it. Verdict: proven, or the name of the refusal. Each case is its base with other values at the \
places of `set` (JSON pointers).";
const BASE: &str = "two operators of three, two witnesses of three";

fn check(input: &Value) -> Result<(), &'static str> {
    let bytes = read::<HexBytes>(input, "genesis")?.0;
    let genesis: Genesis = codec::decode(&bytes).map_err(|_| "Encoding")?;
    let verified = verify(&genesis).map_err(name)?;
    match &input["checkpoint"] {
        Value::Null => Ok(()),
        note => {
            let note = note.as_str().ok_or(FORM)?;
            verified.check_newest(note.as_bytes()).map(drop).map_err(name)
        }
    }
}

fn text(genesis: &Genesis) -> String {
    word(&codec::encode(genesis))
}

/// The valid draft with another predecessor, signed by all operators.
fn agreed(edit: impl Fn(&mut Predecessor)) -> Genesis {
    let mut genesis = drafted(|_| {});
    edit(genesis.predecessor.as_mut().unwrap());
    signed(genesis, &OPERATORS)
}

pub fn file() -> File {
    let mut file = File::new("succession.json", ABOUT, check);
    file.base(BASE, json!({"genesis": text(&good()), "checkpoint": null}));
    let all = signed(drafted(|p| p.base.origin = Origin::Sigsum), &OPERATORS);
    file.base("all operators, origin sigsum", json!({"genesis": text(&all), "checkpoint": null}));
    let first = good();
    let second = drafted(|p| (p.base, p.before) = (first.base(), first.predecessor_hash()));
    let second = json!({"genesis": text(&signed(second, &OPERATORS)), "checkpoint": null});
    file.base("of an engine that came from a recovery itself", second);
    parts(&mut file);
    checkpoints(&mut file);
    operators(&mut file);
    shown(&mut file);
    file
}

fn case(file: &mut File, what: &str, genesis: &Genesis, verdict: &str) {
    file.case(what, BASE, json!({"/genesis": text(genesis)}), verdict);
}

/// Wrong parts of the old engine, and invalid geneses.
fn parts(file: &mut File) {
    let id = "PredecessorId";
    for (what, genesis, verdict) in [
        ("another old id", agreed(|p| p.engine_id.0[0] ^= 1), id),
        ("another signing key", agreed(|p| p.keys.signing[5] ^= 1), id),
        ("another checkpoint key", agreed(|p| p.keys.checkpoint[5] ^= 1), id),
        ("another log secret", agreed(|p| p.log_secret_commitment.0[0] ^= 1), id),
        ("another hash of the predecessor's predecessor", agreed(|p| p.before.0[0] ^= 1), id),
        ("another name", agreed(|p| p.base.name.push('!')), id),
        ("another salt", agreed(|p| p.base.salt.0[0] ^= 1), id),
        ("operators of somebody", agreed(|p| p.base.policy.operators_min = 1), id),
        ("no predecessor", Genesis { predecessor: None, ..good() }, "NoPredecessor"),
        ("no operators", drafted(no_operators), "NoOperators"),
        ("no witnesses", drafted(no_witnesses), "NoWitnesses"),
        ("an old policy that is none", old_policy(), "OldGenesis"),
        ("a new policy that is none", changed(|g| g.policy.witnesses_min = 1), "Genesis"),
        ("an origin that is none", changed(|g| g.origin = origin("A.b")), "Genesis"),
        ("a checkpoint that is too long", agreed(|p| p.checkpoint = "a".repeat(16_385)), "Genesis"),
    ] {
        case(file, what, &genesis, verdict);
    }
    let bytes = codec::encode(&good());
    for (what, bytes) in
        [("cut", bytes[..bytes.len() - 1].to_vec()), ("lengthened", [&bytes[..], &[0]].concat())]
    {
        file.case(what, BASE, json!({"/genesis": word(&bytes)}), "Encoding");
    }
}

/// Under the id of the changed old policy, so that nothing else is wrong.
fn old_policy() -> Genesis {
    let rules = good().policy;
    let genesis = drafted(|p| p.base.policy.retention_s = 0);
    signed(Genesis { policy: rules, ..genesis }, &OPERATORS)
}

fn no_operators(p: &mut Predecessor) {
    (p.base.policy.operators, p.base.policy.operators_min) = (vec![], 0);
}

fn no_witnesses(p: &mut Predecessor) {
    (p.base.policy.witnesses, p.base.policy.witnesses_min) = (vec![], 0);
}

fn origin(domain: &str) -> Origin {
    Origin::C2sp { domain: domain.into() }
}

fn changed(edit: impl Fn(&mut Genesis)) -> Genesis {
    let mut genesis = drafted(|_| {});
    edit(&mut genesis);
    signed(genesis, &OPERATORS)
}

fn checkpoints(file: &mut File) {
    let other = |p: &mut Predecessor| {
        let other = Predecessor { engine_id: EngineId([7; 32]), ..p.clone() };
        p.checkpoint = note_of(&other, &head(), &[0, 1, 2]);
    };
    let nothing = TreeHead { size: 0, root: Root([0; 32]) };
    for (what, genesis, verdict) in [
        ("one cosignature", agreed(|p| p.checkpoint = note_of(p, &head(), &[1])), "Quorum"),
        ("no cosignature", agreed(|p| p.checkpoint = note_of(p, &head(), &[])), "Quorum"),
        ("strangers cosigned", agreed(|p| p.checkpoint = note_of(p, &head(), &[0, 7])), "Quorum"),
        (
            "one witness twice",
            agreed(|p| p.checkpoint = note_of(p, &head(), &[0, 0])),
            "SignatureTwice",
        ),
        ("the checkpoint of another log", agreed(other), "Origin"),
        (
            "another size than was signed",
            agreed(|p| p.checkpoint = p.checkpoint.replacen("1207", "1206", 1)),
            "LogSignature",
        ),
        ("an empty log", agreed(|p| p.checkpoint = note_of(p, &nothing, &[0, 1])), "EmptyLog"),
        ("no checkpoint", agreed(|p| p.checkpoint = String::new()), "NoFinalNewline"),
    ] {
        case(file, what, &genesis, verdict);
    }
}

/// A valid draft with the signatures of another draft.
fn under(other: Genesis) -> Genesis {
    let mut genesis = drafted(|_| {});
    put(&mut genesis, signed(other, &OPERATORS[..1]).predecessor.unwrap().signatures);
    genesis
}

fn operators(file: &mut File) {
    let mut reversed = good();
    reversed.predecessor.as_mut().unwrap().signatures.reverse();
    let mut short = good();
    short.predecessor.as_mut().unwrap().signatures[0].0[64] -= 27;
    let mut twice = drafted(|_| {});
    let digest = Succession::of(&twice).unwrap().digest();
    put(&mut twice, vec![signer(41).sign(&digest), with_another_nonce(41, &digest)]);
    let mut same = good();
    let one = same.predecessor.as_ref().unwrap().signatures[0];
    put(&mut same, vec![one, one]);
    let smaller = agreed(|p| {
        p.checkpoint = note_of(p, &TreeHead { size: 1206, ..head() }, &[0, 1]);
    });
    for (what, genesis, verdict) in [
        ("nobody signed", drafted(|_| {}), "TooFewOperators"),
        ("one operator too few", signed(drafted(|_| {}), &OPERATORS[..1]), "TooFewOperators"),
        ("a stranger alone", signed(drafted(|_| {}), &[99]), "NotAnOperator"),
        ("a stranger besides enough", signed(drafted(|_| {}), &[41, 42, 99]), "NotAnOperator"),
        ("one operator by two nonces", twice, "OperatorTwice"),
        ("one signature twice", same, "Genesis"),
        ("signatures out of order", reversed, "Genesis"),
        ("v as 0 or 1", short, "Signature"),
        ("signatures over a smaller checkpoint", under(smaller), "NotAnOperator"),
        (
            "signatures over another genesis",
            under(Genesis { salt: Bytes32([3; 32]), ..drafted(|_| {}) }),
            "NotAnOperator",
        ),
    ] {
        case(file, what, &genesis, verdict);
    }
}

/// Other checkpoints of the old log.
fn shown(file: &mut File) {
    let old = good().predecessor.unwrap();
    let of = |size, root, by: &[u8]| note_of(&old, &TreeHead { size, root: Root([root; 32]) }, by);
    for (what, note, verdict) in [
        ("an earlier checkpoint", of(3, 1, &[0, 1]), "proven"),
        ("the same head by others", of(1207, 0xcd, &[1, 2]), "proven"),
        ("a later checkpoint", of(1208, 1, &[0, 1]), "LaterCheckpoint"),
        ("another root", of(1207, 1, &[0, 1]), "OtherRoot"),
        ("a later checkpoint that no quorum cosigned", of(1208, 1, &[0]), "Quorum"),
    ] {
        file.case(what, BASE, json!({"/checkpoint": note}), verdict);
    }
}
