//! Text that is not ours (of guests, files, the network and the command line), made safe for where it is shown: a line
//! on a terminal or in a log, JSON on standard output, XML.
//!
//! Invariants: no result contains a character that [`is_unsafe`], except the line breaks of [`json`] and
//! [`printable_lines`]; every function returns the same for its own result; nothing here allocates more than a small
//! multiple of its input.

use std::borrow::Cow;

/// The longest error, warning or cell of a table that is shown, in characters. Reports as JSON are not shortened.
pub const LONGEST_MESSAGE: usize = 4096;

/// The longest line of a handler's log that is shown, in characters.
pub const LONGEST_LOG_LINE: usize = 64 * 1024;

/// Whether a character can control a terminal, hide, reorder or forge what is displayed, or is not text at all: control
/// characters except the tab; line and paragraph separators; characters that set the direction of text, are invisible,
/// or tag other characters; code points that Unicode excludes from text. The joiners U+200C and U+200D are safe:
/// ordinary words and emoji need them.
pub const fn is_unsafe(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{8}'
            | '\n'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{e0000}'..='\u{e0fff}'
    ) || (c as u32) & 0xfffe == 0xfffe
}

/// Makes text safe to print in one line: each character that [`is_unsafe`] becomes U+FFFD.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

/// [`printable`] for each line of a text. The line breaks stay: use it only for text whose lines are our own.
pub fn printable_lines(text: &str) -> String {
    text.chars().map(|c| if c != '\n' && is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

/// [`printable`], in at most about `most` characters. Of longer text the middle is left out, and the result says how
/// much: the beginning of an error says what it is about, and its end what is wrong.
pub fn shortened(text: &str, most: usize) -> String {
    let Some(count) = text.char_indices().nth(most).map(|_| text.chars().count()) else {
        return printable(text);
    };
    let (head, tail) = (most - most / 4, most / 4);
    let start: String = text.chars().take(head).collect();
    let end: Cow<'_, str> = match text.char_indices().nth_back(tail.saturating_sub(1)) {
        Some((at, _)) if tail > 0 => text.get(at..).unwrap_or_default().into(),
        _ => "".into(),
    };
    let left_out = count - head - tail;
    format!("{} ...({left_out} characters)... {}", printable(&start), printable(&end))
}

/// Makes a JSON text safe to print: characters that are unsafe become escapes in its strings, so that its value stays
/// the same. Line breaks between values stay.
pub fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Valid JSON has neither within a string.
            '\n' => safe.push('\n'),
            '\r' => safe.push(' '),
            c if is_unsafe(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    safe.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What must not reach a terminal, a log or XML, and why.
    const HOSTILE: [(char, &str); 22] = [
        ('\u{1b}', "starts escape sequences"),
        ('\u{9b}', "the same, in one character"),
        ('\u{7}', "rings"),
        ('\u{8}', "erases"),
        ('\u{7f}', "erases"),
        ('\r', "returns to the start of the line"),
        ('\n', "forges a line"),
        ('\u{b}', "forges a line"),
        ('\u{85}', "forges a line"),
        ('\u{2028}', "forges a line"),
        ('\u{202e}', "reverses what follows"),
        ('\u{2066}', "isolates what follows"),
        ('\u{200f}', "changes the direction"),
        ('\u{61c}', "changes the direction"),
        ('\u{200b}', "is invisible"),
        ('\u{2060}', "is invisible"),
        ('\u{feff}', "is invisible"),
        ('\u{e0041}', "is an invisible letter"),
        ('\u{0}', "ends strings, and is not XML"),
        ('\u{fffe}', "is not text, and not XML"),
        ('\u{ffff}', "is not text, and not XML"),
        ('\u{1fffe}', "is not text"),
    ];

    #[test]
    fn what_controls_or_deceives_is_replaced() {
        for (c, why) in HOSTILE {
            assert_eq!(printable(&format!("a{c}b")), "a\u{fffd}b", "U+{:04X} {why}", c as u32);
        }
        assert_eq!(printable_lines("a\nb\r\u{1b}"), "a\nb\u{fffd}\u{fffd}");
    }

    #[test]
    fn ordinary_text_stays() {
        let text = "tab\tümlaut, 日本語, עברית, می‌خواهم, 👩‍👧 e\u{301}\u{fffd}";
        assert_eq!(printable(text), text);
        assert_eq!(shortened(text, LONGEST_MESSAGE), text);
    }

    #[test]
    fn long_text_keeps_its_beginning_and_its_end() {
        let name = "x".repeat(20 << 20);
        let shown = shortened(&format!("the name {name:?} is too long"), LONGEST_MESSAGE);
        assert!(shown.len() < LONGEST_MESSAGE + 50, "{}", shown.len());
        assert!(shown.starts_with("the name \"xxx") && shown.ends_with("xxx\" is too long"), "{shown}");
        assert!(shown.contains(" ...(20967447 characters)... "), "{shown}");
        assert_eq!(shortened("12345678", 8), "12345678");
        assert_eq!(shortened("123456789", 8), "123456 ...(1 characters)... 89");
        assert_eq!(shortened("ab", 1), "a ...(1 characters)... ");
        assert_eq!(shortened("ab", 0), " ...(2 characters)... ");
    }

    #[test]
    fn json_keeps_its_value() {
        let value: String = HOSTILE.iter().map(|(c, _)| *c).collect();
        let text = serde_json::to_string_pretty(&[&value]).unwrap().replace('[', "[\r\n");
        let safe = json(&text);
        assert_eq!(serde_json::from_str::<[String; 1]>(&safe).unwrap(), [value]);
        assert!(!safe.chars().any(|c| c != '\n' && is_unsafe(c)), "{safe:?}");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left(text in any::<String>(), most in 0..80_usize) {
            for shown in [printable(&text), shortened(&text, most)] {
                prop_assert!(!shown.chars().any(is_unsafe), "{:?}", shown);
                prop_assert_eq!(printable(&shown), shown);
            }
            prop_assert!(shortened(&text, most).chars().count() <= most.max(text.chars().count().min(most)) + 50);
            let quoted = serde_json::to_string(&text).unwrap();
            let safe = json(&quoted);
            prop_assert!(!safe.chars().any(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }
    }
}
