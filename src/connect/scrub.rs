//! Connect's words, made fit to be shown. Its complaints quote the configuration, and by then
//! references to secrets are resolved: values are taken out here, before anything else of the
//! program sees the text. Cuts what is long. Decides nothing.

/// Longest text that is kept, in bytes.
pub(super) const MAX: usize = 1024;

/// The same words on one line without values of a configuration, at most 1 KiB.
pub(super) fn words(text: &str) -> String {
    let text = without_values(&without_maps(text));
    cut(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A task's stack trace with its lines kept, without values, at most 1 KiB.
pub(super) fn trace(text: &str) -> String {
    cut(without_values(&without_maps(text)).trim_end())
}

/// The text up to 1 KiB, never ending within a character.
fn cut(text: &str) -> String {
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    let end = ends.take_while(|end| *end <= MAX).last().unwrap_or(0);
    text[..end].to_owned()
}

/// Java prints a map as `{key=value, ...}`; Connect does so with whole configurations.
fn without_maps(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut depth = 0_usize;
    for character in text.chars() {
        match character {
            '{' => {
                if depth == 0 {
                    kept.push_str("{...}");
                }
                depth += 1;
            }
            '}' if depth > 0 => depth -= 1,
            _ if depth == 0 => kept.push(character),
            _ => {}
        }
    }
    kept
}

/// Kafka's `ConfigException` says `Invalid value <value> for configuration <key>`: the key and the
/// reason are kept.
fn without_values(text: &str) -> String {
    const BEFORE: &str = "Invalid value ";
    const AFTER: &str = " for configuration ";
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(BEFORE) {
        let (head, tail) = rest.split_at(start + BEFORE.len());
        kept.push_str(head.trim_end());
        // Without the second half it may still be a value: better nothing than a secret.
        rest = tail.find(AFTER).map_or("", |end| &tail[end..]);
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_configuration_are_taken_out() {
        let said = "Connector configuration is invalid:\n\
                    Invalid value hunter2 for configuration batch.size: Not a number of type INT\n\
                    Invalid value a b for configuration x: no";
        assert_eq!(
            words(said),
            "Connector configuration is invalid: Invalid value for configuration batch.size: Not a \
             number of type INT Invalid value for configuration x: no"
        );
        assert_eq!(words("Invalid value hunter2"), "Invalid value");
        assert_eq!(
            words("Connector config {name=x, password={a}hunter2} contains no connector type"),
            "Connector config {...} contains no connector type"
        );
        assert_eq!(
            words("an open brace {password=hunter2"),
            "an open brace {...}"
        );
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        assert_eq!(words(&"é".repeat(2000)).len(), MAX);
        assert!(words(&"€".repeat(2000)).len() <= MAX);
    }

    #[test]
    fn a_trace_keeps_its_lines() {
        let text = "a.B: Invalid value x for configuration y: z\n\tat c.D\n";
        assert_eq!(
            trace(text),
            "a.B: Invalid value for configuration y: z\n\tat c.D"
        );
    }
}
