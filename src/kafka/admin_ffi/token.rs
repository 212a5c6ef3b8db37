//! Hands a token to a client that logs in by `OAUTHBEARER`.

use std::ffi::c_char;
use std::ptr::{from_ref, null_mut};

use rdkafka_sys as sys;

use super::{Connection, Failure, Outcome, c_string, text};

/// Room for librdkafka's complaint.
const WORDS: usize = 256;

/// Sets the token for logins from now on, until `expires`, in milliseconds since 1970.
pub(in crate::kafka) fn set_token(
    client: &Connection,
    token: &str,
    principal: &str,
    expires: i64,
) -> Outcome<()> {
    let (token, principal) = (c_string(token)?, c_string(principal)?);
    let mut words: [c_char; WORDS] = [0; WORDS];
    // SAFETY: a live client; the strings are copied; no extensions; the buffer is as long as said.
    let code = unsafe {
        sys::rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            token.as_ptr(),
            expires,
            principal.as_ptr(),
            null_mut(),
            0,
            words.as_mut_ptr(),
            words.len(),
        )
    };
    if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    Err(Failure {
        code: code as i32,
        // SAFETY: librdkafka ends what it writes with a nul, and the buffer began as nothing else.
        text: unsafe { text(from_ref(&words).cast()) },
    })
}
