//! `reads: parties`: a party reads through the channel, with the client and with `mortise`.

use super::Carried;
use super::relay::Direction;
use crate::client::{block_on, new_lock, run_mortise};
use crate::parties::genesis_with;
use mortise_client::{Channel, ClientError, Signer};
use mortise_format::asset::Asset;
use mortise_format::channel::is_channel;
use mortise_format::errors::Code;
use mortise_format::event::LogPosition;
use mortise_format::policy::Reads;
use mortise_rpc::params::{GetReceipt, ListLocks};
use mortise_sim::nsm::Measurements;
use serde_json::Value;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

fn carried() -> Carried {
    Carried::of(genesis_with(Reads::Parties, false))
}

fn list_of(owner: &Signer) -> ListLocks {
    ListLocks { owner: Some(owner.address()), ..ListLocks::default() }
}

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Option<Code> {
    result.expect_err("it is not for this reader").code()
}

#[test]
fn client_that_reads_as_a_party_sees_its_entries_and_another_sees_none() {
    let carried = carried();
    let (owner, solver, arbiter) = (Signer::random(), Signer::random(), Signer::random());
    let asset = Asset::native(1);
    block_on(async {
        // A commit asks for the owner's nonce, as the owner.
        let client = carried.sealed_client();
        let lock = new_lock(&owner, &solver, &arbiter, 4711);
        let committed = client.commit(&owner, &lock).await.unwrap();
        let lock_id = committed.commitment.lock_id;
        let place = &committed.receipt;
        let at = GetReceipt::At(LogPosition { seq: place.seq, index: place.index });

        let as_owner = carried.sealed_client().reading_as(owner.clone());
        assert_eq!(as_owner.lock(lock_id).await.unwrap().unwrap().owner, owner.address());
        assert_eq!(as_owner.active_locks(owner.address()).await.unwrap().len(), 1);
        assert_eq!(as_owner.list_locks(list_of(&owner)).await.unwrap().locks.len(), 1);
        let balance = as_owner.balance(owner.address(), asset).await.unwrap();
        assert_eq!(balance.held.to_decimal(), "4711");
        as_owner.locked_balance(owner.address(), asset).await.unwrap();
        as_owner.suggest_nonce(owner.address()).await.unwrap();
        as_owner.receipt(GetReceipt::Lock(lock_id)).await.unwrap();
        as_owner.receipt(at).await.unwrap();

        let as_solver = carried.sealed_client().reading_as(solver.clone());
        assert_eq!(as_solver.lock(lock_id).await.unwrap().unwrap().arbiter, arbiter.address());
        as_solver.receipt(at).await.unwrap();
        let refused = code(as_solver.balance(owner.address(), asset).await);
        assert_eq!(refused, Some(Code::Unauthorized));

        let stranger = carried.sealed_client().reading_as(Signer::random());
        for other in [&stranger, &client] {
            let hidden = other.lock(lock_id).await.unwrap_err();
            assert!(matches!(hidden, ClientError::OnlyForParties), "{hidden}");
            let part = other.lock_by_id(lock_id).await.unwrap().unwrap();
            assert_eq!(part.legs[0].amount.to_decimal(), "4711");
            let refused = code(other.active_locks(owner.address()).await);
            assert_eq!(refused, Some(Code::Unauthorized));
            assert_eq!(code(other.receipt(at).await), Some(Code::Unauthorized));
        }
    });
}

#[test]
fn client_sends_no_read_request_in_clear_unless_it_is_told_to() {
    let carried = carried();
    let owner = Signer::random();
    let sent = |direction| {
        let seen = carried.relay.seen(direction);
        let texts = seen.iter().filter(|message| !is_channel(message));
        texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect::<String>()
    };
    let in_clear = carried.client(Channel::Off).reading_as(owner.clone());
    let refused = code(block_on(in_clear.suggest_nonce(owner.address())));
    assert_eq!(refused, Some(Code::Unauthorized));
    assert!(!sent(Direction::In).contains("\"read\""));
    let told_to = carried.client(Channel::Off).reading_in_clear_as(owner.clone());
    let refused = code(block_on(told_to.suggest_nonce(owner.address())));
    assert_eq!(refused, Some(Code::ReadInClear));
    assert!(sent(Direction::In).contains("\"read\""));
}

/// Runs a command through the relay, with the key of a party.
fn run(carried: &Carried, key: Option<&PathBuf>, args: &[&str]) -> (i32, Value, String) {
    let url = format!("unix:{}", carried.relay.socket().display());
    let (root, pcr0) = (carried.trust.roots[0].to_string(), Measurements::dev("engine").pcr0);
    let pcr0 = pcr0.to_string();
    let trust = ["--url", &url, "--attest-root", &root, "--attest-pcr0", &pcr0];
    let key = key.map(|path| path.to_string_lossy().into_owned());
    let key = key.iter().flat_map(|key| ["--key", key.as_str()]);
    let args: Vec<&str> = args.iter().copied().chain(trust).chain(key).collect();
    run_mortise(&args)
}

#[test]
fn commands_read_as_the_party_whose_key_they_have() {
    let carried = carried();
    let (owner, secret) = Signer::random_with_secret();
    let path = carried.system.folder().join("owner.key");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&path).unwrap();
    std::io::Write::write_all(&mut file, secret.as_bytes()).unwrap();
    let lock = new_lock(&owner, &Signer::random(), &Signer::random(), 5);
    let committed = block_on(carried.sealed_client().commit(&owner, &lock)).unwrap();
    let (address, lock_id) = (owner.address().to_string(), committed.commitment.lock_id);
    let lock_id = lock_id.to_string();
    let reads: [(&[&str], &str); 3] = [
        (&["balance", "--owner", &address, "--asset", "native:1"], "held"),
        (&["lock", "list", "--owner", &address], "locks"),
        (&["lock", "get", &lock_id], "owner"),
    ];
    for (args, field) in reads {
        let (code, shown, stderr) = run(&carried, Some(&path), args);
        assert_eq!(code, 0, "{args:?}: {stderr}");
        assert!(!shown[field].is_null(), "{args:?}: {shown}");
    }
    let (code, _, stderr) = run(&carried, None, reads[0].0);
    assert_eq!(code, 1);
    assert!(stderr.contains("ReadRequest"), "{stderr}");
    let (code, part, stderr) = run(&carried, None, reads[2].0);
    assert_eq!((code, &part["owner"]), (0, &Value::Null), "{stderr}");
    assert_eq!(part["status"], "ACTIVE");
}
