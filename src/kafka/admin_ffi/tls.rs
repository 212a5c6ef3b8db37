//! What a connection has heard: why a broker's certificate was refused. librdkafka's own error says
//! only that verification failed, so that an expired certificate looks like one of a strange
//! authority: the callback below writes down OpenSSL's reason and leaves the verdict as it is.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use rdkafka::client::ClientContext;
use rdkafka::config::NativeClientConfig;
use rdkafka_sys as sys;

/// What is kept beside a connection.
#[derive(Default)]
pub(in crate::kafka) struct Heard {
    /// The last `X509_V_ERR_*` of a broker's certificate; 0 for none.
    certificate: AtomicI32,
    /// The number of the token that it was given last; 0 for none.
    token: AtomicU64,
}

impl ClientContext for Heard {}

impl Heard {
    /// OpenSSL's reason why the last certificate was refused; `None` when none was.
    pub fn refused_certificate(&self) -> Option<i32> {
        let code = self.certificate.load(Ordering::Relaxed);
        (code != 0).then_some(code)
    }

    /// Forgets it, for a connection that works.
    pub fn forget(&self) {
        self.certificate.store(0, Ordering::Relaxed);
    }

    /// Whether the token of this number is news to the connection; it is not a second time.
    pub fn takes(&self, token: u64) -> bool {
        self.token.swap(token, Ordering::Relaxed) != token
    }
}

/// Has verification leave its reason with the [`Heard`] that the client is made with.
pub(in crate::kafka) fn listen(config: &NativeClientConfig) {
    // SAFETY: a live configuration; the callback has librdkafka's signature. What it answers is
    // of no interest: without TLS in librdkafka there is no verification to hear of.
    unsafe {
        sys::rd_kafka_conf_set_ssl_cert_verify_cb(config.ptr(), Some(verified));
    }
}

/// Called for each certificate of a chain, after OpenSSL's own verification of it.
unsafe extern "C" fn verified(
    _client: *mut sys::rd_kafka_t,
    _broker: *const c_char,
    _broker_id: i32,
    reason: *mut c_int,
    _depth: c_int,
    _certificate: *const c_char,
    _size: usize,
    _words: *mut c_char,
    _room: usize,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: librdkafka passes a valid integer, and as `opaque` the client's context: rdkafka
    // sets it to the `Heard` of the very client, which outlives librdkafka's threads.
    let (code, heard) = unsafe { (*reason, opaque.cast::<Heard>().as_ref()) };
    if code != 0
        && let Some(heard) = heard
    {
        heard.certificate.store(code, Ordering::Relaxed);
    }
    c_int::from(code == 0)
}
