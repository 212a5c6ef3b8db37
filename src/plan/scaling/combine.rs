//! Combines what the policies want: out when any wants out, in only when all agree, and of several
//! counts the largest, so that every policy finds its need covered. The unknown never shrinks.

use super::{
    acts::Wait,
    policies::{Opinion, Wish},
};

/// What the policies want together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combined {
    /// The count.
    pub count: i32,
    /// The policy that decides; empty when none has an opinion.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Whether the count is a step from the present one.
    pub is_relative: bool,
    /// Whether it is enough for what arrives, by the word of a policy that knows.
    pub covers_arrivals: bool,
    /// Whether a policy wants this count, rather than none having a say.
    pub is_wish: bool,
    /// What the policy waits for once its wish was carried out.
    pub wait: Option<Wait>,
}

/// Combines the opinions, each with its policy's name; their order plays no part.
pub fn combine(opinions: &[(&str, Opinion)], replicas: i32) -> Combined {
    let largest = largest(opinions, |opinion| match opinion {
        Opinion::Wants(wish) => Some(wish),
        _ => None,
    });
    if let Some((name, wish)) = largest.filter(|(_, wish)| wish.count > replicas) {
        return of_wish(name, wish);
    }
    let unknown = |opinion: &Opinion| matches!(opinion, Opinion::Unknown(_));
    let settling = |opinion: &Opinion| matches!(opinion, Opinion::Settling(_));
    if let Some((name, opinion)) = first(opinions, unknown).or_else(|| first(opinions, settling)) {
        return hold(replicas, name, opinion.reason().to_owned());
    }
    let Some((name, wish)) = largest else {
        let trial = self::largest(opinions, |opinion| match opinion {
            Opinion::Tries(wish) => Some(wish),
            _ => None,
        });
        return trial.map_or_else(
            || nobody(opinions, replicas),
            |(name, wish)| of_wish(name, wish),
        );
    };
    let may_scale_in = opinions
        .iter()
        .any(|(_, opinion)| matches!(opinion, Opinion::Wants(wish) if wish.may_scale_in));
    if wish.count < replicas && !may_scale_in {
        let reason = format!("{}, and {name} removes no pods", wish.reason);
        return hold(replicas, name, reason);
    }
    let covers = |o: &Opinion| matches!(o, Opinion::Wants(wish) if wish.covers_arrivals);
    Combined {
        covers_arrivals: opinions.iter().any(|(_, opinion)| covers(opinion)),
        ..of_wish(name, wish)
    }
}

/// The largest wish; of equal ones, the first by name.
fn largest<'a>(
    opinions: &'a [(&str, Opinion)],
    wish: impl Fn(&'a Opinion) -> Option<&'a Wish>,
) -> Option<(&'a str, &'a Wish)> {
    opinions
        .iter()
        .filter_map(|(name, opinion)| wish(opinion).map(|wish| (*name, wish)))
        .max_by(|(a, x), (b, y)| x.count.cmp(&y.count).then_with(|| b.cmp(a)))
}

fn first<'a>(
    opinions: &'a [(&str, Opinion)],
    matches: impl Fn(&Opinion) -> bool,
) -> Option<(&'a str, &'a Opinion)> {
    opinions
        .iter()
        .filter(|(_, opinion)| matches(opinion))
        .map(|(name, opinion)| (*name, opinion))
        .min_by_key(|(name, _)| *name)
}

fn of_wish(name: &str, wish: &Wish) -> Combined {
    Combined {
        count: wish.count,
        by: name.to_owned(),
        reason: wish.reason.clone(),
        is_relative: wish.is_relative,
        covers_arrivals: wish.covers_arrivals,
        is_wish: true,
        wait: wish.wait,
    }
}

fn hold(replicas: i32, by: &str, reason: String) -> Combined {
    Combined {
        count: replicas,
        by: by.to_owned(),
        reason,
        is_relative: false,
        covers_arrivals: false,
        is_wish: false,
        wait: None,
    }
}

fn nobody(opinions: &[(&str, Opinion)], replicas: i32) -> Combined {
    let said = first(opinions, |_| true).map(|(_, opinion)| opinion.reason().to_owned());
    hold(
        replicas,
        "",
        said.unwrap_or_else(|| "there is no policy".into()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(count: i32) -> Opinion {
        Opinion::Wants(Wish::of(count, format!("wants {count}")))
    }

    fn out_only(count: i32) -> Opinion {
        match wants(count) {
            Opinion::Wants(wish) => Opinion::Wants(Wish {
                may_scale_in: false,
                ..wish
            }),
            other => other,
        }
    }

    fn tries(count: i32) -> Opinion {
        match wants(count) {
            Opinion::Wants(wish) => Opinion::Tries(wish),
            other => other,
        }
    }

    fn unknown() -> Opinion {
        Opinion::Unknown("unreadable".into())
    }

    fn abstains() -> Opinion {
        Opinion::Abstains("nothing to say".into())
    }

    /// Cases W28, W36, H10a to H10c of the conformance vectors among others.
    #[test]
    fn out_when_any_wants_and_in_when_all_agree_and_the_largest_wins() {
        for (title, a, b, replicas, count, by) in [
            ("any out", wants(12), wants(6), 10, 12, "a"),
            ("the largest in", wants(8), wants(5), 10, 8, "a"),
            ("one stays", wants(10), wants(5), 10, 10, "a"),
            ("largest out", wants(4), wants(7), 5, 7, "b"),
            ("a tie", wants(7), wants(7), 5, 7, "a"),
            ("unknown holds in", unknown(), wants(2), 5, 5, "a"),
            ("unknown lets out", unknown(), wants(8), 5, 8, "b"),
            ("both unknown", unknown(), unknown(), 5, 5, "a"),
            ("abstaining blocks nothing", abstains(), wants(2), 5, 2, "b"),
            ("nobody says a thing", abstains(), abstains(), 5, 5, ""),
            ("out only holds alone", out_only(5), abstains(), 10, 10, "a"),
            ("out only goes out", out_only(12), abstains(), 10, 12, "a"),
            ("out only is a floor", out_only(8), wants(5), 10, 8, "a"),
            ("a trial when nobody wants", tries(4), abstains(), 6, 4, "a"),
            ("no trial beside a wish", tries(4), wants(6), 6, 6, "b"),
            (
                "no trial beside the unknown",
                tries(4),
                unknown(),
                6,
                6,
                "b",
            ),
        ] {
            let there = combine(&[("a", a.clone()), ("b", b.clone())], replicas);
            assert_eq!((there.count, there.by.as_str()), (count, by), "{title}");
            let back = combine(&[("b", b), ("a", a)], replicas);
            assert_eq!(there, back, "{title}, in the other order");
        }
    }
}
