//! Keys of epochs: which reader gets which, and an audit with them.

use super::{client, code, commit, grant, restart, system};
use crate::client::{block_on, over_http};
use mortise_audit::{AuditKeys, Auditor, Subject, prepare};
use mortise_client::{Client, Reader, ReaderError};
use mortise_format::errors::Code;
use mortise_format::ids::{Bytes32, EngineId, RequestId};
use mortise_format::release::ReleasedEpochs;
use mortise_rpc::params::{GetEvents, GetReadingKeys};
use mortise_rpc::results::ReadingKeysResult;

fn ask(client: &Client, reader: &Reader, id: Option<u8>) -> ReadingKeysResult {
    let request_id = id.map(|id| RequestId([id; 32]));
    let params = GetReadingKeys { reader: reader.public(), request_id, from_epoch: None };
    block_on(client.reading_keys(params)).unwrap()
}

fn engine_id(client: &Client) -> EngineId {
    block_on(client.identity()).unwrap().engine_id
}

/// The whole log, read with `getEvents` page by page.
fn log(client: &Client) -> Vec<Vec<u8>> {
    let (mut from, mut log) = (0, Vec::new());
    loop {
        let params = GetEvents { from, count: 3, reader: None, wait_ms: 0 };
        let page = block_on(client.events(params)).unwrap();
        if page.frames.is_empty() {
            assert_eq!(page.released, from);
            return log;
        }
        log.extend(page.frames.iter().map(|frame| frame.bytes()));
        from = page.next;
    }
}

fn audit_keys(engine_id: EngineId, released: &[ReleasedEpochs]) -> AuditKeys {
    let keys = AuditKeys::new(engine_id, released[0].state_salt().clone());
    let epochs = released.iter().flat_map(|page| page.epochs());
    epochs.fold(keys, |keys, (epoch, root)| keys.with_epoch(*epoch, root.clone()))
}

/// Goal: a reader can audit the log end to end. Method: three epochs and a right to all of them.
/// The reader gets keys and log over the wire, writes and reads a key file, and replays every
/// decision.
#[test]
fn reader_with_a_right_audits_the_whole_log_from_the_wire() {
    let mut system = system(false);
    let (reader, _) = Reader::random_with_secret();
    commit(&system);
    grant(&client(&system), &reader, (1, 0), 1);
    restart(&mut system);
    commit(&system);
    restart(&mut system);
    let client = client(&system);
    let released = block_on(client.released_keys(&reader)).unwrap();
    let engine_id = engine_id(&client);
    let file = audit_keys(engine_id, &released).to_json();
    let keys = AuditKeys::from_json(file.as_bytes()).unwrap();
    assert!(keys.epochs().eq([1, 2, 3]), "the epochs after the grant are covered too");
    let genesis = system.options_mut().genesis.clone();
    let address = Some(block_on(client.identity()).unwrap().address);
    let (engine_id, genesis) = (Some(engine_id), Some(genesis));
    let subject = Subject { engine_id, address, genesis, ..Subject::default() };
    let log = log(&client);
    let mut auditor = Auditor::new(subject, Some(keys.clone()), 7);
    log.iter().for_each(|bytes| auditor.follow(prepare(bytes, Some(&keys))));
    let report = auditor.finish();
    assert_eq!(report.findings, Vec::new());
    assert!(log.len() >= 6, "{}", log.len());
}

#[test]
fn right_gives_its_epochs_and_no_others() {
    let mut system = system(false);
    restart(&mut system);
    restart(&mut system);
    let (first, middle) = (Reader::random_with_secret().0, Reader::random_with_secret().0);
    let client = client(&system);
    grant(&client, &first, (1, 1), 1);
    grant(&client, &first, (3, 9), 2);
    grant(&client, &middle, (2, 2), 3);
    assert_eq!(ask(&client, &first, None).epochs, [3]);
    assert_eq!(ask(&client, &first, Some(1)).epochs, [1]);
    assert_eq!(ask(&client, &middle, None).epochs, [2]);
    let grants = ask(&client, &first, None).grants;
    let ids: Vec<_> = grants.iter().map(|grant| grant.request_id).collect();
    assert_eq!(ids, [RequestId([1; 32]), RequestId([2; 32])]);
    let released = block_on(client.released_keys(&first)).unwrap();
    let epochs: Vec<u64> =
        released.iter().flat_map(|page| page.epochs()).map(|(epoch, _)| *epoch).collect();
    assert_eq!(epochs, [1, 3]);
    // A right is for its reader alone, and an unknown reader has none.
    for (reader, id) in [(&first, Some(3)), (&middle, Some(1))] {
        let request_id = id.map(|id| RequestId([id; 32]));
        let params = GetReadingKeys { reader: reader.public(), request_id, from_epoch: None };
        assert_eq!(code(block_on(client.reading_keys(params))), Some(Code::ReadingNotGranted));
    }
    let stranger = Reader::random_with_secret().0;
    for client in [&client, &over_http(&system)] {
        let params =
            GetReadingKeys { reader: stranger.public(), request_id: None, from_epoch: None };
        assert_eq!(code(block_on(client.reading_keys(params))), Some(Code::ReadingNotGranted));
        assert_eq!(code(block_on(client.released_keys(&stranger))), Some(Code::ReadingNotGranted));
    }
    let beyond = GetReadingKeys { reader: first.public(), request_id: None, from_epoch: Some(4) };
    assert_eq!(block_on(client.reading_keys(beyond)).unwrap().epochs, Vec::<u64>::new());
}

#[test]
fn sealed_answer_opens_unchanged_for_its_reader_engine_and_right_alone() {
    let system = system(false);
    let (reader, other) = (Reader::random_with_secret().0, Reader::random_with_secret().0);
    let client = client(&system);
    let engine_id = engine_id(&client);
    grant(&client, &reader, (1, 0), 1);
    grant(&client, &reader, (1, 1), 2);
    let answer = ask(&client, &reader, Some(1));
    let again = ask(&client, &reader, Some(1));
    assert_ne!(answer.encapsulated_key, again.encapsulated_key, "each answer has its own key");
    let opened = reader.open_epochs(&engine_id, &answer).unwrap();
    assert_eq!(*opened.encode(), *reader.open_epochs(&engine_id, &again).unwrap().encode());
    let refused = |engine_id: &EngineId, change: &dyn Fn(&mut ReadingKeysResult)| {
        let mut changed = answer.clone();
        change(&mut changed);
        reader.open_epochs(engine_id, &changed).map(|_| ()).unwrap_err()
    };
    let is_open = |error| matches!(error, ReaderError::Open(_));
    assert!(is_open(refused(&EngineId([9; 32]), &|_| ())));
    assert!(is_open(refused(&engine_id, &|a| a.grant = a.grants[1])));
    assert!(is_open(refused(&engine_id, &|a| a.encapsulated_key.0[5] ^= 1)));
    for at in 0..answer.ciphertext.0.len() {
        assert!(is_open(refused(&engine_id, &|a| a.ciphertext.0[at] ^= 1)), "{at}");
    }
    assert_eq!(refused(&engine_id, &|a| a.epochs.push(2)), ReaderError::OtherKeys);
    assert_eq!(refused(&engine_id, &|a| a.reader = Bytes32([1; 32])), ReaderError::OtherReader);
    let theirs = ReadingKeysResult { reader: other.public(), ..answer.clone() };
    let error = other.open_epochs(&engine_id, &theirs).map(|_| ()).unwrap_err();
    assert!(is_open(error));
}

#[test]
fn reader_key_of_low_order_gets_nothing() {
    let system = system(false);
    let client = client(&system);
    let mut low = Bytes32::ZERO;
    low.0[0] = 1;
    block_on(async {
        let engine_id = client.identity().await.unwrap().engine_id;
        let valid_until = mortise_testkit::system::parties::now_s() + 600;
        let grant = super::right(low, (1, 0), 1, valid_until);
        let signer = mortise_testkit::keys::TestSigner::new(engine_id);
        let asked = signer.grant_reading(&super::OPERATORS[..2], &grant);
        let mortise_format::command::Command::GrantReading { grant, signatures } = asked.command
        else {
            panic!("the signer grants")
        };
        let params = mortise_rpc::params::GrantReading { grant, signatures };
        client.grant_reading(params).await.unwrap();
    });
    let params = GetReadingKeys { reader: low, request_id: None, from_epoch: None };
    assert_eq!(code(block_on(client.reading_keys(params))), Some(Code::Validation));
}
