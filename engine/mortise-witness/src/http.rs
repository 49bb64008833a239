//! The HTTP endpoint: one route, bounded in bytes and time.

use crate::logs::KnownLogs;
use crate::witness::{Answer, Witness};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use mortise_format::add_checkpoint::SIZE_CONTENT_TYPE;
use mortise_format::limits::WITNESS_REQUEST_BYTES_MAX;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Requests that are answered at the same time; more requests wait.
const REQUESTS_MAX: usize = 64;
/// Timeout for the body of a request.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// Returns the current list of known logs, so that an edit takes effect without a restart.
pub type LogsNow = dyn Fn() -> KnownLogs + Send + Sync;

struct Served {
    witness: Witness,
    logs: Box<LogsNow>,
    permits: Semaphore,
}

/// Serves `POST /add-checkpoint` until `shutdown` resolves, then finishes the open requests.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    witness: Witness,
    logs: Box<LogsNow>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let served = Served { witness, logs, permits: Semaphore::new(REQUESTS_MAX) };
    let router = Router::new().route("/add-checkpoint", post(add_checkpoint));
    let router = router.with_state(Arc::new(served));
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

async fn add_checkpoint(State(served): State<Arc<Served>>, request: Request) -> Response {
    let Ok(_permit) = served.permits.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let reading = to_bytes(request.into_body(), WITNESS_REQUEST_BYTES_MAX);
    let body = match tokio::time::timeout(BODY_TIME_MAX, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let blocking = Arc::clone(&served);
    // The answer waits for the disk: run it on a blocking thread.
    let answering = tokio::task::spawn_blocking(move || {
        blocking.witness.answer(&(blocking.logs)(), &body, time)
    });
    match answering.await {
        Ok(answer) => respond(answer),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn respond(answer: Answer) -> Response {
    let kind = if answer.is_size { SIZE_CONTENT_TYPE } else { "text/plain; charset=utf-8" };
    if answer.status != 200 {
        tracing::info!(status = answer.status, why = answer.body.trim_end(), "not cosigned");
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, kind)], Body::from(answer.body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::MemoryHeads;
    use crate::key::WitnessSigner;

    #[tokio::test]
    async fn request_at_its_limit_is_read_and_one_byte_more_is_413() {
        let signer = WitnessSigner::new("w.example", &[5; 32]).unwrap();
        let witness = Witness::new(signer, Box::new(MemoryHeads::default()));
        let (logs, permits) = (Box::new(KnownLogs::default), Semaphore::new(REQUESTS_MAX));
        let served = Arc::new(Served { witness, logs, permits });
        for (bytes, expected) in [
            (WITNESS_REQUEST_BYTES_MAX, StatusCode::BAD_REQUEST),
            (WITNESS_REQUEST_BYTES_MAX + 1, StatusCode::PAYLOAD_TOO_LARGE),
        ] {
            let request = Request::new(Body::from(vec![b'x'; bytes]));
            let answer = add_checkpoint(State(Arc::clone(&served)), request).await;
            assert_eq!(answer.status(), expected, "{bytes} bytes");
        }
    }
}
