//! One row a field: the macros that declare parameter objects.
//!
//! What it is for: a row names the field of the struct, its type, whether JSON must have it, its
//! JSON name and its parser. The struct, the set of known names, the parser and the printer all
//! come from that row, so that they cannot disagree.
//!
//! What it does not do: forms of which a caller names one (`getProof`, `cancelLock`). Those convert
//! from an object of optional fields by hand.
//!
//! Invariants: fields are parsed and printed in the order of the rows. `null` means absent.
//!
//! ```text
//! required("name", parse)             absent: MISSING
//! required("name", parse, print)      the same; printed as what `print` makes of it
//! optional("name", parse)             absent: None; None is not printed
//! optional("name", parse, print)      the same; printed as what `print` makes of it
//! defaulted("name", parse, VALUE)     absent: VALUE; always printed
//! elided("name", parse, VALUE)        absent: VALUE; VALUE is not printed
//! flatten()                           a type with rows of its own, in the same object
//! ```

use super::fields::{Fields, ParamError};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A type that is read from the fields of an object.
pub(crate) trait ReadFields: Sized {
    /// True for the JSON names of its fields.
    fn knows(name: &str) -> bool;

    /// Reads it from an object that has no unknown field.
    fn read(fields: &Fields<'_>) -> Result<Self, ParamError>;
}

/// A type that is printed as fields of an object.
pub(crate) trait WriteFields {
    /// Prints the fields.
    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;
}

/// Prints a value as an object of its own.
pub(crate) struct Object<'a, T>(pub &'a T);

impl<T: WriteFields> Serialize for Object<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.write(&mut map)?;
        map.end()
    }
}

/// Rows of an object: `struct` declares the type and reads and prints it, `impl` reads and prints
/// a type of another module, `read` only reads it.
macro_rules! fields {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($(#[$doc:meta])* $field:ident: $type:ty = $kind:ident($($arg:tt)*);)*
    }) => {
        $(#[$meta])*
        $vis struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        fields! { impl $name { $($field: $type = $kind($($arg)*);)* } }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(
                &self,
                serializer: S,
            ) -> core::result::Result<S::Ok, S::Error> {
                $crate::rows::Object(self).serialize(serializer)
            }
        }
    };
    (impl $name:ident { $($field:ident: $type:ty = $kind:ident($($arg:tt)*);)* }) => {
        fields! { read $name { $($field: $type = $kind($($arg)*);)* } }

        impl $crate::rows::WriteFields for $name {
            fn write<M: serde::ser::SerializeMap>(
                &self,
                map: &mut M,
            ) -> core::result::Result<(), M::Error> {
                $(write_field!(map, &self.$field, $kind($($arg)*));)*
                Ok(())
            }
        }
    };
    (read $name:ident { $($field:ident: $type:ty = $kind:ident($($arg:tt)*);)* }) => {
        impl $crate::rows::ReadFields for $name {
            fn knows(name: &str) -> bool {
                false $(|| knows_field!(name, $type, $kind($($arg)*)))*
            }

            fn read(
                fields: &$crate::fields::Fields<'_>,
            ) -> core::result::Result<Self, $crate::ParamError> {
                $(let $field: $type = read_field!(fields, $kind($($arg)*));)*
                Ok(Self { $($field,)* })
            }
        }
    };
}

/// Rows of the parameters of a method.
macro_rules! params {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($rows:tt)* }) => {
        fields! { $(#[$meta])* $vis struct $name { $($rows)* } }

        impl $name {
            /// Parses the parameters.
            ///
            /// # Errors
            /// See [`ParamError`](crate::ParamError).
            pub fn parse(
                params: &serde_json::Value,
            ) -> core::result::Result<Self, $crate::ParamError> {
                $crate::fields::Fields::read_params(params)
            }
        }
    };
}

macro_rules! knows_field {
    ($name:ident, $type:ty, flatten()) => {
        <$type as $crate::rows::ReadFields>::knows($name)
    };
    ($name:ident, $type:ty, $kind:ident($json:literal $($rest:tt)*)) => {
        $name == $json
    };
}

macro_rules! read_field {
    ($fields:ident, flatten()) => {
        $crate::rows::ReadFields::read($fields)?
    };
    ($fields:ident, required($json:literal, $parse:expr $(, $print:expr)?)) => {
        $fields.required($json, $parse)?
    };
    ($fields:ident, optional($json:literal, $parse:expr $(, $print:expr)?)) => {
        $fields.optional($json, $parse)?
    };
    ($fields:ident, $kind:ident($json:literal, $parse:expr, $value:expr)) => {
        $fields.optional($json, $parse)?.unwrap_or($value)
    };
}

macro_rules! write_field {
    ($map:ident, $value:expr, flatten()) => {
        $crate::rows::WriteFields::write($value, $map)?
    };
    ($map:ident, $value:expr, required($json:literal, $parse:expr, $print:expr)) => {
        $map.serialize_entry($json, &$print($value))?
    };
    ($map:ident, $value:expr, optional($json:literal, $parse:expr)) => {
        if let Some(value) = $value {
            $map.serialize_entry($json, value)?;
        }
    };
    ($map:ident, $value:expr, optional($json:literal, $parse:expr, $print:expr)) => {
        if let Some(value) = $value {
            $map.serialize_entry($json, &$print(value))?;
        }
    };
    ($map:ident, $value:expr, elided($json:literal, $parse:expr, $default:expr)) => {
        if *$value != $default {
            $map.serialize_entry($json, $value)?;
        }
    };
    ($map:ident, $value:expr, $kind:ident($json:literal $($rest:tt)*)) => {
        $map.serialize_entry($json, $value)?
    };
}
