//! What is compared with what: the constants, each halved and doubled, and the runs of all
//! autoscalers under all loads.

use std::{
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde::{Deserialize, Serialize};
use sluice::sim::{group::Model, summary::Summary};

use super::{
    drive::{BASE, Case},
    optimum::least,
    peers::{self, Autoscaler},
    shapes::{self, Shape},
};

/// The seeds of the noise and of the moments at which an autoscaler looks.
pub const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
/// With halved and doubled constants.
pub const VARIED_SEEDS: [u64; 1] = [6];
/// Partitions of the topic; the load grows with them.
pub const PARTITIONS: [u32; 2] = [12, 100];

/// A constant that is halved and doubled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Constant {
    /// 500 records a second and replica.
    RatePerReplica,
    /// 20 s until a new replica processes.
    Startup,
    /// 5 s of standstill at each change.
    Rebalance,
    /// 5 s between two commits.
    CommitInterval,
    /// 12 or 100, while the load stays.
    Partitions,
    /// 30 s.
    Slo,
}

const CONSTANTS: [Constant; 6] = [
    Constant::RatePerReplica,
    Constant::Startup,
    Constant::Rebalance,
    Constant::CommitInterval,
    Constant::Partitions,
    Constant::Slo,
];

impl Constant {
    /// As the table names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RatePerReplica => "records/s of a replica",
            Self::Startup => "start-up",
            Self::Rebalance => "standstill",
            Self::CommitInterval => "commit interval",
            Self::Partitions => "partitions",
            Self::Slo => "SLO",
        }
    }
}

/// The constants of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// Partitions in the base case, to which the load belongs.
    pub partitions: u32,
    /// Which constant is not as in the base case, and by what factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub varied: Option<(Constant, f64)>,
}

impl World {
    /// The base cases.
    pub fn base() -> impl Iterator<Item = Self> {
        PARTITIONS.into_iter().map(|partitions| Self {
            partitions,
            varied: None,
        })
    }

    /// Each base case with each constant halved and doubled.
    pub fn varied() -> impl Iterator<Item = Self> {
        let factors = CONSTANTS.into_iter().flat_map(|c| [(c, 0.5), (c, 2.0)]);
        Self::base().flat_map(move |base| {
            factors.clone().map(move |varied| Self {
                varied: Some(varied),
                ..base
            })
        })
    }

    fn factor(self, constant: Constant) -> f64 {
        let varied = self.varied.filter(|(which, _)| *which == constant);
        varied.map_or(1.0, |(_, factor)| factor)
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most 200")]
    fn case(self, shape: Shape, seed: u64) -> Case {
        let partitions = f64::from(self.partitions) * self.factor(Constant::Partitions);
        Case {
            model: Model {
                partitions: partitions as i32,
                rate_per_replica: BASE.rate_per_replica * self.factor(Constant::RatePerReplica),
                startup: BASE.startup * self.factor(Constant::Startup),
                rebalance: BASE.rebalance * self.factor(Constant::Rebalance),
                commit_interval: BASE.commit_interval * self.factor(Constant::CommitInterval),
            },
            slo: 30.0 * self.factor(Constant::Slo),
            load: shape.load(self.partitions, seed),
        }
    }
}

/// What came of one autoscaler under one load: the mean over the seeds, the worst of time lags.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The constants.
    #[serde(flatten)]
    pub world: World,
    /// The load.
    pub shape: String,
    /// Who decided.
    pub autoscaler: String,
    /// Seconds in which the oldest record was older than the SLO.
    pub slo_miss_seconds: f64,
    /// Replicas times hours.
    pub replica_hours: f64,
    /// The least that is conceivable, whatever the SLO.
    pub least_replica_hours: f64,
    /// How often the count changed.
    pub changes: f64,
    /// How often it turned.
    pub direction_changes: f64,
    /// The oldest record of all, in seconds.
    pub max_time_lag: f64,
}

/// Runs every autoscaler in these worlds under these loads, on all processors.
pub fn run(worlds: &[World], shapes: &[Shape], seeds: &[u64]) -> Vec<Row> {
    let mut jobs = Vec::new();
    for &world in worlds {
        for &shape in shapes {
            jobs.extend(peers::ALL.map(|autoscaler| (world, shape, autoscaler)));
        }
    }
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(vec![None; jobs.len()]);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(world, shape, autoscaler)) = jobs.get(index) else {
                return;
            };
            let row = row(world, shape, autoscaler, seeds);
            rows.lock().expect("no run ends by a panic")[index] = Some(row);
        }
    };
    thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        for _ in 0..processors {
            scope.spawn(work);
        }
    });
    let rows = rows.into_inner().expect("no run ends by a panic");
    rows.into_iter().flatten().collect()
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn row(world: World, shape: Shape, autoscaler: Autoscaler, seeds: &[u64]) -> Row {
    let cases = seeds.iter().map(|&seed| (world.case(shape, seed), seed));
    let (mut outcomes, mut leasts) = (Vec::new(), Vec::new());
    for (case, seed) in cases {
        outcomes.push(autoscaler.run(&case, seed));
        leasts.push(least(&case));
    }
    let mean = |value: fn(&Summary) -> f64| {
        let sum: f64 = outcomes.iter().map(value).sum();
        thousandths(sum / outcomes.len() as f64)
    };
    Row {
        world,
        shape: shape.name().to_owned(),
        autoscaler: autoscaler.name().to_owned(),
        slo_miss_seconds: mean(|s| s.slo_miss_seconds as f64),
        replica_hours: mean(|s| s.replica_hours),
        least_replica_hours: thousandths(leasts.iter().sum::<f64>() / leasts.len() as f64),
        changes: mean(|s| s.changes as f64),
        direction_changes: mean(|s| s.direction_changes as f64),
        max_time_lag: outcomes.iter().map(|s| s.max_time_lag).fold(0.0, f64::max),
    }
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The shapes that words name, all without one.
pub fn shapes(words: &[String]) -> Vec<Shape> {
    let named = |shape: &&Shape| {
        let name = shape.name();
        words
            .iter()
            .any(|word| name.split(' ').any(|part| part == word))
    };
    let chosen: Vec<_> = shapes::ALL.iter().filter(named).copied().collect();
    if chosen.is_empty() {
        shapes::ALL.to_vec()
    } else {
        chosen
    }
}
