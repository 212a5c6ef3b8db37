//! librdkafka's Admin calls as safe, blocking functions: the one module with unsafe code. rdkafka
//! 0.39 lacks most of these calls, and drops the broker's message from the few it has. Nothing is
//! decided here; answers are copied into plain values before their native event is freed.
//!
//! Three rules make it sound: a native object is owned by exactly one [`Owned`]; borrowed answers
//! never outlive the [`Owned`] event that holds them; and enums that librdkafka fills with what a
//! broker sent are read as integers, because a newer broker may send a value that the generated
//! Rust enum does not have.
#![expect(unsafe_code, reason = "rdkafka does not wrap these Admin calls")]

mod read;
mod tls;
mod token;
mod write;

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::{NonNull, null, null_mut};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::client::Client;
use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Op;

pub(super) use read::{Entry, GroupInfo, NO_OFFSET, TopicInfo};
pub(super) use tls::{Heard, listen};
pub(super) use token::set_token;
pub(super) use write::{Changes, TopicSpec};

/// A handle of librdkafka's.
pub(super) type Connection = Client<Heard>;

/// A failure as librdkafka tells it: positive codes are the broker's, negative ones its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub code: i32,
    pub text: Option<String>,
}

impl Failure {
    pub fn is(&self, code: sys::rd_kafka_resp_err_t) -> bool {
        self.code == code as i32
    }

    /// No answer came.
    pub fn unanswered() -> Self {
        Self {
            code: sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TIMED_OUT as i32,
            text: None,
        }
    }

    fn invalid(text: &str) -> Self {
        let code = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__INVALID_ARG as i32;
        Self {
            code,
            text: Some(text.to_owned()),
        }
    }
}

pub(super) type Outcome<T> = Result<T, Failure>;
/// One outcome for each name that was asked for.
pub(super) type ByName<T> = Vec<(String, Outcome<T>)>;
/// One outcome for each partition that was asked for.
pub(super) type ByPartition<T> = Vec<((String, i32), Outcome<T>)>;

/// What the client has to say by itself, outside of any call.
pub(super) enum Notice {
    /// A line of its log; the level is syslog's (3 error, 4 warning, 6 info, 7 debug).
    Log { level: i32, text: String },
    /// A connection or another client-wide error, in librdkafka's words.
    Error { code: i32, text: String },
}

// The same functions as in rdkafka-sys, with integers in place of Rust enums (see the third rule).
unsafe extern "C" {
    #[link_name = "rd_kafka_event_error"]
    safe fn event_error(event: &sys::rd_kafka_event_t) -> c_int;
    #[link_name = "rd_kafka_topic_result_error"]
    safe fn topic_result_error(result: &sys::rd_kafka_topic_result_t) -> c_int;
    #[link_name = "rd_kafka_ConfigResource_error"]
    safe fn resource_error(resource: &sys::rd_kafka_ConfigResource_t) -> c_int;
    #[link_name = "rd_kafka_ConfigEntry_source"]
    safe fn entry_source(entry: &sys::rd_kafka_ConfigEntry_t) -> c_int;
    #[link_name = "rd_kafka_error_code"]
    safe fn error_code(error: &sys::rd_kafka_error_t) -> c_int;
    #[link_name = "rd_kafka_err2name"]
    safe fn err2name(code: c_int) -> *const c_char;
}

/// The name of an error code, such as `INVALID_CONFIG`, or `_TIMED_OUT` for librdkafka's own.
pub(super) fn code_name(code: i32) -> String {
    // SAFETY: the name is static, or a thread-local buffer for a code that librdkafka lacks.
    unsafe { text(err2name(code)) }.unwrap_or_default()
}

/// A native object and the function that frees it.
struct Owned<T> {
    object: NonNull<T>,
    free: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// Takes a pointer that the caller owns; null becomes a failure with the text given.
    fn new(object: *mut T, free: unsafe extern "C" fn(*mut T), why: &str) -> Outcome<Self> {
        let object = NonNull::new(object).ok_or_else(|| Failure::invalid(why))?;
        Ok(Self { object, free })
    }

    fn ptr(&self) -> *mut T {
        self.object.as_ptr()
    }

    fn get(&self) -> &T {
        // SAFETY: the object is live until `self` drops, and opaque: no Rust code writes to it.
        unsafe { self.object.as_ref() }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: `object` came from the constructor that `free` belongs to, and is freed once.
        unsafe { (self.free)(self.object.as_ptr()) }
    }
}

type Event = Owned<sys::rd_kafka_event_t>;
type Options = Owned<sys::rd_kafka_AdminOptions_t>;

/// Copies a C string; null is `None`.
///
/// # Safety
/// `string` is null or points to a nul-terminated string that lives during the call.
unsafe fn text(string: *const c_char) -> Option<String> {
    // SAFETY: as the caller promises.
    (!string.is_null()).then(|| {
        unsafe { CStr::from_ptr(string) }
            .to_string_lossy()
            .into_owned()
    })
}

/// A C array of pointers as a slice of references.
///
/// # Safety
/// `list` returns an array of as many valid pointers as it counts, which live as long as `parent`.
unsafe fn items<P, T>(
    parent: &P,
    list: unsafe extern "C" fn(*const P, *mut usize) -> *mut *const T,
) -> &[&T] {
    let mut count = 0;
    // SAFETY: as the caller promises; a reference has the layout of a pointer that is not null.
    unsafe {
        let first = list(parent, &raw mut count);
        if first.is_null() {
            &[]
        } else {
            slice::from_raw_parts(first.cast::<&T>(), count)
        }
    }
}

fn c_string(string: &str) -> Outcome<CString> {
    CString::new(string).map_err(|_| Failure::invalid("a name or value contains a NUL byte"))
}

fn c_strings(names: &[String]) -> Outcome<Vec<CString>> {
    names.iter().map(|name| c_string(name)).collect()
}

fn pointers<T>(owned: &[Owned<T>]) -> Vec<*mut T> {
    owned.iter().map(Owned::ptr).collect()
}

/// Turns an error object that the caller owns into a failure; null is success.
fn check(error: *mut sys::rd_kafka_error_t) -> Outcome<()> {
    match Owned::new(error, sys::rd_kafka_error_destroy, "") {
        Ok(error) => Err(failure(error.get())),
        Err(_) => Ok(()),
    }
}

fn failure(error: &sys::rd_kafka_error_t) -> Failure {
    // SAFETY: the string belongs to the error, which outlives the call.
    Failure {
        code: error_code(error),
        text: unsafe { text(sys::rd_kafka_error_string(error)) },
    }
}

/// A borrowed error object, where null is success.
///
/// # Safety
/// `error` is null or valid during the call.
unsafe fn borrowed(error: *const sys::rd_kafka_error_t) -> Outcome<()> {
    // SAFETY: as the caller promises.
    unsafe { error.as_ref() }.map_or(Ok(()), |error| Err(failure(error)))
}

/// Success for code 0, else a failure with the text at `words`.
///
/// # Safety
/// `words` is null or a string that lives during the call.
unsafe fn outcome(code: c_int, words: *const c_char) -> Outcome<()> {
    // SAFETY: as the caller promises.
    if code == 0 {
        Ok(())
    } else {
        Err(Failure {
            code,
            text: unsafe { text(words) },
        })
    }
}

/// One admin call on a client: how long it may take, and for which operation.
pub(super) struct Call {
    client: Arc<Connection>,
    timeout: Duration,
}

impl Call {
    /// `timeout` covers everything, from finding the broker to the answer; at most an hour.
    pub fn new(client: Arc<Connection>, timeout: Duration) -> Self {
        Self {
            client,
            timeout: timeout.min(Duration::from_secs(3600)),
        }
    }

    fn options(&self, op: Op) -> Outcome<Options> {
        // SAFETY: the client is live as long as `self`; the options are freed by their owner.
        let options = unsafe { sys::rd_kafka_AdminOptions_new(self.client.native_ptr(), op) };
        let options = Owned::new(options, sys::rd_kafka_AdminOptions_destroy, "unknown call")?;
        // SAFETY: live options; without an error buffer nothing is written.
        unsafe {
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options.ptr(),
                millis(self.timeout),
                null_mut(),
                0,
            );
        }
        Ok(options)
    }

    /// Options for calls that the controller carries out: it gives up before this side does, so
    /// that its own words arrive.
    fn controller_options(&self, op: Op, validate_only: bool) -> Outcome<Options> {
        let options = self.options(op)?;
        let (wait, only) = (millis(self.timeout * 3 / 4), c_int::from(validate_only));
        // SAFETY: live options; without an error buffer nothing is written. A call that has no
        // such option refuses it, which changes nothing.
        unsafe {
            sys::rd_kafka_AdminOptions_set_operation_timeout(options.ptr(), wait, null_mut(), 0);
            sys::rd_kafka_AdminOptions_set_validate_only(options.ptr(), only, null_mut(), 0);
        }
        Ok(options)
    }

    /// Submits a call on a queue of its own and waits for its one event.
    fn wait(&self, submit: impl FnOnce(*mut sys::rd_kafka_queue_t)) -> Outcome<Event> {
        // SAFETY: a live client; the queue is freed by its owner, after the event is taken off.
        let queue = unsafe { sys::rd_kafka_queue_new(self.client.native_ptr()) };
        let queue = Owned::new(queue, sys::rd_kafka_queue_destroy, "no queue")?;
        submit(queue.ptr());
        // librdkafka ends every call by its own timeout; the second more only guards against it.
        let patience = millis(self.timeout + Duration::from_secs(1));
        // SAFETY: a live queue; the event belongs to the caller from here on.
        let event = unsafe { sys::rd_kafka_queue_poll(queue.ptr(), patience) };
        let event = Owned::new(event, sys::rd_kafka_event_destroy, "")
            .map_err(|_| Failure::unanswered())?;
        // SAFETY: the string belongs to the event, which is live.
        unsafe {
            outcome(
                event_error(event.get()),
                sys::rd_kafka_event_error_string(event.ptr()),
            )?;
        }
        Ok(event)
    }
}

fn millis(duration: Duration) -> c_int {
    c_int::try_from(duration.as_millis()).unwrap_or(c_int::MAX)
}

fn resource(
    kind: sys::rd_kafka_ResourceType_t,
    name: &str,
) -> Outcome<Owned<sys::rd_kafka_ConfigResource_t>> {
    let name = c_string(name)?;
    // SAFETY: the name is copied.
    let resource = unsafe { sys::rd_kafka_ConfigResource_new(kind, name.as_ptr()) };
    Owned::new(resource, sys::rd_kafka_ConfigResource_destroy, "no name")
}

fn resource_outcome(result: &sys::rd_kafka_ConfigResource_t) -> (String, Outcome<()>) {
    // SAFETY: the strings belong to the resource, which outlives the call.
    unsafe {
        let name = text(sys::rd_kafka_ConfigResource_name(result)).unwrap_or_default();
        let words = sys::rd_kafka_ConfigResource_error_string(result);
        (name, outcome(resource_error(result), words))
    }
}

/// Takes everything off the client's main queue, where librdkafka puts its log and its errors: it
/// grows until somebody reads it.
pub(super) fn take_notices(client: &Connection) -> Vec<Notice> {
    // SAFETY: a live client; the queue is a reference of its own, freed by its owner.
    let queue = unsafe { sys::rd_kafka_queue_get_main(client.native_ptr()) };
    let Ok(queue) = Owned::new(queue, sys::rd_kafka_queue_destroy, "no queue") else {
        return Vec::new();
    };
    // SAFETY: a live queue; each event belongs to its owner.
    let next = || unsafe {
        let event = sys::rd_kafka_queue_poll(queue.ptr(), 0);
        Owned::new(event, sys::rd_kafka_event_destroy, "no event").ok()
    };
    std::iter::from_fn(next)
        .filter_map(|event| notice(&event))
        .collect()
}

fn notice(event: &Event) -> Option<Notice> {
    // SAFETY: a live event; the strings belong to it and are copied.
    unsafe {
        match sys::rd_kafka_event_type(event.ptr()) {
            sys::RD_KAFKA_EVENT_ERROR => Some(Notice::Error {
                code: event_error(event.get()),
                text: text(sys::rd_kafka_event_error_string(event.ptr())).unwrap_or_default(),
            }),
            sys::RD_KAFKA_EVENT_LOG => {
                let (mut facility, mut line, mut level) = (null(), null(), 0);
                let (facility, line) = (&raw mut facility, &raw mut line);
                sys::rd_kafka_event_log(event.ptr(), facility, line, &raw mut level);
                Some(Notice::Log {
                    level,
                    text: text(*line).unwrap_or_default(),
                })
            }
            _ => None,
        }
    }
}
