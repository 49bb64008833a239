//! JSON values from untrusted bytes: one value, no repeated keys, bounded depth.
//!
//! `serde_json` alone keeps the last of two equal keys, so that two parsers of one request could
//! see different requests. This parser rejects such a text. Numbers are those of `serde_json`:
//! integers are exact up to 64 bits, and everything else is a float, which no field accepts.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use mortise_format::limits::JSON_DEPTH_MAX;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why bytes are not an accepted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not one JSON value.
    #[error("not one JSON value (line {line}, column {column})")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An object names a key twice.
    #[error("an object has the same key twice")]
    DuplicateKey,
    /// Objects and arrays are nested deeper than `JSON_DEPTH_MAX`.
    #[error("objects and arrays are nested deeper than {JSON_DEPTH_MAX}")]
    TooDeep,
}

/// Parses exactly one value.
///
/// # Errors
/// `Malformed` for anything that is not one JSON value, trailing bytes included; `DuplicateKey`;
/// `TooDeep`.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let reason = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = Checked { left: JSON_DEPTH_MAX, reason: &reason }.deserialize(&mut deserializer);
    let parsed = parsed.and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|e| {
        reason.get().unwrap_or(JsonError::Malformed { line: e.line(), column: e.column() })
    })
}

/// Builds a [`Value`], counting depth and watching for repeated keys.
#[derive(Clone, Copy)]
struct Checked<'a> {
    left: usize,
    reason: &'a Cell<Option<JsonError>>,
}

impl Checked<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => Err(self.refuse(JsonError::TooDeep)),
        }
    }

    fn refuse<E: serde::de::Error>(self, reason: JsonError) -> E {
        self.reason.set(Some(reason));
        E::custom(reason)
    }
}

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner::<A::Error>()?;
        let mut list = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner::<A::Error>()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(inner)?;
            if map.insert(key, value).is_some() {
                return Err(self.refuse(JsonError::DuplicateKey));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use serde_json::json;

    #[test]
    fn one_value_parses_with_exact_integers() {
        let text = br#" {"a":[1,-2,true,null,"x"],"b":18446744073709551615} "#;
        assert_eq!(parse(text), Ok(json!({"a": [1, -2, true, null, "x"], "b": u64::MAX})));
    }

    #[test]
    fn malformed_and_trailing_bytes_are_refused_with_their_position() {
        for bad in ["", "{", "{} {}", "{'a':1}", "nul", "[1,]", "\"\u{1}\"", "01", "NaN", "1e999"] {
            let refused = matches!(parse(bad.as_bytes()), Err(JsonError::Malformed { .. }));
            assert!(refused, "{bad}");
        }
        assert!(matches!(parse(b"\"\xff\""), Err(JsonError::Malformed { .. })));
    }

    #[test]
    fn repeated_key_is_refused_at_any_level() {
        assert_eq!(parse(br#"{"a":1,"a":1}"#), Err(JsonError::DuplicateKey));
        assert_eq!(parse(br#"[{"p":{"a":1,"\u0061":2}}]"#), Err(JsonError::DuplicateKey));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(parse(&nested(JSON_DEPTH_MAX)).is_ok());
        assert_eq!(parse(&nested(JSON_DEPTH_MAX + 1)), Err(JsonError::TooDeep));
        assert_eq!(parse(&vec![b'['; 1 << 20]), Err(JsonError::TooDeep));
    }
}
