//! Metric math: one number from other series, as an expression in the Common Expression Language.
//! Read and computed by the `cel` crate, of which only arithmetic is let in: what walks lists could
//! take hours within 512 characters. Every number is a double, so that `lag / 2` is what it looks
//! like. Total: what cannot be computed has no value.

use std::collections::BTreeSet;

use cel::{
    Context, ExecutionError, Value,
    common::{
        ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators},
        types::CelDouble,
    },
    functions,
    parser::{ParseErrors, Parser},
};

/// Longest expression, in bytes; the definition's bound.
const LONGEST: usize = 512;
/// Most parentheses within each other: the parser is recursive, and each costs it much stack.
const MOST_PARENTHESES: usize = 8;
/// Most conditions, which count as nested.
const MOST_CONDITIONS: usize = 32;
/// How deep the tree may be: computing is recursive, too. A sum of so many terms is one.
const DEEPEST: usize = 40;
/// A division in place of CEL's own, which yields infinity for a division by zero.
const DIVIDE: &str = "@divide";
/// What an expression may consist of.
const KNOWN: &str = "an expression consists of numbers, names of series, + - * /, comparisons, \
    && || !, ?:, min and max";

/// An expression that was read and whose types fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    tree: IdedExpr,
    names: BTreeSet<String>,
}

/// The type of a part of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Truth,
}

impl Expression {
    /// Reads an expression and checks its types.
    ///
    /// # Errors
    /// What is wrong with it, in words that name the place or the part.
    pub fn parse(text: &str) -> Result<Self, String> {
        fits(text)?;
        let tree = Parser::new().parse(text);
        let mut expression = Self {
            tree: tree.map_err(|errors| complaint(&errors))?,
            names: BTreeSet::new(),
        };
        let Self { tree, names } = &mut expression;
        match check(tree, names, DEEPEST)? {
            Kind::Number => Ok(expression),
            Kind::Truth => Err(
                "it yields true or false and must yield a number: write `... ? 1 : 0`".to_owned(),
            ),
        }
    }

    /// The series that it is about.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Its value over the series that the context holds; `None` where it has none: a series is
    /// missing, it divides by zero, or the result is no finite number.
    pub fn evaluate(&self, context: &Context<'_>) -> Option<f64> {
        let all_known = self
            .names()
            .all(|name| context.get_variable(name).is_some());
        match all_known.then(|| Value::resolve(&self.tree, context))? {
            Ok(Value::Float(value)) => Some(value).filter(|value| value.is_finite()),
            _ => None,
        }
    }
}

/// Refuses what the parser must not see: what is too long or too deeply nested for it, and every
/// character that begins a list, a map, a text or anything else but arithmetic.
fn fits(text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes: shorten it"));
    }
    let is_known = |c: char| c.is_ascii_alphanumeric() || " \t\r\n_.+-*/%<>=!&|?:(),".contains(c);
    if let Some(other) = text.chars().find(|c| !is_known(*c)) {
        return Err(foreign(&other.escape_debug().to_string()));
    }
    let mut open = 0_usize;
    let mut deepest = 0;
    for character in text.chars() {
        match character {
            '(' => open += 1,
            ')' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    if deepest > MOST_PARENTHESES || text.matches('?').count() > MOST_CONDITIONS {
        return Err(format!(
            "it holds more than {MOST_PARENTHESES} parentheses within each other or more than \
             {MOST_CONDITIONS} conditions: split it into several metrics"
        ));
    }
    Ok(())
}

/// A context in which expressions have their functions and no series yet.
#[must_use]
pub fn context() -> Context<'static> {
    let mut context = Context::empty();
    context.add_function("min", functions::min);
    context.add_function("max", functions::max);
    context.add_function(DIVIDE, divide);
    context
}

fn divide(dividend: f64, divisor: f64) -> Result<f64, ExecutionError> {
    if divisor == 0.0 {
        return Err(ExecutionError::DivisionByZero(dividend.into()));
    }
    Ok(dividend / divisor)
}

/// The parser's first complaint, on one line.
fn complaint(errors: &ParseErrors) -> String {
    let Some(first) = errors.errors.first() else {
        return KNOWN.to_owned();
    };
    let words: Vec<_> = first.msg.split_whitespace().collect();
    format!("column {}: {}", first.pos.1.max(1), words.join(" "))
}

/// The type of a part. Numbers become doubles, divisions [`DIVIDE`], and series are collected.
fn check(part: &mut IdedExpr, names: &mut BTreeSet<String>, depth: usize) -> Result<Kind, String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!(
            "it is nested deeper than {DEEPEST} levels: split it into several metrics"
        ));
    };
    match &mut part.expr {
        Expr::Literal(literal) => number(literal),
        Expr::Ident(name) => {
            names.insert(name.clone());
            Ok(Kind::Number)
        }
        Expr::Call(call) if call.target.is_none() => check_call(call, names, depth),
        Expr::Call(call) => Err(foreign(&call.func_name)),
        Expr::Select(select) => Err(foreign(&format!(".{}", select.field))),
        // Not written with the characters that are let in, but for a macro over a number.
        Expr::List(_)
        | Expr::Map(_)
        | Expr::Struct(_)
        | Expr::Comprehension(_)
        | Expr::Unspecified => Err(KNOWN.to_owned()),
    }
}

fn foreign(what: &str) -> String {
    format!("it holds `{what}`: {KNOWN}")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "whoever writes a number beyond 2^53 here does not mean its last digit"
)]
fn number(literal: &mut LiteralValue) -> Result<Kind, String> {
    let value = match literal {
        LiteralValue::Boolean(_) => return Ok(Kind::Truth),
        LiteralValue::Double(value) => *value.inner(),
        LiteralValue::Int(value) => *value.inner() as f64,
        LiteralValue::UInt(value) => *value.inner() as f64,
        LiteralValue::Null => return Err(foreign("null")),
        LiteralValue::String(_) | LiteralValue::Bytes(_) => return Err(KNOWN.to_owned()),
    };
    *literal = LiteralValue::Double(CelDouble::from(value));
    Ok(Kind::Number)
}

fn check_call(
    call: &mut CallExpr,
    names: &mut BTreeSet<String>,
    depth: usize,
) -> Result<Kind, String> {
    let kinds = call
        .args
        .iter_mut()
        .map(|part| check(part, names, depth))
        .collect::<Result<Vec<_>, _>>()?;
    let symbol = symbol(&call.func_name);
    let takes = |kind: Kind, yields: Kind| {
        let fits = kinds.iter().all(|k| *k == kind);
        fits.then_some(yields).ok_or_else(|| match kind {
            Kind::Number => format!("`{symbol}` takes numbers, and one side is true or false"),
            Kind::Truth => format!("`{symbol}` takes true or false, and one side is a number"),
        })
    };
    let same = |kinds: &[Kind], yields: Kind| match kinds {
        [a, b] if a == b => Ok(yields),
        _ => Err(format!(
            "one side of `{symbol}` is a number, and the other true or false"
        )),
    };
    match call.func_name.as_str() {
        operators::DIVIDE => {
            DIVIDE.clone_into(&mut call.func_name);
            takes(Kind::Number, Kind::Number)
        }
        operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::NEGATE => {
            takes(Kind::Number, Kind::Number)
        }
        "min" | "max" if !kinds.is_empty() => takes(Kind::Number, Kind::Number),
        operators::LESS
        | operators::LESS_EQUALS
        | operators::GREATER
        | operators::GREATER_EQUALS => takes(Kind::Number, Kind::Truth),
        operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => {
            takes(Kind::Truth, Kind::Truth)
        }
        operators::EQUALS | operators::NOT_EQUALS => same(&kinds, Kind::Truth),
        operators::CONDITIONAL => match kinds.as_slice() {
            [Kind::Truth, then, other] => same(&[*then, *other], *then),
            _ => Err("what stands before `?` is a number and must be true or false".to_owned()),
        },
        _ => Err(foreign(&symbol)),
    }
}

/// An operator or a function as it is written: in CEL's own name for an operator underscores stand
/// where its sides are.
fn symbol(name: &str) -> String {
    if name.contains(char::is_alphanumeric) {
        return name.trim_start_matches('@').to_owned();
    }
    name.replace('_', "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str, series: &[(&str, f64)]) -> Option<f64> {
        let mut context = context();
        for (name, value) in series {
            context.add_variable_from_value(*name, *value);
        }
        Expression::parse(text).unwrap().evaluate(&context)
    }

    fn refusal(text: &str) -> String {
        Expression::parse(text).expect_err(text)
    }

    #[test]
    fn every_number_is_a_double() {
        let series = [("lag", 7.0), ("consumeRate", 2.0)];
        for (text, expected) in [
            ("lag / consumeRate", 3.5),
            ("lag / 2", 3.5),
            ("7 / 2", 3.5),
            ("7u / 2", 3.5),
            ("(lag + consumeRate) / 2.0 - 1", 3.5),
            ("-lag * -1e1", 70.0),
            (
                "lag > 5 && !(consumeRate >= 3) ? max(lag, 9, 8) : min(lag)",
                9.0,
            ),
            ("lag == 7 || false ? 1 : 0", 1.0),
            ("42", 42.0),
        ] {
            assert_eq!(value(text, &series), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_computed_has_no_value() {
        let series = [("a", 1.0), ("zero", 0.0), ("huge", 1e308)];
        for text in [
            "a / zero",
            "zero / zero",
            // Also where CEL would compare infinity and go on.
            "a / zero > 5 ? 1 : 2",
            "huge * 10",
            "a + unread",
            "a > 0 ? a : unread",
        ] {
            assert_eq!(value(text, &series), None, "{text}");
        }
        assert_eq!(value("zero == 0 ? a : a / zero", &series), Some(1.0));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, words) in [
            ("lag +", "column 6: "),
            ("", "column 1: "),
            ("lag lag", "column 5: "),
            ("lag > 5", "must yield a number: write `... ? 1 : 0`"),
            (
                "lag + true",
                "`+` takes numbers, and one side is true or false",
            ),
            ("lag && true ? 1 : 0", "`&&` takes true or false"),
            ("lag ? 1 : 0", "what stands before `?` is a number"),
            ("true ? 1 : false", "one side of `?:` is a number"),
            ("lag == true ? 1 : 0", "one side of `==` is a number"),
            ("lag % 2", "it holds `%`"),
            ("size(lag)", "it holds `size`"),
            ("max()", "it holds `max`"),
            ("lag.foo", "it holds `.foo`"),
            ("lag.max(1)", "it holds `max`"),
            ("has(lag.foo) ? 1 : 0", "it holds `.foo`"),
            ("[1, 2][0]", "it holds `[`"),
            ("{'a': 1}.a", "it holds `{`"),
            (
                "lag.all(x, x > 0) ? 1 : 0",
                "an expression consists of numbers",
            ),
            ("lag in lag ? 1 : 0", "it holds `in`"),
            ("'7'", "it holds `\\'`"),
            ("lag\u{1b}", "it holds `\\u{1b}`"),
            (
                "((((((((( 1 )))))))))",
                "more than 8 parentheses within each other",
            ),
            ("null", "it holds `null`"),
            ("9223372036854775808", "column 1: "),
        ] {
            let message = refusal(text);
            assert!(message.contains(words), "{text}: {message}");
            assert!(!message.contains('\n'), "{text}: {message}");
        }
    }

    /// The whole of it within 10 s, on a stack as small as that of the operator's threads.
    fn on_a_small_stack(text: String) -> Result<Option<f64>, String> {
        let (told, answer) = std::sync::mpsc::channel();
        let whole = move || {
            let value = Expression::parse(&text).map(|e| e.evaluate(&context()));
            told.send(value)
        };
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        thread.spawn(whole).unwrap();
        let patience = std::time::Duration::from_secs(10);
        answer.recv_timeout(patience).unwrap()
    }

    #[test]
    fn hostile_expressions_end_soon_and_within_the_stack() {
        let nested = |open: &str, close: &str, times: usize| {
            format!("{}1{}", open.repeat(times), close.repeat(times))
        };
        for text in [
            nested("(", ")", 8),
            nested("a+b*-(", ")", 8),
            nested("(", ")", 255),
            nested("!", "", 511),
            nested("-", "", 511),
            nested("1+", "", 255),
            nested("1/", "", 255),
            nested("true?1:", "", 32),
            nested("true?1:", "", 73),
            nested("max(", ")", 8),
            nested("max(", ")", 102),
            nested("[1].map(x,", ")", 46),
            nested("a.all(x,", ")", 8),
            nested("a.b(", ")", 100),
            nested("!-", "", 255),
            nested("a||b&&c<", "", 60),
            nested("a.", "", 255),
            "(".repeat(512),
            "?".repeat(512),
            ":".repeat(512),
            "\u{0}".repeat(512),
        ] {
            assert!(text.len() <= LONGEST, "{}", text.len());
            if let Ok(value) = on_a_small_stack(text) {
                assert!(
                    value.is_none_or(|value| (value.abs() - 1.0).abs() < 1e-9),
                    "{value:?}"
                );
            }
        }
        let long = format!("1{}", " + 1".repeat(DEEPEST - 1));
        assert_eq!(on_a_small_stack(long), Ok(Some(40.0)));
        assert!(refusal(&"1".repeat(513)).contains("longer than 512 bytes"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c0-9.+*/<=>&|!?:(), -]{0,60}") {
            if let Ok(expression) = Expression::parse(&text) {
                let mut context = context();
                context.add_variable_from_value("a", 2.0);
                let value = expression.evaluate(&context);
                prop_assert!(value.is_none_or(f64::is_finite));
            }
        }

        #[test]
        fn any_characters_are_read_or_refused(text in "\\PC{0,40}") {
            let _ = Expression::parse(&text);
        }
    }
}
