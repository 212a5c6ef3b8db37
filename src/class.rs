//! The classes of failure. One word decides the metric's label, a condition's severity and how
//! long to back off; adapters name it, nothing here acts on it.

use std::time::Duration;

/// What kind of failure an outside call ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The request can never succeed as it is: a person must change the spec.
    Invalid,
    /// Something else has to happen first, and it is expected to: wait for it.
    Waiting,
    /// Somebody else holds or changed the same thing.
    Conflict,
    /// Another operator may lead by now: nothing was sent.
    NotLeading,
    /// The identity in use may not do this.
    Denied,
    /// The other side cannot be reached or did not answer in time.
    Down,
    /// An answer that the protocol does not allow: a defect here or there.
    Bug,
}

impl Class {
    /// The label value in metrics and logs, in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Waiting => "waiting",
            Self::Conflict => "conflict",
            Self::NotLeading => "not_leading",
            Self::Denied => "denied",
            Self::Down => "down",
            Self::Bug => "bug",
        }
    }

    /// The first and the longest delay before the next try. What only waits or may come back by
    /// itself is retried within 30 s, so that recovery takes less than a minute; what needs a
    /// person is retried rarely.
    #[must_use]
    pub const fn backoff(self) -> (Duration, Duration) {
        match self {
            Self::Waiting | Self::Conflict | Self::NotLeading => {
                (Duration::from_secs(1), Duration::from_secs(15))
            }
            Self::Down => (Duration::from_secs(2), Duration::from_secs(30)),
            // Within 30 s, for what is denied passes with the rotation of a Secret.
            Self::Denied => (Duration::from_secs(10), Duration::from_secs(25)),
            Self::Invalid | Self::Bug => (Duration::from_secs(30), Duration::from_secs(300)),
        }
    }
}

/// What of a connection's security failed, for a [`Class::Denied`] failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Security {
    /// What is to prove who asks cannot be used.
    Credentials,
    /// The login was refused.
    Login,
    /// The identity lacks a right.
    Rights,
    /// The other side's certificate is not valid at this time.
    CertificateExpired,
    /// The other side's certificate is for another host.
    HostName,
    /// The other side's certificate is of no trusted authority.
    Authority,
    /// This side's certificate is missing, not trusted or not valid.
    ClientCertificate,
    /// TLS could not be agreed on for another reason.
    Tls,
}
