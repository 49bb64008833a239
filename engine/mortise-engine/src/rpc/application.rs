//! The methods of the application. Only `kmsDecrypt` needs a signature: that of the owner to which
//! the key is wrapped.

use super::reply::{Answered, closed, json, serving};
use crate::app::{App, AppError, Caller, Message};
use crate::handle::EngineHandle;
use crate::phase::Phase;
use mortise_format::errors::Code;
use mortise_format::ids::{Address, EngineId};
use mortise_format::limits::REQUEST_VALID_MS_MAX;
use mortise_format::secp256k1::recover;
use mortise_rpc::ErrorObject;
use mortise_rpc::params::{KmsDecrypt, KmsEncrypt, KmsGenerateDataKey, KmsGenerateRandom};

/// The application, for both forms, once the answer has its room. It opens with the engine: an
/// image that may not serve, such as one that is not approved, encrypts and decrypts nothing
/// either.
pub fn app(handle: &EngineHandle) -> Result<&App, ErrorObject> {
    let app = handle.app().ok_or_else(|| refused(&AppError::Unavailable))?;
    handle.reserve().map_err(closed)?;
    match handle.phase() {
        Phase::Ready => Ok(app),
        Phase::Fault { .. } => Err(ErrorObject::new(Code::Fault)),
        phase => Err(ErrorObject::not_ready(phase.name())),
    }
}

fn caller(handle: &EngineHandle, owner: Option<Address>) -> Caller<'static> {
    Caller { share: handle.caller(), owner, credentials: None }
}

fn refused(error: &AppError) -> ErrorObject {
    tracing::info!(outcome = error.code().name(), "an application call was refused");
    ErrorObject::from(error)
}

fn answered<T: serde::Serialize>(result: Result<T, AppError>) -> Answered {
    result.map(|result| json(&result)).map_err(|error| refused(&error))
}

pub(super) async fn encrypt(handle: &EngineHandle, params: KmsEncrypt) -> Answered {
    let KmsEncrypt { text, owner } = params;
    answered(app(handle)?.encrypt(text, caller(handle, Some(owner))).await)
}

pub(super) async fn decrypt(handle: &EngineHandle, params: KmsDecrypt) -> Answered {
    let app = app(handle)?;
    let engine_id = serving(handle)?.identity.engine_id;
    let now_ms = app.now_ms().map_err(|_| ErrorObject::new(Code::InternalError))?;
    authorize(&params, &engine_id, now_ms)?;
    let caller = caller(handle, Some(params.owner));
    let message = Message { sealed: params.message, wrapped: params.ciphertext_blob };
    answered(app.decrypt(message, caller).await)
}

pub(super) async fn generate_data_key(
    handle: &EngineHandle,
    params: KmsGenerateDataKey,
) -> Answered {
    let caller = caller(handle, Some(params.owner));
    answered(app(handle)?.generate_data_key(caller).await)
}

pub(super) async fn random(handle: &EngineHandle, params: KmsGenerateRandom) -> Answered {
    answered(app(handle)?.random(params.bytes, caller(handle, None)).await)
}

/// Checks that the owner signed exactly this request and that it has not expired. The first failing
/// check names the error.
fn authorize(params: &KmsDecrypt, engine_id: &EngineId, now_ms: u64) -> Result<(), ErrorObject> {
    let latest_s = now_ms.saturating_add(REQUEST_VALID_MS_MAX) / 1000;
    if params.valid_until < now_ms / 1000 || params.valid_until > latest_s {
        return Err(ErrorObject::new(Code::Validation).with("field", "validUntil"));
    }
    let digest = params.request().digest(engine_id);
    match recover(&digest, &params.owner_signature) {
        Err(_) => Err(ErrorObject::new(Code::InvalidSignature)),
        Ok(signer) if signer != params.owner => Err(ErrorObject::new(Code::Unauthorized)),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{AppConfig, plain};
    use crate::phase::{Bounds, PhaseCell};
    use crate::ports::{
        AppKeys, Clock, ClockError, EncryptionContext, Entropy, PortFuture, SecretBytes, VaultError,
    };
    use mortise_format::ids::Signature;
    use mortise_format::limits::{
        APP_CALLS_BURST_MAX, APP_CALLS_PER_SECOND_MAX, APP_IN_FLIGHT_MAX,
    };
    use mortise_format::secp256k1::Signer;
    use mortise_rpc::Base64;
    use mortise_rpc::credentials::Credentials;
    use mortise_rpc::params::PlainText;
    use serde_json::{Value, json};
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    const ENGINE: EngineId = EngineId([7; 32]);
    const NOW_MS: u64 = 1_800_000_000_000;

    fn signed(change: impl Fn(&mut KmsDecrypt)) -> (Result<(), ErrorObject>, KmsDecrypt) {
        let signer = Signer::from_bytes(&[3; 32]).unwrap();
        let mut params = KmsDecrypt {
            owner: signer.address(),
            message: None,
            ciphertext_blob: Base64(vec![1, 2, 3]),
            valid_until: NOW_MS / 1000 + 60,
            owner_signature: Signature::ZERO,
        };
        params.owner_signature = signer.sign(&params.request().digest(&ENGINE));
        change(&mut params);
        (authorize(&params, &ENGINE, NOW_MS), params)
    }

    #[test]
    fn only_the_owner_that_signed_exactly_this_request_is_served() {
        assert_eq!(signed(|_| ()).0, Ok(()));
        let code = |change: &dyn Fn(&mut KmsDecrypt)| signed(change).0.unwrap_err().entry();
        let unauthorized = Some(Code::Unauthorized);
        assert_eq!(code(&|p| p.owner = Address([9; 20])), unauthorized);
        assert_eq!(code(&|p| p.ciphertext_blob.0[0] ^= 1), unauthorized);
        assert_eq!(code(&|p| p.valid_until += 1), unauthorized);
        let other = authorize(&signed(|_| ()).1, &EngineId([8; 32]), NOW_MS).unwrap_err();
        assert_eq!(other.entry(), unauthorized);
        assert_eq!(code(&|p| p.owner_signature.0[64] = 5), Some(Code::InvalidSignature));
    }

    /// Keys, clock and entropy of an application that is always there.
    #[derive(Default)]
    struct Fake {
        /// No random bytes arrive.
        is_silent: bool,
    }

    impl Clock for Fake {
        fn now_ms(&self) -> Result<u64, ClockError> {
            Ok(NOW_MS)
        }
    }

    impl Entropy for Fake {
        fn fill(&self, out: &mut [u8]) {
            out.fill(7);
        }
    }

    impl AppKeys for Fake {
        fn data_key<'a>(
            &'a self,
            _: &'a EncryptionContext,
            _: Option<&'a Credentials>,
        ) -> PortFuture<'a, Result<(SecretBytes, Vec<u8>), VaultError>> {
            Box::pin(std::future::ready(Ok((SecretBytes::new(vec![1; 32]), vec![2]))))
        }

        fn open<'a>(
            &'a self,
            _: &'a [u8],
            _: &'a EncryptionContext,
            _: Option<&'a Credentials>,
        ) -> PortFuture<'a, Result<SecretBytes, VaultError>> {
            Box::pin(std::future::ready(Ok(SecretBytes::new(vec![1; 32]))))
        }

        fn random<'a>(
            &'a self,
            count: usize,
            _: Option<&'a Credentials>,
        ) -> PortFuture<'a, Result<SecretBytes, VaultError>> {
            match self.is_silent {
                true => Box::pin(std::future::pending()),
                false => Box::pin(std::future::ready(Ok(SecretBytes::new(vec![3; count])))),
            }
        }
    }

    fn handle() -> (Arc<PhaseCell>, EngineHandle) {
        handle_with(Arc::default())
    }

    fn handle_with(fake: Arc<Fake>) -> (Arc<PhaseCell>, EngineHandle) {
        let phase = Arc::new(PhaseCell::default());
        let (clock, entropy) = (Arc::clone(&fake), Arc::clone(&fake));
        let app = App::new(fake, clock, entropy, AppConfig::default());
        let handle = EngineHandle::new(Arc::clone(&phase), Bounds::default(), "attested");
        (phase, handle.with_app(Some(app)))
    }

    /// Goal: every call of both forms is refused by name before the engine serves and in a fault.
    #[tokio::test]
    async fn application_opens_with_the_engine() {
        let owner = Address([9; 20]);
        let text = || PlainText::new("text".into()).unwrap();
        let code = |answered: Answered| answered.err().and_then(|error| error.entry());
        let (phase, handle) = handle();
        for (next, expected) in [
            (Phase::Starting, Some(Code::NotReady)),
            (Phase::Replaying(1, 2), Some(Code::NotReady)),
            (Phase::Ready, None),
            (Phase::Stopping, Some(Code::NotReady)),
            (Phase::Fault { name: "IMAGE_NOT_APPROVED", why: String::new() }, Some(Code::Fault)),
        ] {
            phase.enter(next);
            let params = KmsEncrypt { text: text(), owner };
            assert_eq!(code(encrypt(&handle, params).await), expected);
            let key = KmsGenerateDataKey { owner };
            assert_eq!(code(generate_data_key(&handle, key).await), expected);
            let random = KmsGenerateRandom { bytes: 3 };
            assert_eq!(code(super::random(&handle, random).await), expected);
            for request in [
                json!({"message": "text"}),
                json!({"operation": "genkey"}),
                json!({"operation": "generate-random"}),
            ] {
                let answer = plain::answer(app(&handle), handle.caller(), request).await;
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                let name = expected.map(|code| json!(code.name())).unwrap_or_default();
                assert_eq!(answer["error"]["data"]["name"], name, "{answer}");
            }
        }
    }

    #[tokio::test]
    async fn calls_beyond_the_quota_are_told_when_to_come_back() {
        let (phase, handle) = handle();
        phase.enter(Phase::Ready);
        let flood = async |handle: &EngineHandle| {
            let mut taken = 0;
            loop {
                match random(handle, KmsGenerateRandom { bytes: 1 }).await {
                    Ok(_) => taken += 1,
                    Err(error) => break (taken, error),
                }
            }
        };
        let (taken, error) = flood(&handle).await;
        assert!(taken >= APP_CALLS_BURST_MAX / 2, "half of the quota is for the first caller");
        assert_eq!(error.entry(), Some(Code::Overloaded));
        let (others, _) = flood(&handle.for_connection()).await;
        assert!(others >= APP_CALLS_BURST_MAX / 8, "the next caller has an eighth: {others}");
        let wait = serde_json::to_value(&error).unwrap()["data"]["retryAfterMs"].as_u64();
        assert!((1..=1000 / APP_CALLS_PER_SECOND_MAX).contains(&wait.unwrap()));
    }

    #[test]
    fn signature_is_valid_until_its_time_and_for_a_day_at_most() {
        for (valid_until, is_refused) in [
            (NOW_MS / 1000 - 1, true),
            (NOW_MS / 1000, false),
            (NOW_MS / 1000 + 86_400, false),
            (NOW_MS / 1000 + 86_401, true),
            (u64::MAX, true),
        ] {
            let error = signed(|p| p.valid_until = valid_until).0.err();
            let field = error.as_ref().and_then(|error| error.text("field"));
            assert_eq!(field == Some("validUntil"), is_refused, "{valid_until}");
        }
    }

    /// Goal: calls in flight are bounded over all connections. Method: keys that never arrive.
    #[tokio::test]
    async fn calls_in_flight_of_all_callers_are_bounded() {
        let (phase, handle) = handle_with(Arc::new(Fake { is_silent: true }));
        phase.enter(Phase::Ready);
        let mut waiting = Vec::new();
        for _ in 0..2 * APP_IN_FLIGHT_MAX {
            let caller = handle.for_connection();
            let mut call = Box::pin(async move {
                random(&caller, KmsGenerateRandom { bytes: 1 }).await.unwrap_err()
            });
            match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => waiting.push(call),
                Poll::Ready(error) => assert_eq!(error.entry(), Some(Code::Overloaded)),
            }
        }
        assert_eq!(waiting.len(), APP_IN_FLIGHT_MAX);
    }
}
