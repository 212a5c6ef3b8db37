//! Loads over time. Their sizes belong to the partitions, not to what a replica can do, so that a
//! replica of half the speed is a harder case and not the same one with another name.

use std::ops::Range;

/// Records per second that one partition's replica processes in the base case: the unit of a load.
const UNIT: f64 = 500.0;
/// Seconds at the first load before anything is counted: the autoscalers come to rest, and Sluice
/// learns what a replica can do.
pub const SETTLE: usize = 1800;
const HOUR: usize = 3600;

/// A load's course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// 10 % of what the partitions can take, two hours of 40 %, and back.
    Step,
    /// From 10 % to 45 % within an hour, an hour there, and back within an hour.
    Ramp,
    /// A day: from 8 % to 42 % and back, a cosine.
    Wave,
    /// 8 %, and 45 % for two minutes every half hour.
    Spikes,
    /// 30 %, with 20 % of noise that is drawn anew every 30 s.
    Noise,
    /// 20 %; for ten minutes nothing is processed, because what the replicas write to is down.
    Outage,
}

/// Every shape, in the order of the table.
pub const ALL: [Shape; 6] = [
    Shape::Step,
    Shape::Ramp,
    Shape::Wave,
    Shape::Spikes,
    Shape::Noise,
    Shape::Outage,
];

/// Records that arrive in each second, and when nobody processes any.
#[derive(Clone, Debug)]
pub struct Load {
    /// Records in each second; the first [`SETTLE`] of them are not counted.
    pub arrivals: Vec<f64>,
    /// Seconds in which every replica stands still.
    pub outage: Range<usize>,
}

impl Shape {
    /// As the table names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Ramp => "ramp",
            Self::Wave => "daily wave",
            Self::Spikes => "spike train",
            Self::Noise => "noisy constant",
            Self::Outage => "backlog after an outage",
        }
    }

    /// Counted seconds.
    const fn seconds(self) -> usize {
        match self {
            Self::Wave => 24 * HOUR,
            _ => 4 * HOUR,
        }
    }

    /// The load at a counted second, as a share of what the partitions can take in the base case.
    #[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
    fn share(self, second: usize) -> f64 {
        let hours = second as f64 / HOUR as f64;
        match self {
            Self::Step if (1.0..3.0).contains(&hours) => 0.40,
            Self::Step => 0.10,
            Self::Ramp => 0.10 + 0.35 * hours.min(3.0 - hours).clamp(0.0, 1.0),
            Self::Wave => 0.25 - 0.17 * (hours / 24.0 * std::f64::consts::TAU).cos(),
            Self::Spikes if (900..1020).contains(&(second % 1800)) => 0.45,
            Self::Spikes => 0.08,
            Self::Noise => 0.30,
            Self::Outage => 0.20,
        }
    }

    /// The load on so many partitions.
    pub fn load(self, partitions: u32, seed: u64) -> Load {
        let mut noise = Noise(seed);
        let (amount, hold) = match self {
            Self::Noise => (0.20, 30),
            _ => (0.05, 1),
        };
        let mut factor = 1.0;
        let arrivals = (0..SETTLE + self.seconds()).map(|second| {
            if second % hold == 0 {
                factor = 1.0 + amount * (2.0 * noise.share() - 1.0);
            }
            let share = self.share(second.saturating_sub(SETTLE));
            UNIT * f64::from(partitions) * share * factor
        });
        let arrivals = arrivals.collect();
        let outage = match self {
            Self::Outage => SETTLE + 1800..SETTLE + 2400,
            _ => 0..0,
        };
        Load { arrivals, outage }
    }
}

/// A generator of numbers that look random and are the same in every run (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Noise(pub u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1, without 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to `below`, without it.
    pub fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_what_its_name_says() {
        for (shape, second, expected) in [
            (Shape::Step, 3599, 600.0),
            (Shape::Step, 3600, 2400.0),
            (Shape::Step, 3 * HOUR, 600.0),
            (Shape::Ramp, 1800, 1650.0),
            (Shape::Ramp, 5400, 2700.0),
            (Shape::Ramp, 9000, 1650.0),
            (Shape::Ramp, 4 * HOUR - 1, 600.0),
            (Shape::Wave, 0, 480.0),
            (Shape::Wave, 12 * HOUR, 2520.0),
            (Shape::Spikes, 899, 480.0),
            (Shape::Spikes, 900, 2700.0),
            (Shape::Spikes, 1800 + 1020, 480.0),
            (Shape::Noise, 0, 1800.0),
            (Shape::Outage, 2000, 1200.0),
        ] {
            let noise = if shape == Shape::Noise { 0.20 } else { 0.05 };
            let load = shape.load(12, 1).arrivals[SETTLE + second];
            assert!(
                (load / expected - 1.0).abs() <= noise,
                "{shape:?} at {second}: {load}, not {expected}"
            );
        }
    }

    #[test]
    fn noise_is_even_and_comes_back_with_its_seed() {
        let load = |seed| Shape::Noise.load(12, seed).arrivals;
        assert_eq!(load(1), load(1));
        assert_ne!(load(1), load(2));
        let load = load(1);
        let mean = load.iter().sum::<f64>() / f64::from(u32::try_from(load.len()).unwrap());
        assert!((mean / 1800.0 - 1.0).abs() < 0.02, "{mean}");
        assert!((load[29] - load[0]).abs() < 1e-9 && (load[30] - load[29]).abs() > 1e-9);
    }
}
