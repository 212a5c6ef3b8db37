//! How results look: a table for people, or one object for programs.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde::Serialize;

/// The format of results that are one object a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// JSON, one object a line.
    Json,
}

/// The format of results that are one object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ObjectFormat {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON object.
    Json,
    /// The same as YAML.
    Yaml,
}

/// The flag for it.
#[derive(Clone, Copy, Debug, Args)]
pub struct ObjectArgs {
    /// How results look.
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub format: ObjectFormat,
}

impl ObjectFormat {
    /// Prints `value` as one object, or as the text that `table` makes for people.
    ///
    /// # Errors
    /// When the value has no such form.
    pub fn print<T: Serialize>(
        self,
        value: &T,
        table: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        match self {
            Self::Table => print!("{}", table()),
            Self::Json => println!("{}", serde_json::to_string_pretty(value)?),
            Self::Yaml => print!("{}", serde_yaml::to_string(value)?),
        }
        Ok(())
    }
}

/// The flag for lines of objects.
#[derive(Clone, Copy, Debug, Args)]
pub struct OutputArgs {
    /// How results look.
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub format: Format,
}

/// Rows under each other in columns; the last column is as wide as it likes.
#[must_use]
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}   ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The text in lines of at most `width` characters, where its words are that short; every line but
/// the first begins with `indent` spaces.
#[must_use]
pub fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let mut lines = String::new();
    let mut length = indent;
    for word in text.split_whitespace() {
        let word_length = word.chars().count();
        if length > indent && length + 1 + word_length > width {
            let _ = write!(lines, "\n{:indent$}", "");
            length = indent;
        } else if length > indent {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += word_length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_broken_between_words_and_indented() {
        assert_eq!(wrapped("one two three", 2, 10), "one two\n  three");
        assert_eq!(
            wrapped("a-word-that-is-too-long is", 2, 10),
            "a-word-that-is-too-long\n  is"
        );
        assert_eq!(wrapped("", 4, 10), "");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "long", "x"], ["bbb", "c", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), "a     long   x\nbbb   c\n");
    }
}
