//! Promises in an insecure mode: refused by name unless the caller allows the mode.

use super::{honest, owner};
use crate::check::{self, CheckError};
use crate::client::Client;
use crate::error::{ClientError, Exit};
use crate::identity::Identity;
use crate::testing::{Server, new_lock};
use mortise_format::ids::{Bytes32, LockId};
use mortise_format::insecure_mode::InsecureMode;
use mortise_rpc::params::CancelLock;
use mortise_verify::SignerError;
use mortise_verify::commitment::CommitmentError;
use mortise_verify::insecure::InsecureModeError;
use mortise_verify::json::JsonError;

const LOCK: LockId = LockId([1; 32]);

async fn server_in(mode: InsecureMode) -> Server {
    let server = Server::http(honest).await;
    server.engine.mode.set(mode).unwrap();
    server
}

async fn cancel(client: &Client, identity: Identity) -> CancelLock {
    let request = client.new_request().await.unwrap();
    owner().cancel(&identity.engine_id, LOCK, request, None)
}

fn other(mode: InsecureMode) -> InsecureMode {
    match mode {
        InsecureMode::Debug => InsecureMode::Emulated,
        InsecureMode::Emulated => InsecureMode::Debug,
    }
}

#[tokio::test]
async fn insecure_commitment_is_refused_unless_its_mode_is_allowed() {
    for mode in InsecureMode::ALL {
        let server = server_in(mode).await;
        for client in [server.client(), server.client().allow_insecure(other(mode))] {
            let error = client.commit(&owner(), &new_lock()).await.unwrap_err();
            let named = CheckError::Commitment(CommitmentError::InsecureMode(mode.into()));
            assert!(matches!(error, ClientError::Check(found) if found == named), "{error:?}");
            assert_eq!(error.exit(), Exit::Refused);
            assert!(error.to_string().contains("does not bind the engine"), "{error}");
        }
        let client = server.client().allow_insecure(mode);
        let committed = client.commit(&owner(), &new_lock()).await.unwrap();
        assert_eq!(committed.commitment.ccm_attestation.mode, Some(mode));
    }
}

#[tokio::test]
async fn insecure_outcome_is_refused_unless_its_mode_is_allowed() {
    for mode in InsecureMode::ALL {
        let server = server_in(mode).await;
        for client in [server.client(), server.client().allow_insecure(other(mode))] {
            let asked = cancel(&client, server.engine.identity()).await;
            let error = client.cancel_lock(asked).await.unwrap_err();
            let named = CheckError::InsecureMode(mode.into());
            assert!(matches!(error, ClientError::Check(found) if found == named), "{error:?}");
        }
        let client = server.client().allow_insecure(mode);
        let asked = cancel(&client, server.engine.identity()).await;
        let ended = client.cancel_lock(asked).await.unwrap();
        assert_eq!(ended.outcome.mode, Some(mode));
    }
}

#[tokio::test]
async fn mode_removed_from_a_commitment_leaves_no_valid_signature() {
    let server = server_in(InsecureMode::Debug).await;
    let client = server.client().allow_insecure(InsecureMode::Debug);
    let engine = server.engine.identity();
    let mut view = client.commit(&owner(), &new_lock()).await.unwrap().commitment;
    let refused = CommitmentError::InsecureMode(InsecureModeError::DebugMode);
    assert_eq!(check::promise(&engine, &view), Err(refused.into()));
    view.ccm_attestation.mode = None;
    assert_eq!(check::promise(&engine, &view), Err(JsonError::Commitment.into()));
    view.ccm_attestation.commitment_hash = Bytes32(view.digest(&engine.engine_id).0);
    let refused = check::promise(&engine, &view);
    let by_no_one = matches!(
        refused,
        Err(CheckError::Commitment(CommitmentError::Signature(SignerError::Signer { .. })))
    );
    assert!(by_no_one, "{refused:?}");
}

#[tokio::test]
async fn mode_removed_from_an_outcome_leaves_no_valid_signature() {
    let server = server_in(InsecureMode::Emulated).await;
    let client = server.client().allow_insecure(InsecureMode::Emulated);
    let engine = server.engine.identity();
    let mut ended = client.cancel_lock(cancel(&client, engine).await).await.unwrap();
    let receipt = check::receipt(&engine, &ended.receipt).unwrap();
    let found = check::outcome(&engine, None, &ended, &LOCK, &receipt);
    assert_eq!(found, Err(InsecureModeError::Emulated.into()));
    ended.outcome.mode = None;
    let found = check::outcome(&engine, None, &ended, &LOCK, &receipt);
    assert_eq!(found, Err(CheckError::Digest));
    ended.data_hash = Bytes32(ended.outcome.digest(&engine.engine_id).unwrap().0);
    let found = check::outcome(&engine, None, &ended, &LOCK, &receipt);
    assert!(matches!(found, Err(CheckError::Signature(SignerError::Signer { .. }))), "{found:?}");
}

#[tokio::test]
async fn binding_promise_is_accepted_whatever_mode_is_allowed() {
    let server = Server::http(honest).await;
    let client = server.client().allow_insecure(InsecureMode::Debug);
    let committed = client.commit(&owner(), &new_lock()).await.unwrap();
    assert_eq!(committed.commitment.ccm_attestation.mode, None);
    assert!(check::promise(&server.engine.identity(), &committed.commitment).is_ok());
}
