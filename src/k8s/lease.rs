//! Who may write: of several operators the one that holds the Lease, and only while it was renewed
//! a moment ago. Kafka and Connect know no fencing, so the holder stops by itself before another
//! can take over. Time is measured on this machine alone: the times that a Lease names are for
//! people, since the clocks of two machines may differ (docs/adr/008-leader-election.md).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        coordination::v1::{Lease, LeaseSpec},
        core::v1::ObjectReference,
    },
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{DEADLINE, Error, what, within};

/// How often the holder renews, and how often who stands by looks.
const EVERY: Duration = Duration::from_secs(2);
/// Longest wait for one answer: a second try fits before the holder gives up.
const ATTEMPT: Duration = Duration::from_secs(4);
/// Shortest lease: a write that begins now ends within [`DEADLINE`], and two renewals may fail
/// before the next one must not begin.
pub const SHORTEST: Duration = Duration::from_secs(15);

/// Which Lease, and in whose name.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who asks for it: different for each process, also for two in the same pod.
    pub identity: String,
    /// How long it must have gone without a renewal before another takes it; at least
    /// [`SHORTEST`], whole seconds.
    pub duration: Duration,
    /// A clock that never jumps and that runs on while the process or the machine sleeps.
    pub clock: fn() -> Duration,
    /// The time of day, which is only written.
    pub now: fn() -> Timestamp,
}

/// The writes that are allowed: all of them without leader election, none before the Lease was
/// taken, and none that could still be under way when another operator takes over. Clones share
/// the same knowledge.
#[derive(Clone, Debug)]
pub struct Leadership(Option<Arc<Held>>);

#[derive(Debug)]
struct Held {
    duration: Duration,
    clock: fn() -> Duration,
    /// When the newest successful renewal was sent, in milliseconds of the clock; 0 for never.
    renewed: AtomicU64,
}

/// The time since this machine started, its sleep included: what a lease is measured by.
#[must_use]
pub fn boot_clock() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default()
}

/// A write was not begun: another operator may lead by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not written: this operator's lease is not fresh enough, another operator may lead by now")]
pub struct NotLeading;

impl Leadership {
    /// Without leader election: nobody else is there.
    #[must_use]
    pub const fn alone() -> Self {
        Self(None)
    }

    /// Nothing may be written until the first renewal.
    fn elected(duration: Duration, clock: fn() -> Duration) -> Self {
        Self(Some(Arc::new(Held {
            duration,
            clock,
            renewed: AtomicU64::new(0),
        })))
    }

    /// Whether a write may begin now, when it ends within [`DEADLINE`].
    ///
    /// # Errors
    /// [`NotLeading`] when it could still be under way after the lease has run out.
    pub fn may_write(&self) -> Result<(), NotLeading> {
        let Some(held) = &self.0 else { return Ok(()) };
        match held.age() {
            Some(age) if age + DEADLINE < held.duration => Ok(()),
            _ => Err(NotLeading),
        }
    }

    fn renewed(&self, sent: Duration) {
        let millis = u64::try_from(sent.as_millis()).unwrap_or(u64::MAX);
        if let Some(held) = &self.0 {
            held.renewed.store(millis.max(1), Ordering::Release);
        }
    }

    fn ended(&self) {
        if let Some(held) = &self.0 {
            held.renewed.store(0, Ordering::Release);
        }
    }
}

impl Held {
    fn age(&self) -> Option<Duration> {
        match self.renewed.load(Ordering::Acquire) {
            0 => None,
            millis => Some((self.clock)().saturating_sub(Duration::from_millis(millis))),
        }
    }
}

/// Why this operator leads no more. The process has to end: it may not come back to work on what
/// it remembers.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Somebody else wrote the Lease.
    #[error("the lease is held by {holder}")]
    Taken {
        /// Who.
        holder: String,
    },
    /// The Lease was deleted.
    #[error("the lease was deleted")]
    Deleted,
    /// No renewal succeeded for too long.
    #[error("the lease could not be renewed for {} s", .after.as_secs())]
    Expired {
        /// Since the last renewal.
        after: Duration,
    },
}

/// What stands in the way of a renewal.
enum Refused {
    /// Try again.
    Failed(Error),
    /// Leadership is over.
    Lost(Lost),
}

/// One operator's part in the election.
pub struct Elector {
    api: Api<Lease>,
    settings: Settings,
    leadership: Leadership,
    seen: Option<Seen>,
}

/// The Lease as it was seen last.
struct Seen {
    /// `None` where there is no such Lease.
    lease: Option<Lease>,
    /// Since when its spec has stood as it is, on this machine's clock: at the latest.
    since: Duration,
}

impl Elector {
    /// `client` should carry nothing but the election: then a queue of other calls never delays a
    /// renewal.
    #[must_use]
    pub fn new(client: Client, settings: Settings) -> Self {
        Self {
            api: Api::namespaced(client, &settings.namespace),
            leadership: Leadership::elected(settings.duration, settings.clock),
            settings,
            seen: None,
        }
    }

    /// What this operator may write, kept up to date by [`Elector::hold`].
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// The Lease, as events refer to it.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        let lease = self.seen.as_ref().and_then(|seen| seen.lease.clone());
        lease.unwrap_or_default().object_ref(&())
    }

    /// How often the Lease has changed hands so far.
    #[must_use]
    pub fn transitions(&self) -> i32 {
        let lease = self.seen.as_ref().and_then(|seen| seen.lease.as_ref());
        lease.map_or(0, transitions)
    }

    /// Waits until the Lease could be looked at: from then on this operator is able to take over.
    pub async fn reach(&mut self) {
        while let Err(error) = self.look().await {
            warn!(%error, "the lease cannot be read");
            sleep(EVERY).await;
        }
    }

    /// Waits until this operator holds the Lease.
    pub async fn acquire(&mut self) {
        loop {
            let wait = match self.attempt().await {
                Ok(None) => return,
                Ok(Some(wait)) => wait.min(EVERY),
                Err(error) => {
                    warn!(%error, "the lease cannot be taken");
                    EVERY
                }
            };
            sleep(wait).await;
        }
    }

    /// Takes the Lease if it is free; else says how long it is held at the least.
    async fn attempt(&mut self) -> Result<Option<Duration>, Error> {
        let seen = self.look().await?;
        let (lease, since) = (seen.lease.clone(), seen.since);
        let unchanged = (self.settings.clock)().saturating_sub(since);
        match taken(lease.as_ref(), unchanged, &self.settings) {
            Ok(spec) => self.write(lease, spec).await.map(|()| None),
            Err(wait) => Ok(Some(wait)),
        }
    }

    /// Renews the Lease until `release` is cancelled, and then gives it back.
    ///
    /// # Errors
    /// Why leadership was lost. From then on nothing may be written.
    pub async fn hold(mut self, release: CancellationToken) -> Result<(), Lost> {
        let kept = self.keep(&release).await;
        self.leadership.ended();
        if kept.is_ok() {
            self.release().await;
        }
        kept
    }

    async fn keep(&mut self, release: &CancellationToken) -> Result<(), Lost> {
        loop {
            tokio::select! {
                () = sleep(EVERY) => {}
                () = release.cancelled() => return Ok(()),
            }
            // Before the try: a process that was stopped for long must not write any more.
            let after = self.since_renewal();
            if after >= self.give_up_after() {
                return Err(Lost::Expired { after });
            }
            match self.renew().await {
                Ok(()) => {}
                Err(Refused::Lost(lost)) => return Err(lost),
                Err(Refused::Failed(error)) => warn!(%error, "the lease was not renewed"),
            }
        }
    }

    /// Well before another one may take over.
    fn give_up_after(&self) -> Duration {
        self.settings.duration * 2 / 3
    }

    fn since_renewal(&self) -> Duration {
        let held = self.leadership.0.as_ref();
        held.and_then(|held| held.age()).unwrap_or(Duration::MAX)
    }

    async fn renew(&mut self) -> Result<(), Refused> {
        match self.renew_once().await {
            // Somebody wrote the Lease meanwhile: whoever it was, it shows at once.
            Err(Refused::Failed(error)) if error.status().is_some_and(|s| s.code == 409) => {
                self.renew_once().await
            }
            result => result,
        }
    }

    async fn renew_once(&mut self) -> Result<(), Refused> {
        if self.seen.is_none() {
            self.look().await.map_err(Refused::Failed)?;
        }
        let Some(lease) = self.seen.as_ref().and_then(|seen| seen.lease.clone()) else {
            return Err(Refused::Lost(Lost::Deleted));
        };
        let holder = holder(&lease).unwrap_or("nobody");
        if holder != self.settings.identity {
            let holder = holder.to_owned();
            return Err(Refused::Lost(Lost::Taken { holder }));
        }
        let spec = LeaseSpec {
            renew_time: Some(MicroTime((self.settings.now)())),
            ..lease.spec.clone().unwrap_or_default()
        };
        self.write(Some(lease), spec).await.map_err(Refused::Failed)
    }

    /// Gives the Lease back, so that another need not wait until it runs out. Where that fails, it
    /// runs out.
    async fn release(&mut self) {
        let Some(lease) = self.seen.as_ref().and_then(|seen| seen.lease.clone()) else {
            warn!("the lease was not released: its last renewal failed, it runs out by itself");
            return;
        };
        let free = LeaseSpec {
            holder_identity: None,
            ..lease.spec.clone().unwrap_or_default()
        };
        if let Err(error) = self.put(Some(lease), free).await {
            warn!(%error, "the lease was not released: it runs out by itself");
        }
    }

    async fn look(&mut self) -> Result<&Seen, Error> {
        let name = &self.settings.name;
        let asked = what::<Lease>("get", &self.settings.namespace, name);
        let lease = within(ATTEMPT, asked, self.api.get_opt(name)).await?;
        let spec = |lease: &Option<Lease>| lease.as_ref().and_then(|lease| lease.spec.clone());
        let since = match &self.seen {
            Some(seen) if spec(&seen.lease) == spec(&lease) => seen.since,
            _ => (self.settings.clock)(),
        };
        Ok(self.seen.insert(Seen { lease, since }))
    }

    /// Writes the Lease in this operator's name; leads from the moment in which that was asked.
    async fn write(&mut self, lease: Option<Lease>, spec: LeaseSpec) -> Result<(), Error> {
        let sent = (self.settings.clock)();
        match self.put(lease, spec).await {
            Ok(lease) => {
                self.leadership.renewed(sent);
                let lease = Some(lease);
                self.seen = Some(Seen { lease, since: sent });
                Ok(())
            }
            Err(error) => {
                // It may have been written all the same: look before the next try.
                self.seen = None;
                Err(error)
            }
        }
    }

    /// Creates the Lease, or replaces exactly the version that was seen.
    async fn put(&self, lease: Option<Lease>, spec: LeaseSpec) -> Result<Lease, Error> {
        let name = &self.settings.name;
        let params = PostParams::default();
        let asked = |verb| what::<Lease>(verb, &self.settings.namespace, name);
        let Some(mut lease) = lease else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(name.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(spec),
            };
            let call = self.api.create(&params, &lease);
            return within(ATTEMPT, asked("create"), call).await;
        };
        lease.managed_fields_mut().clear();
        lease.spec = Some(spec);
        let call = self.api.replace(name, &params, &lease);
        within(ATTEMPT, asked("replace"), call).await
    }
}

/// The Lease as this operator takes it, or how long it is held by another at the least. `unchanged`
/// is how long it was seen to stand as it is.
fn taken(
    lease: Option<&Lease>,
    unchanged: Duration,
    settings: &Settings,
) -> Result<LeaseSpec, Duration> {
    let before = lease.and_then(|lease| lease.spec.clone());
    if lease.and_then(holder).is_some() {
        let seconds = before
            .as_ref()
            .and_then(|spec| spec.lease_duration_seconds)
            .and_then(|seconds| u64::try_from(seconds).ok());
        let lasts = seconds.map_or(settings.duration, Duration::from_secs);
        if let Some(left) = lasts.checked_sub(unchanged).filter(|left| !left.is_zero()) {
            return Err(left);
        }
    }
    let now = (settings.now)();
    Ok(LeaseSpec {
        holder_identity: Some(settings.identity.clone()),
        lease_duration_seconds: i32::try_from(settings.duration.as_secs()).ok(),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(lease.map_or(0, |lease| transitions(lease).saturating_add(1))),
        ..before.unwrap_or_default()
    })
}

fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    (!holder.is_empty()).then_some(holder)
}

fn transitions(lease: &Lease) -> i32 {
    let spec = lease.spec.as_ref();
    spec.and_then(|spec| spec.lease_transitions).unwrap_or(0)
}

#[cfg(test)]
mod tests;
