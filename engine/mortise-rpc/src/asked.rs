//! A call with the `ReadRequest` that comes with it.

use crate::call::{Call, Method};
use crate::error::ErrorObject;
use crate::fields::{Item, ParamError};
use mortise_format::ids::{Address, Signature};
use mortise_format::read_request::ReadRequest;
use serde_json::Value;

params! {
    /// The parameter `read`: a reader, and what it signed. The other fields of the `ReadRequest`
    /// are those of the call.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SignedRead {
        /// Who reads.
        reader: Address = required("reader", Item::address);
        /// Whole seconds since the Unix epoch.
        valid_until: u64 = required("validUntil", Item::number);
        /// The reader's signature.
        signature: Signature = required("signature", Item::signature);
    }
}

/// A call, and whom it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The call.
    pub call: Call,
    /// Who reads, not checked yet.
    pub read: Option<SignedRead>,
}

impl Asked {
    /// Parses a call by the method's name.
    ///
    /// # Errors
    /// METHOD_NOT_FOUND, UNKNOWN_FIELD, INVALID_PARAMS. A method that shows the same to everyone
    /// does not know the field `read`.
    pub fn by_name(name: &str, mut params: Value) -> Result<Self, ErrorObject> {
        let method = Method::from_name(name).ok_or_else(|| ErrorObject::method_not_found(name))?;
        let read = match params.as_object_mut() {
            Some(fields) if method.takes_read() => fields.remove("read"),
            _ => None,
        };
        let call = Call::parse(method, &params)?;
        let read = read.filter(|read| !read.is_null()).map(|read| inside(&read)).transpose()?;
        Ok(Self { call, read })
    }

    /// What the reader says that it signed.
    pub fn read_request(&self) -> Option<ReadRequest> {
        let read = self.read.as_ref()?;
        self.call.read_request(read.reader, read.valid_until)
    }
}

/// Parses `read`, with the paths of its fields.
fn inside(read: &Value) -> Result<SignedRead, ParamError> {
    if !read.is_object() {
        return Err(ParamError::wrong("read", "an object"));
    }
    SignedRead::parse(read).map_err(|error| error.inside("read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn read_is_a_parameter_of_the_methods_that_take_it_and_of_no_other() {
        let read =
            SignedRead { reader: Address([1; 20]), valid_until: 7, signature: Signature([3; 65]) };
        for method in Method::ALL {
            let params = json!({"read": read, "surprise": 1});
            let error = Asked::by_name(method.name(), params).unwrap_err();
            let field = if method.takes_read() { "surprise" } else { "read" };
            assert_eq!(error.text("field"), Some(field), "{method:?}");
        }
        let params = json!({"owner": Address([2; 20]), "read": read});
        let asked = Asked::by_name("suggestNonce", params).unwrap();
        assert_eq!(asked.read, Some(read));
        assert_eq!(asked.read_request().unwrap().reader, read.reader);
        let plain = Asked::by_name("suggestNonce", json!({"owner": Address([2; 20])})).unwrap();
        let null = json!({"owner": Address([2; 20]), "read": null});
        assert_eq!(Asked::by_name("suggestNonce", null).as_ref(), Ok(&plain));
        assert_eq!((plain.read_request(), plain.read), (None, None));
    }

    #[test]
    fn what_is_wrong_in_read_is_named_by_its_path() {
        let asked = |read: Value| {
            let params = json!({"owner": Address([2; 20]), "read": read});
            Asked::by_name("getActiveLocks", params).unwrap_err()
        };
        let whole = json!({
            "reader": Address([1; 20]), "validUntil": 7, "signature": Signature([3; 65]),
        });
        for name in ["reader", "validUntil", "signature"] {
            let mut read = whole.clone();
            read.as_object_mut().unwrap().remove(name);
            assert_eq!(asked(read).text("field"), Some(&*alloc::format!("read.{name}")));
            let mut read = whole.clone();
            read[name] = json!([]);
            assert_eq!(asked(read).text("field"), Some(&*alloc::format!("read.{name}")));
        }
        let mut read = whole;
        read["scope"] = json!("0x01");
        assert_eq!(
            (asked(read.clone()).code, asked(read).text("field")),
            (-32031, Some("read.scope"))
        );
        assert_eq!(asked(json!("0x")).text("field"), Some("read"));
    }
}
