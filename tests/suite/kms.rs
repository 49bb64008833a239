//! Goal: only the measured code can decrypt its keys and the application's texts, through a real
//! key service.
//!
//! Method: the enclave's client over the software module, with real TLS, signatures and Recipient
//! documents, against the local key service; then with each part wrong, and with a parent that
//! tampers with the connection.

mod app;
mod blobs;
mod command;
mod keys;
mod line;
mod plain;
mod planted;
mod rig;
mod secrets;
