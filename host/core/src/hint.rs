//! Suggestions for misspelled names.

/// The number of characters of a text that messages show.
const SHOWN: usize = 200;

/// Returns the known word with the smallest edit distance to `word`, if that distance is small enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(SHOWN).collect::<String>().to_lowercase();
    let bound = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|other| (strsim::damerau_levenshtein(&word, &other.to_lowercase()), other))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// Returns "; did you mean `x`?" for the nearest known word, or an empty text.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|other| format!("; did you mean `{other}`?")).unwrap_or_default()
}

/// Shortens a text to one line for a message.
pub fn short(text: &str) -> String {
    let text = text.trim().replace(['\n', '\r'], " ");
    match text.char_indices().nth(SHOWN * 2) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_alike() {
        let known = ["expect", "execution_timeout", "name", "SUCCEEDED"];
        for (word, meant) in [
            ("expct", Some("expect")),
            ("expcet", Some("expect")),
            ("Name", Some("name")),
            ("execution-timeout", Some("execution_timeout")),
            ("succeded", Some("SUCCEEDED")),
            ("event", None),
            ("", None),
            ("something", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
    }
}
