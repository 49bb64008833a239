//! Configuration of the key service: keys, host, roots, timeouts.
//!
//! In the enclave all of it is measured: a changed key or root changes PCR0. For that reason
//! nothing here comes from the environment or the parent.

use super::arn::KeyArn;
use super::roots::TrustRoots;
use rustls_pki_types::ServerName;
use std::time::Duration;

/// Why a configuration is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyServiceError {
    /// The engine's key and the application's are in different regions.
    #[error("the engine's key is in {engine}, the application's in {app}: one region serves both")]
    RegionMismatch {
        /// Region of the engine's key.
        engine: String,
        /// Region of the application's key.
        app: String,
    },
    /// Both keys are the same, so the application could unwrap the engine's keys.
    #[error("the engine and the application have the same key")]
    SameKey,
    /// The host is not a DNS name.
    #[error("the host of the key service is not a DNS name")]
    Host,
    /// A timeout is zero, or no attempt is allowed.
    #[error("a timeout or the number of attempts is zero")]
    ZeroBound,
    /// The crypto library does not support a requested algorithm.
    #[error("TLS 1.2 and 1.3 cannot be set up with the built-in library")]
    Tls,
}

/// Timeouts and retries of the client.
///
/// Only throttling, internal errors of the service and broken connections are retried
/// (`specs/kms-and-keys.md`); a rejection is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Timeout of the connection and its TLS handshake.
    pub connect: Duration,
    /// Timeout from the request to the last byte of its answer.
    pub answer: Duration,
    /// Timeout of a whole call, attempts and pauses included.
    pub overall: Duration,
    /// Longest wait for credentials of the parent when there are none or they have expired.
    pub credentials: Duration,
    /// Maximum attempts of a call.
    pub attempts_max: u32,
    /// Upper bound of the first pause; it doubles with each attempt.
    pub pause_first: Duration,
    /// Upper bound of every pause.
    pub pause_max: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            overall: Duration::from_secs(30),
            credentials: Duration::from_secs(5),
            attempts_max: 5,
            pause_first: Duration::from_millis(100),
            pause_max: Duration::from_secs(3),
        }
    }
}

/// The checked configuration of the key service.
#[derive(Debug, Clone)]
pub struct KmsConfig {
    engine_key: KeyArn,
    app_key: KeyArn,
    host: ServerName<'static>,
    roots: TrustRoots,
    timeouts: Timeouts,
}

impl KmsConfig {
    /// The public service of the keys' region, under Amazon's roots.
    ///
    /// # Errors
    /// `RegionMismatch`, `SameKey`.
    pub fn new(engine_key: KeyArn, app_key: KeyArn) -> Result<Self, KeyServiceError> {
        if engine_key == app_key {
            return Err(KeyServiceError::SameKey);
        }
        if engine_key.region() != app_key.region() {
            let (engine, app) = (engine_key.region().to_owned(), app_key.region().to_owned());
            return Err(KeyServiceError::RegionMismatch { engine, app });
        }
        let host = parse_host(engine_key.service_host())?;
        let (roots, timeouts) = (TrustRoots::amazon(), Timeouts::default());
        Ok(Self { engine_key, app_key, host, roots, timeouts })
    }

    /// Sets another host name, for requests and the certificate.
    ///
    /// # Errors
    /// `Host`.
    pub fn with_host(self, host: &str) -> Result<Self, KeyServiceError> {
        Ok(Self { host: parse_host(host.to_owned())?, ..self })
    }

    /// Replaces Amazon's roots.
    #[must_use]
    pub fn with_roots(self, roots: TrustRoots) -> Self {
        Self { roots, ..self }
    }

    /// Sets other timeouts.
    ///
    /// # Errors
    /// `ZeroBound`.
    pub fn with_timeouts(self, timeouts: Timeouts) -> Result<Self, KeyServiceError> {
        let Timeouts { connect, answer, overall, .. } = timeouts;
        let zero = [connect, answer, overall].iter().any(Duration::is_zero);
        if zero || timeouts.attempts_max == 0 {
            return Err(KeyServiceError::ZeroBound);
        }
        Ok(Self { timeouts, ..self })
    }

    /// The master key of the engine.
    pub fn engine_key(&self) -> &KeyArn {
        &self.engine_key
    }

    /// The master key of the application.
    pub fn app_key(&self) -> &KeyArn {
        &self.app_key
    }

    /// The region of both keys.
    pub fn region(&self) -> &str {
        self.engine_key.region()
    }

    /// The host name in requests and in the certificate.
    pub fn host(&self) -> String {
        self.host.to_str().into_owned()
    }

    /// Timeouts and retries.
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// The host name as a TLS server name.
    pub fn server_name(&self) -> ServerName<'static> {
        self.host.clone()
    }

    /// The roots that must issue the service's certificate.
    pub fn roots(&self) -> &TrustRoots {
        &self.roots
    }
}

/// Accepts only DNS names: a certificate for an IP address would not identify a service.
fn parse_host(host: String) -> Result<ServerName<'static>, KeyServiceError> {
    match ServerName::try_from(host) {
        Ok(name @ ServerName::DnsName(_)) => Ok(name),
        _ => Err(KeyServiceError::Host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(region: &str, id: &str) -> KeyArn {
        format!("arn:aws:kms:{region}:123456789012:key/{id}").parse().unwrap()
    }

    #[test]
    fn defaults_are_the_public_service_under_the_roots_of_amazon() {
        let config = KmsConfig::new(arn("eu-west-1", "a"), arn("eu-west-1", "b")).unwrap();
        assert_eq!(config.host(), "kms.eu-west-1.amazonaws.com");
        assert_eq!(config.region(), "eu-west-1");
        assert_eq!(config.roots().count(), 5);
        assert_eq!(config.with_host("kms.test").unwrap().host(), "kms.test");
    }

    #[test]
    fn every_wrong_configuration_is_refused_by_name() {
        let one = arn("eu-west-1", "a");
        let refused = KmsConfig::new(one.clone(), one.clone()).unwrap_err();
        assert_eq!(refused, KeyServiceError::SameKey);
        let refused = KmsConfig::new(one.clone(), arn("us-east-1", "a")).unwrap_err();
        let (engine, app) = ("eu-west-1".to_owned(), "us-east-1".to_owned());
        assert_eq!(refused, KeyServiceError::RegionMismatch { engine, app });
        let config = KmsConfig::new(one, arn("eu-west-1", "b")).unwrap();
        for host in ["", "127.0.0.1", "::1", "a b", "a/b", "kms.test:443"] {
            let refused = config.clone().with_host(host).unwrap_err();
            assert_eq!(refused, KeyServiceError::Host, "{host}");
        }
        let timeouts = Timeouts { attempts_max: 0, ..Timeouts::default() };
        assert_eq!(config.clone().with_timeouts(timeouts).unwrap_err(), KeyServiceError::ZeroBound);
        let timeouts = Timeouts { answer: Duration::ZERO, ..Timeouts::default() };
        assert_eq!(config.with_timeouts(timeouts).unwrap_err(), KeyServiceError::ZeroBound);
    }
}
