//! A carrier sees sizes, times and the attestation request, and nothing else.

use super::Carried;
use super::relay::Direction;
use crate::client::block_on;
use mortise_client::{Channel, Client, ClientError};
use mortise_format::asset::Asset;
use mortise_format::channel::is_channel;
use mortise_format::limits::{
    CHANNEL_ANSWER_OVERHEAD_BYTES, CHANNEL_PAD_BYTES, CHANNEL_REQUEST_OVERHEAD_BYTES,
};
use mortise_testkit::system::parties::Parties;

/// An amount whose digits occur nowhere else.
const AMOUNT: u64 = 918_273_645_546_372_819;
/// Bytes in each string searched for in the capture.
const WINDOW: usize = 8;

/// Calls each method once; returns the secrets of the session, each in all its spellings.
fn session(client: &Client, parties: &Parties) -> Vec<Vec<String>> {
    let commit = parties.commit(0, AMOUNT);
    let (request, signature) = (commit.intent.request, commit.intent.signature);
    let owner = parties.owner.address();
    let calls = async {
        client.health().await?;
        let commitment = client.commit_lock(commit).await?.commitment;
        client.lock(commitment.lock_id).await?;
        client.balance(owner, Asset::native(1)).await?;
        client.active_locks(owner).await?;
        client.release_lock(parties.release(commitment.lock_id)).await?;
        Ok::<_, ClientError>(commitment)
    };
    let commitment = block_on(calls).expect("the relay is honest");
    let mut texts = vec![
        vec![commitment.lock_id.to_string()],
        vec![request.id.to_string()],
        vec![signature.to_string()],
        vec![commitment.ccm_attestation.signature.to_string()],
        vec![AMOUNT.to_string(), format!("{AMOUNT:x}"), format!("{AMOUNT:X}")],
    ];
    for party in [&parties.owner, &parties.beneficiary, &parties.arbiter] {
        let address = party.address().to_string();
        texts.push(vec![address.to_lowercase(), address]);
    }
    let words = "\"health\" commitLock getLock\" getBalance getActiveLocks releaseLock healthy\" \
                 lockedAmount smartAccount claimIndex";
    texts.extend(words.split_whitespace().map(|word| vec![word.to_owned()]));
    texts
}

/// The windows of the texts that occur in the capture.
fn found(texts: &[String], capture: &[u8]) -> Vec<String> {
    let windows = texts.iter().flat_map(|text| text.as_bytes().windows(WINDOW));
    let wanted: std::collections::BTreeSet<&[u8]> = windows.collect();
    let hits = capture.windows(WINDOW).filter(|window| wanted.contains(window));
    hits.map(|window| String::from_utf8_lossy(window).into_owned()).collect()
}

fn capture(carried: &Carried) -> Vec<u8> {
    [carried.relay.seen(Direction::In), carried.relay.seen(Direction::Out)].concat().concat()
}

#[test]
fn capture_of_a_sealed_session_contains_no_part_of_requests_or_answers() {
    let carried = Carried::start();
    let texts = session(&carried.sealed_client(), &carried.parties()).concat();
    let capture = capture(&carried);
    assert!(capture.len() > 8 * 1024);
    assert_eq!(found(&texts, &capture), Vec::<String>::new());
}

/// Control for the test above: the same session in clear contains every text.
#[test]
fn capture_of_the_same_session_in_clear_contains_all_of_them() {
    let carried = Carried::start();
    let texts = session(&carried.client(Channel::Off), &carried.parties());
    let capture = capture(&carried);
    for ways in texts {
        assert!(!found(&ways, &capture).is_empty(), "{ways:?}");
    }
}

#[test]
fn only_the_attestation_request_is_in_clear_and_messages_are_padded() {
    let carried = Carried::start();
    session(&carried.sealed_client(), &carried.parties());
    for (way, overhead) in [
        (Direction::In, CHANNEL_REQUEST_OVERHEAD_BYTES),
        (Direction::Out, CHANNEL_ANSWER_OVERHEAD_BYTES),
    ] {
        let seen = carried.relay.seen(way);
        let (first, rest) = seen.split_first().expect("there was a session");
        assert!(!is_channel(first));
        let text = String::from_utf8_lossy(first);
        assert!(text.contains("getAttestation") || text.contains("awsAttestationDocument"));
        assert!(rest.len() >= 6);
        for message in rest {
            assert!(is_channel(message));
            assert_eq!((message.len() - overhead) % CHANNEL_PAD_BYTES, 0);
        }
    }
}
