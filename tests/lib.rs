//! The integration suite lives in `suite/`; this library is empty.
