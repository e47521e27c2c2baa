//! Did-you-mean: what a word that is not known was perhaps meant to be.

/// How much of a text is shown in a message.
const SHOWN: usize = 200;

/// The known word that is most like this one, if one is like it.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(SHOWN).collect::<String>().to_lowercase();
    let bound = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|other| (strsim::damerau_levenshtein(&word, &other.to_lowercase()), other))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// `; did you mean "x"?`, or nothing.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|other| format!("; did you mean `{other}`?")).unwrap_or_default()
}

/// What to say of a key that is not known.
pub(super) fn unknown_key(key: &str, known: &[&str]) -> String {
    let hint = did_you_mean(key, known.iter().copied());
    format!("there is no key `{}` here{hint} (keys: {})", short(key), known.join(", "))
}

/// What to say of a word that is none of those that may stand there.
pub(super) fn unknown_word(word: &str, known: &[&str]) -> String {
    let hint = did_you_mean(word, known.iter().copied());
    format!("`{}` is none of {}{hint}", short(word), known.join(", "))
}

/// Says the messages of serde's derived code for unknown keys and words more helpfully; others are left as they are.
pub(super) fn explain(message: &str) -> String {
    for (start, explain) in
        [("unknown field `", unknown_key as fn(&str, &[&str]) -> String), ("unknown variant `", unknown_word)]
    {
        // What is unknown is the author's text; the list after it is ours.
        let parts = message.strip_prefix(start).and_then(|rest| rest.rsplit_once("`, expected "));
        if let Some((unknown, list)) = parts {
            let known: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
            return explain(unknown, &known);
        }
    }
    short(message)
}

/// A text that may be long, cut for a message of one line.
pub(super) fn short(text: &str) -> String {
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

    #[test]
    fn messages_of_derived_code() {
        for (message, said) in [
            (
                "unknown field `nme`, expected one of `name`, `event`",
                "there is no key `nme` here; did you mean `name`? (keys: name, event)",
            ),
            ("unknown field `x`, expected `name` or `event`", "there is no key `x` here (keys: name, event)"),
            ("unknown variant `RUN`, expected `RUNNING` or `FAILED`", "`RUN` is none of RUNNING, FAILED"),
            (
                "unknown field `a`, expected `b`, expected `name`",
                "there is no key `a`, expected `b` here (keys: name)",
            ),
            ("something\nelse", "something else"),
        ] {
            assert_eq!(explain(message), said);
        }
        assert!(explain(&"x".repeat(100_000)).len() < 1000);
    }
}
