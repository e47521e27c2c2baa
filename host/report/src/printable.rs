//! Untrusted text, made safe to print.

/// Makes untrusted text safe to print in one line: control characters (except tabs), line separators and bidirectional
/// formatting characters are replaced by U+FFFD, so that the text cannot control a terminal or be displayed
/// misleadingly.
pub fn printable(text: &str) -> String {
    let commands = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if commands(c) { '\u{fffd}' } else { c }).collect()
}
