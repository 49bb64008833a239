//! The module of an enclave: `/dev/nsm`.
//!
//! What it is for: the port [`Nsm`] on the driver's library, with an owning handle and a named
//! error for every unexpected answer.
//!
//! What it does not do: parse documents (that library's parser is not for untrusted bytes;
//! `mortise-verify` has one), cache, retry. Each call is one blocking ioctl; the kernel queues
//! calls of several threads.

use aws_nitro_enclaves_nsm_api::api::{Digest, ErrorCode, Request, Response};
use aws_nitro_enclaves_nsm_api::driver::{nsm_exit, nsm_init, nsm_process_request};
use mortise_engine::ports::{AttestRequest, ModuleDescription, Nsm, NsmError, PcrState};

/// Path of the device.
const DEVICE: &str = "/dev/nsm";

/// The module of the enclave in which this process runs. Dropping it closes the device.
#[derive(Debug)]
pub struct NsmDevice {
    descriptor: i32,
}

impl NsmDevice {
    /// Opens the device.
    ///
    /// # Errors
    /// `NoDevice`: this is not an enclave, or its kernel lacks the driver.
    pub fn open() -> Result<Self, NsmError> {
        let descriptor = nsm_init();
        if descriptor < 0 {
            return Err(NsmError::NoDevice(why_not()));
        }
        Ok(Self { descriptor })
    }

    fn request(&self, request: Request) -> Result<Response, NsmError> {
        match nsm_process_request(self.descriptor, request) {
            Response::Error(code) => Err(named(&code)),
            response => Ok(response),
        }
    }
}

impl Drop for NsmDevice {
    fn drop(&mut self) {
        nsm_exit(self.descriptor);
    }
}

impl Nsm for NsmDevice {
    fn describe(&self) -> Result<ModuleDescription, NsmError> {
        description(self.request(Request::DescribeNSM)?)
    }

    fn describe_pcr(&self, index: u16) -> Result<PcrState, NsmError> {
        pcr_state(self.request(Request::DescribePCR { index })?)
    }

    fn extend_pcr(&self, index: u16, data: &[u8]) -> Result<Vec<u8>, NsmError> {
        extended(self.request(Request::ExtendPCR { index, data: data.to_vec() })?)
    }

    fn lock_pcr(&self, index: u16) -> Result<(), NsmError> {
        locked(&self.request(Request::LockPCR { index })?)
    }

    fn random(&self) -> Result<Vec<u8>, NsmError> {
        random_bytes(self.request(Request::GetRandom)?)
    }

    fn attest(&self, request: &AttestRequest) -> Result<Vec<u8>, NsmError> {
        let AttestRequest { user_data, nonce, public_key } = request.clone();
        document(self.request(Request::Attestation {
            user_data: user_data.map(Into::into),
            nonce: nonce.map(Into::into),
            public_key: public_key.map(Into::into),
        })?)
    }
}

/// The library returns -1 without a reason, so this asks the file system.
fn why_not() -> String {
    match std::fs::File::options().read(true).write(true).open(DEVICE) {
        Err(error) => format!("{DEVICE}: {error}"),
        Ok(_) => format!("{DEVICE} did not open a moment ago"),
    }
}

fn named(code: &ErrorCode) -> NsmError {
    match code {
        ErrorCode::InvalidArgument => NsmError::InvalidArgument,
        ErrorCode::InvalidIndex => NsmError::InvalidIndex,
        ErrorCode::ReadOnlyIndex => NsmError::ReadOnlyIndex,
        ErrorCode::InvalidOperation => NsmError::InvalidOperation,
        ErrorCode::BufferTooSmall => NsmError::BufferTooSmall,
        ErrorCode::InputTooLarge => NsmError::InputTooLarge,
        ErrorCode::InternalError => NsmError::InternalError,
        // An error with the code of success, or an answer to another request.
        ErrorCode::Success | ErrorCode::InvalidResponse => NsmError::UnexpectedAnswer,
    }
}

fn description(response: Response) -> Result<ModuleDescription, NsmError> {
    let Response::DescribeNSM {
        version_major,
        version_minor,
        version_patch,
        module_id,
        max_pcrs,
        locked_pcrs,
        digest,
    } = response
    else {
        return Err(NsmError::UnexpectedAnswer);
    };
    let digest = match digest {
        Digest::SHA256 => "SHA256",
        Digest::SHA384 => "SHA384",
        Digest::SHA512 => "SHA512",
    };
    Ok(ModuleDescription {
        version: [version_major, version_minor, version_patch],
        module_id,
        max_pcrs,
        locked_pcrs: locked_pcrs.into_iter().collect(),
        digest: digest.to_owned(),
    })
}

fn pcr_state(response: Response) -> Result<PcrState, NsmError> {
    match response {
        Response::DescribePCR { lock, data } => Ok(PcrState { locked: lock, value: data }),
        _ => Err(NsmError::UnexpectedAnswer),
    }
}

fn extended(response: Response) -> Result<Vec<u8>, NsmError> {
    match response {
        Response::ExtendPCR { data } => Ok(data),
        _ => Err(NsmError::UnexpectedAnswer),
    }
}

fn locked(response: &Response) -> Result<(), NsmError> {
    match response {
        Response::LockPCR => Ok(()),
        _ => Err(NsmError::UnexpectedAnswer),
    }
}

fn random_bytes(response: Response) -> Result<Vec<u8>, NsmError> {
    match response {
        Response::GetRandom { random } if !random.is_empty() => Ok(random),
        _ => Err(NsmError::UnexpectedAnswer),
    }
}

fn document(response: Response) -> Result<Vec<u8>, NsmError> {
    match response {
        Response::Attestation { document } if !document.is_empty() => Ok(document),
        _ => Err(NsmError::UnexpectedAnswer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Outside an enclave there is no device; inside one these tests are not run.
    #[test]
    fn machine_without_the_device_is_named() {
        let refused = NsmDevice::open().unwrap_err();
        assert!(matches!(&refused, NsmError::NoDevice(why) if why.starts_with("/dev/nsm: ")));
    }

    /// A closed descriptor simulates a failing driver: every errno has one name.
    #[test]
    fn failing_driver_is_an_internal_error_and_too_long_a_request_is_named() {
        let device = std::mem::ManuallyDrop::new(NsmDevice { descriptor: -1 });
        assert_eq!(device.describe(), Err(NsmError::InternalError));
        assert_eq!(device.random(), Err(NsmError::InternalError));
        assert_eq!(device.lock_pcr(16), Err(NsmError::InternalError));
        assert_eq!(device.extend_pcr(16, &[0; 0x1000]), Err(NsmError::InputTooLarge));
        let request = AttestRequest { user_data: Some(vec![0; 0x1000]), ..Default::default() };
        assert_eq!(device.attest(&request), Err(NsmError::InputTooLarge));
    }

    #[test]
    fn every_error_of_the_module_has_its_name() {
        let names = [
            (ErrorCode::InvalidArgument, NsmError::InvalidArgument),
            (ErrorCode::InvalidIndex, NsmError::InvalidIndex),
            (ErrorCode::ReadOnlyIndex, NsmError::ReadOnlyIndex),
            (ErrorCode::InvalidOperation, NsmError::InvalidOperation),
            (ErrorCode::BufferTooSmall, NsmError::BufferTooSmall),
            (ErrorCode::InputTooLarge, NsmError::InputTooLarge),
            (ErrorCode::InternalError, NsmError::InternalError),
            (ErrorCode::InvalidResponse, NsmError::UnexpectedAnswer),
            (ErrorCode::Success, NsmError::UnexpectedAnswer),
        ];
        for (code, name) in names {
            assert_eq!(named(&code), name);
        }
    }

    #[test]
    fn answer_of_another_kind_is_refused() {
        let other = || Response::LockPCRs;
        assert_eq!(description(other()), Err(NsmError::UnexpectedAnswer));
        assert_eq!(pcr_state(other()), Err(NsmError::UnexpectedAnswer));
        assert_eq!(extended(other()), Err(NsmError::UnexpectedAnswer));
        assert_eq!(locked(&other()), Err(NsmError::UnexpectedAnswer));
        assert_eq!(random_bytes(other()), Err(NsmError::UnexpectedAnswer));
        assert_eq!(document(other()), Err(NsmError::UnexpectedAnswer));
        let empty = Response::GetRandom { random: Vec::new() };
        assert_eq!(random_bytes(empty), Err(NsmError::UnexpectedAnswer));
        let empty = Response::Attestation { document: Vec::new() };
        assert_eq!(document(empty), Err(NsmError::UnexpectedAnswer));
    }

    #[test]
    fn answers_keep_what_the_module_said() {
        let described = description(Response::DescribeNSM {
            version_major: 1,
            version_minor: 2,
            version_patch: 3,
            module_id: String::from("i-0-enc1"),
            max_pcrs: 32,
            locked_pcrs: BTreeSet::from([2, 0, 1]),
            digest: Digest::SHA384,
        });
        let expected = ModuleDescription {
            version: [1, 2, 3],
            module_id: String::from("i-0-enc1"),
            max_pcrs: 32,
            locked_pcrs: vec![0, 1, 2],
            digest: String::from("SHA384"),
        };
        assert_eq!(described, Ok(expected));
        let state = pcr_state(Response::DescribePCR { lock: true, data: vec![7; 48] });
        assert_eq!(state, Ok(PcrState { locked: true, value: vec![7; 48] }));
        assert_eq!(extended(Response::ExtendPCR { data: vec![8; 48] }), Ok(vec![8; 48]));
        assert_eq!(random_bytes(Response::GetRandom { random: vec![9] }), Ok(vec![9]));
        assert_eq!(document(Response::Attestation { document: vec![1] }), Ok(vec![1]));
    }
}
