//! The JSON of Prometheus' HTTP API, as far as instant queries need it.

use serde::Deserialize;
use serde_json::Value;

use super::Error;

/// Longest text of Prometheus' that is kept, in characters.
const MAX_WORDS: usize = 256;

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    #[serde(default)]
    result: Value,
}

/// One series of a vector; a native histogram has no `value`.
#[derive(Deserialize)]
struct Series {
    value: Option<Sample>,
}

/// A time in seconds, and the value as text, since JSON has no word for infinity.
#[derive(Deserialize)]
struct Sample(#[expect(dead_code, reason = "it is now")] f64, String);

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// The one number that an answer holds.
pub(super) fn number(server: &str, body: &[u8]) -> Result<f64, Error> {
    let foreign = || Error::NotPrometheus {
        server: server.to_owned(),
    };
    let Answer { data } = serde_json::from_slice(body).map_err(|_| foreign())?;
    let sample = match data.result_type.as_str() {
        "scalar" => serde_json::from_value(data.result).map_err(|_| foreign())?,
        "vector" => {
            let series: Vec<Series> = serde_json::from_value(data.result).map_err(|_| foreign())?;
            only(series)?
        }
        kind @ ("matrix" | "string") => {
            return Err(Error::NotANumber {
                kind: kind.to_owned(),
            });
        }
        _ => return Err(foreign()),
    };
    finite(&sample, foreign)
}

fn only(series: Vec<Series>) -> Result<Sample, Error> {
    let mut series = series.into_iter();
    let first = series.next().ok_or(Error::NoData)?;
    if series.next().is_some() {
        return Err(Error::ManySeries);
    }
    first.value.ok_or_else(|| Error::NotANumber {
        kind: "histogram".to_owned(),
    })
}

fn finite(Sample(_, text): &Sample, foreign: impl Fn() -> Error) -> Result<f64, Error> {
    let value: f64 = text.parse().map_err(|_| foreign())?;
    if value.is_finite() {
        return Ok(value);
    }
    Err(Error::NotFinite {
        value: text.chars().take(8).collect(),
    })
}

/// Prometheus' own words for what is wrong, on one line.
pub(super) fn complaint(body: &[u8]) -> Option<String> {
    let Refusal { error } = serde_json::from_slice(body).ok()?;
    let visible = error.split(|c: char| c.is_control() || c == ' ');
    let words: Vec<_> = visible.filter(|word| !word.is_empty()).collect();
    Some(words.join(" ").chars().take(MAX_WORDS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(data: &str) -> Result<f64, String> {
        let body = format!(r#"{{"status":"success","data":{data}}}"#);
        number("http://p", body.as_bytes()).map_err(|error| error.to_string())
    }

    fn vector(result: &str) -> Result<f64, String> {
        said(&format!(r#"{{"resultType":"vector","result":{result}}}"#))
    }

    #[test]
    fn a_scalar_and_a_vector_of_one_are_numbers() {
        let scalar = r#"{"resultType":"scalar","result":[1.5,"-4e2"]}"#;
        assert_eq!(said(scalar), Ok(-400.0));
        let one = r#"[{"metric":{"job":"a"},"value":[1435781451.781,"42"]}]"#;
        assert_eq!(vector(one), Ok(42.0));
    }

    #[test]
    fn anything_else_is_no_number_and_never_zero() {
        let series = r#"{"metric":{},"value":[1,"1"]}"#;
        let histogram = r#"[{"metric":{},"histogram":[1,{"count":"3"}]}]"#;
        let infinite = r#"[{"metric":{},"value":[1,"+Inf"]}]"#;
        let matrix = said(r#"{"resultType":"matrix","result":[]}"#);
        for (answer, words) in [
            (vector("[]"), "yields no data"),
            (
                vector(&format!("[{series},{series}]")),
                "must yield one series",
            ),
            (vector(histogram), "a histogram and must yield one number"),
            (vector(infinite), "yields +Inf, which is no finite number"),
            (vector("{}"), "not Prometheus' JSON"),
            (matrix, "a matrix and must yield one number"),
            (said("[]"), "not Prometheus' JSON"),
        ] {
            let message = answer.unwrap_err();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn complaints_are_one_line_of_bounded_length() {
        let long = format!(r#"{{"error":"a\n\u001b[31m{}"}}"#, "é".repeat(300));
        let words = complaint(long.as_bytes()).unwrap();
        assert!(words.starts_with("a [31mé"), "{words}");
        assert_eq!(words.chars().count(), MAX_WORDS);
        assert_eq!(complaint(b"<html>"), None);
    }
}
