//! Quantities in the one spelling that the apiserver stores. A Deployment that is read back says
//! `500m` where `0.5` was written; rendering the stored spelling from the start lets a comparison
//! with the live object be plain equality. Pure text to text; decides nothing.

/// Rewrites a quantity of the allow-list (`0.5`, `1024Mi`, `1500m`) as Kubernetes spells it
/// (`500m`, `1Gi`, `1500m`). A text that is no such quantity comes back as it is: the apiserver
/// then names what is wrong with it.
///
/// Follows the canonical form of apimachinery's `resource.Quantity`: the largest suffix that
/// leaves a whole number, binary suffixes kept binary down to 1 Ki, parts below 1 n rounded up.
#[must_use]
pub fn canonical(text: &str) -> String {
    parse(text).map_or_else(|| text.to_owned(), |(nanos, base)| spell(nanos, base))
}

/// Billionths in one unit.
const UNIT: u128 = 1_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Decimal,
    Binary,
}

fn parse(text: &str) -> Option<(u128, Base)> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (numerator, denominator, base) = scale(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mantissa: u128 = format!("{whole}{fraction}").parse().ok()?;
    let divisor = 10_u128
        .checked_pow(u32::try_from(fraction.len()).ok()?)?
        .checked_mul(denominator)?;
    let nanos = mantissa.checked_mul(UNIT)?.checked_mul(numerator)?;
    Some((nanos.div_ceil(divisor), base))
}

/// What a suffix multiplies by, as a fraction.
fn scale(suffix: &str) -> Option<(u128, u128, Base)> {
    let decimal = |power| Some((1000_u128.pow(power), 1, Base::Decimal));
    let binary = |power| Some((1024_u128.pow(power), 1, Base::Binary));
    match suffix {
        "m" => Some((1, 1000, Base::Decimal)),
        "" => decimal(0),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        _ => None,
    }
}

fn spell(nanos: u128, base: Base) -> String {
    if base == Base::Binary && nanos >= 1024 * UNIT {
        largest(
            nanos.div_ceil(UNIT),
            1024,
            &["", "Ki", "Mi", "Gi", "Ti", "Pi"],
        )
    } else {
        largest(nanos, 1000, &["n", "u", "m", "", "k", "M", "G", "T", "P"])
    }
}

/// Moves to the next suffix as long as the number stays whole.
fn largest(mut number: u128, step: u128, suffixes: &[&str]) -> String {
    if number == 0 {
        return "0".to_owned();
    }
    let mut suffixes = suffixes.iter().peekable();
    let mut suffix = suffixes.next().copied().unwrap_or_default();
    while number.is_multiple_of(step)
        && let Some(next) = suffixes.next()
    {
        number /= step;
        suffix = next;
    }
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_spelt_as_the_apiserver_stores_them() {
        for (written, stored) in [
            ("1", "1"),
            ("0", "0"),
            ("0.0", "0"),
            ("0Mi", "0"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.0001", "100u"),
            ("1000k", "1M"),
            ("1024Mi", "1Gi"),
            ("1000Mi", "1000Mi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1.3Gi", "1395864372"),
            ("768Mi", "768Mi"),
            ("2000M", "2G"),
        ] {
            assert_eq!(canonical(written), stored, "{written}");
        }
    }

    #[test]
    fn what_is_no_quantity_stays_as_it_is() {
        for text in ["", ".", "1e3", "-1", "1Zi", "Mi"] {
            assert_eq!(canonical(text), text);
        }
    }
}
