//! Goal: keys and texts survive for the measured code and for nobody else, through a real key
//! service. Method: the client of the enclave over the software module, real TLS, real signatures
//! and real Recipient against the local key service; then with each part of it wrong, and with a
//! parent that lies on the way.

mod app;
mod blobs;
mod command;
mod keys;
mod line;
mod plain;
mod rig;
mod secrets;
