//! A model of a consumer group, for closed loops: partitions, a rate for each pod, a time to
//! start, a standstill at each change, commits in lumps. It knows nothing of the autoscaler.

use std::collections::VecDeque;

use super::*;

/// How the pods of the model behave.
#[derive(Clone, Debug)]
pub struct Model {
    pub partitions: i32,
    /// Records per second of one pod.
    pub rate: f64,
    /// Seconds until a new pod is ready.
    pub startup: i64,
    /// Seconds that the group stands still when its members change.
    pub rebalance: i64,
    /// Seconds between two commits.
    pub commit: i64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            partitions: 12,
            rate: 400.0,
            startup: 3,
            rebalance: 2,
            commit: 1,
        }
    }
}

/// The group as it runs, one second a step.
#[derive(Clone, Debug)]
pub struct Group {
    model: Model,
    now: i64,
    ends: Vec<f64>,
    read: Vec<f64>,
    committed: Vec<f64>,
    asked: i32,
    members: i32,
    starting: VecDeque<(i64, i32)>,
    still_until: i64,
}

impl Group {
    pub fn new(model: Model, replicas: i32) -> Self {
        let partitions = usize::try_from(model.partitions).unwrap();
        Self {
            model,
            now: 0,
            ends: vec![0.0; partitions],
            read: vec![0.0; partitions],
            committed: vec![0.0; partitions],
            asked: replicas,
            members: replicas,
            starting: VecDeque::new(),
            still_until: 0,
        }
    }

    /// Asks for so many pods from now on.
    pub fn scale(&mut self, replicas: i32) {
        if replicas == self.asked {
            return;
        }
        self.asked = replicas;
        let ready_at = self.now + self.model.startup;
        let delay = if replicas > self.members {
            ready_at
        } else {
            self.now
        };
        self.starting = VecDeque::from([(delay, replicas)]);
    }

    /// One second with so many arriving records, spread evenly over the partitions.
    pub fn step(&mut self, arrivals: f64) {
        self.now += 1;
        while let Some(&(_, members)) = self.starting.front().filter(|(t, _)| *t <= self.now) {
            self.starting.pop_front();
            if members != self.members {
                self.members = members;
                self.still_until = self.now + self.model.rebalance;
            }
        }
        let each = arrivals / f64::from(self.model.partitions);
        for end in &mut self.ends {
            *end += each;
        }
        if self.now >= self.still_until {
            self.consume();
            if self.now % self.model.commit == 0 {
                self.committed.clone_from(&self.read);
            }
        }
    }

    fn consume(&mut self) {
        let members = usize::try_from(self.members).unwrap();
        for member in 0..members.min(self.ends.len()) {
            let mut room = self.model.rate;
            let share = (member..self.ends.len()).step_by(members);
            let mut left = share.clone().count();
            for partition in share {
                let unread = self.ends[partition] - self.read[partition];
                let taken = unread.min(room / f64::from(u32::try_from(left).unwrap()));
                self.read[partition] += taken;
                room -= taken;
                left -= 1;
            }
        }
    }

    pub fn replicas(&self) -> i32 {
        self.asked
    }

    pub fn lag(&self) -> f64 {
        self.ends.iter().zip(&self.read).map(|(e, r)| e - r).sum()
    }

    #[expect(clippy::cast_possible_truncation, reason = "small model numbers")]
    pub fn observe(&self) -> Observation {
        let offsets: Vec<(i64, i64)> = self
            .ends
            .iter()
            .zip(&self.committed)
            .map(|(&end, &committed)| (committed as i64, end as i64))
            .collect();
        let rebalancing = self.now < self.still_until;
        Observation {
            ready: self.members.min(self.asked),
            group: if rebalancing {
                GroupState::PreparingRebalance
            } else {
                GroupState::Stable
            },
            ..look(self.now, self.asked, &offsets)
        }
    }
}

/// A closed loop: the group, its autoscaler and what was decided.
#[derive(Clone, Debug)]
pub struct Loop {
    pub spec: Autoscaling,
    pub group: Group,
    pub scaler: Scaler,
    pub observations: Vec<Observation>,
    pub decisions: Vec<Decision>,
}

impl Loop {
    pub fn new(spec: Autoscaling, group: Group) -> Self {
        Self {
            spec,
            group,
            scaler: Scaler::default(),
            observations: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// Runs for so many seconds, deciding once an interval.
    pub fn run(&mut self, seconds: i64, mut arrivals: impl FnMut(i64) -> f64) -> &mut Self {
        let interval = i64::try_from(self.spec.interval.as_secs()).unwrap();
        for _ in 0..seconds {
            self.group.step(arrivals(self.group.now));
            if self.group.now % interval == 0 {
                self.decide();
            }
        }
        self
    }

    fn decide(&mut self) {
        let observation = self.group.observe();
        let reset = OffsetReset::Earliest;
        let decision = decide(&self.spec, reset, &mut self.scaler, &observation);
        self.group.scale(decision.to);
        self.observations.push(observation);
        self.decisions.push(decision);
    }

    /// The changes so far: when, in seconds, and from which count to which.
    pub fn changes(&self) -> Vec<(i64, i32, i32)> {
        self.decisions
            .iter()
            .filter(|d| d.from != d.to)
            .map(|d| (d.at.as_second() - at(0).as_second(), d.from, d.to))
            .collect()
    }

    /// How often the direction changed.
    pub fn direction_changes(&self) -> usize {
        let directions: Vec<bool> = self.changes().iter().map(|(_, a, b)| b > a).collect();
        directions
            .windows(2)
            .filter(|pair| pair[0] != pair[1])
            .count()
    }
}
