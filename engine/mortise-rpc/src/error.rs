//! The error object of an answer, built from the catalogue and from the failure.

use super::fields::ParamError;
use super::json::JsonError;
use alloc::string::{String, ToString};
use mortise_format::errors::Code;
use mortise_format::reject::{Field, Reject};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `{code, message, data{name, retryable, hint, ...}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorObject {
    /// The number of the catalogue.
    pub code: i32,
    /// Text for people.
    pub message: String,
    /// For programs: `name`, `retryable`, `hint`, and the fields that the catalogue lists.
    #[serde(default)]
    pub data: Map<String, Value>,
}

impl ErrorObject {
    /// The catalogue's entry, without values.
    pub fn new(code: Code) -> Self {
        let mut data = Map::new();
        data.insert("name".to_string(), code.name().into());
        data.insert("retryable".to_string(), code.retryable().into());
        data.insert("hint".to_string(), code.hint().into());
        Self { code: code.code(), message: code.meaning().to_string(), data }
    }

    /// Adds a field of `data`.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.data.insert(field.to_string(), value.into());
        self
    }

    /// Replaces the text for people.
    #[must_use]
    pub fn with_message(mut self, message: impl ToString) -> Self {
        self.message = message.to_string();
        self
    }

    /// The catalogue's entry, if the code is in the catalogue.
    pub fn entry(&self) -> Option<Code> {
        Code::by_code(self.code)
    }

    /// True when the same bytes, sent again later, may succeed.
    pub fn retryable(&self) -> bool {
        self.data.get("retryable").and_then(Value::as_bool).unwrap_or(false)
    }

    /// A field of `data` as text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.data.get(field).and_then(Value::as_str)
    }

    /// A field of `data` as number.
    pub fn number(&self, field: &str) -> Option<u64> {
        self.data.get(field).and_then(Value::as_u64)
    }

    /// -32601 with the method's name.
    pub fn method_not_found(method: &str) -> Self {
        let shown: String = method.chars().filter(char::is_ascii_graphic).take(64).collect();
        Self::new(Code::MethodNotFound).with("method", shown)
    }

    /// -32028 with the phase.
    pub fn not_ready(phase: &str) -> Self {
        Self::new(Code::NotReady).with("final", false).with("phase", phase)
    }

    /// -32029 with the time to wait.
    pub fn overloaded(retry_after_ms: u64) -> Self {
        let error = Self::new(Code::Overloaded).with("final", false);
        error.with("retryAfterMs", retry_after_ms)
    }
}

impl From<&ParamError> for ErrorObject {
    fn from(error: &ParamError) -> Self {
        let code = match error {
            ParamError::UnknownField { .. } => Code::UnknownField,
            ParamError::Missing { .. } | ParamError::Wrong { .. } => Code::InvalidParams,
        };
        Self::new(code).with_message(error).with("field", error.field())
    }
}

impl From<ParamError> for ErrorObject {
    fn from(error: ParamError) -> Self {
        Self::from(&error)
    }
}

impl From<JsonError> for ErrorObject {
    fn from(error: JsonError) -> Self {
        Self::new(Code::ParseError).with_message(error)
    }
}

impl From<&Reject> for ErrorObject {
    /// Has the fields that the reject knows. The session adds those that only the request knows
    /// (`lockId`, `nonce`).
    fn from(reject: &Reject) -> Self {
        let is_final = reject.is_final();
        let error = Self::new(reject.code()).with("final", is_final).with("retryable", !is_final);
        match *reject {
            Reject::LockNotFound
            | Reject::InvalidSignature
            | Reject::LockExpired
            | Reject::Unauthorized
            | Reject::NonceUsed
            | Reject::ForcedWithdrawal => error,
            Reject::Validation(field) | Reject::RequestIdReused(field) => {
                error.with("field", field.name())
            }
            Reject::InsufficientAvailable { total, held, available, requested } => error
                .with("total", total.to_decimal())
                .with("held", held.to_decimal())
                .with("available", available.to_decimal())
                .with("requested", requested.to_decimal()),
            Reject::ClaimAhead { next } => {
                error.with("field", Field::ClaimIndex.name()).with("next", next)
            }
            Reject::ExpiryWindow { min, max } | Reject::ExpiryTooEarly { min, max } => {
                error.with("min", min).with("max", max)
            }
            Reject::ResetPeriodTooShort { latest } => error.with("have", latest),
            Reject::UnsupportedChain(chain_id) => error.with("chainId", chain_id),
            Reject::Limit(limit, max) => {
                error.with("which", limit.name()).with("max", max.to_decimal())
            }
            Reject::AlreadyTerminal(status) => error.with("status", status.name()),
            Reject::ConsentRequired(party) => error.with("from", party.name()),
            Reject::ClaimExceeds { leg, remaining } => {
                error.with("leg", leg).with("remaining", remaining.to_decimal())
            }
            Reject::StaleFacts { age, max } => error.with("age", age).with("maxAge", max),
            Reject::ProofInvalid => error.with("step", "evidence"),
            Reject::NonceNotFree { fault, next, oldest_hour, newest_hour } => error
                .with("why", fault.name())
                .with("next", next.to_string())
                .with("oldestHour", oldest_hour)
                .with("newestHour", newest_hour),
        }
    }
}

impl From<Reject> for ErrorObject {
    fn from(reject: Reject) -> Self {
        Self::from(&reject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use mortise_format::amount::U256;
    use mortise_format::lock::Status;
    use mortise_format::reject::{Field, Limit, NonceFault, Party};
    use serde_json::json;

    #[test]
    fn rejects_carry_the_fields_that_the_catalogue_names() {
        let one = U256::ONE;
        let rejects = [
            (Reject::Validation(Field::Owner), json!({"field": "owner"})),
            (Reject::RequestIdReused(Field::Amounts), json!({"field": "amounts"})),
            (
                Reject::InsufficientAvailable {
                    total: one,
                    held: U256::ZERO,
                    available: one,
                    requested: U256::MAX,
                },
                json!({"total": "1", "held": "0", "available": "1",
                       "requested": U256::MAX.to_decimal()}),
            ),
            (Reject::ExpiryWindow { min: 1, max: 2 }, json!({"min": 1, "max": 2})),
            (Reject::Limit(Limit::Rate, one), json!({"which": "rate"})),
            (Reject::AlreadyTerminal(Status::Released), json!({"status": "RELEASED"})),
            (Reject::ConsentRequired(Party::Beneficiary), json!({"from": "beneficiary"})),
            (Reject::ClaimExceeds { leg: 1, remaining: one }, json!({"remaining": "1"})),
            (Reject::StaleFacts { age: 9, max: 8 }, json!({"age": 9, "maxAge": 8})),
            (Reject::UnsupportedChain(5), json!({"chainId": 5})),
            (Reject::ProofInvalid, json!({"step": "evidence"})),
            (
                Reject::NonceNotFree {
                    fault: NonceFault::TooOld,
                    next: 500_000 << 32,
                    oldest_hour: 499_975,
                    newest_hour: 500_000,
                },
                json!({"why": "tooOld", "next": "2147483648000000",
                       "oldestHour": 499_975, "newestHour": 500_000}),
            ),
        ];
        for (reject, expected) in rejects {
            let error = ErrorObject::from(reject);
            assert_eq!(error.code, reject.code().code());
            assert_eq!(error.text("name"), Some(reject.code().name()));
            for (field, value) in expected.as_object().unwrap() {
                assert_eq!(error.data.get(field), Some(value), "{reject:?}");
                assert!(reject.code().data().contains(&field.as_str()), "{field}");
            }
        }
    }

    #[test]
    fn every_catalogue_entry_makes_an_error_that_reads_back() {
        for code in Code::all() {
            let error = ErrorObject::new(*code);
            let bytes: Vec<u8> = serde_json::to_vec(&error).unwrap();
            let back: ErrorObject = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(back, error);
            assert_eq!(back.entry(), Some(*code));
            assert_eq!(back.retryable(), code.retryable());
        }
    }
}
