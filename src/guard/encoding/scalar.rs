//! Numbers and words where text may stand, too.

/// Whether `text` is a JSON number or one of its words.
pub(super) fn is_scalar(text: &[u8]) -> bool {
    matches!(text, b"true" | b"false" | b"null") || is_number(text)
}

/// Whether `text` may become a number or a word, where all of it but the last byte may.
pub(in crate::guard) fn may_become_scalar(text: &[u8]) -> bool {
    let begins = |word: &[u8]| word.starts_with(text);
    let is_digit = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    // Why only the last ones: this is asked behind each byte of a number, which may be long.
    let is_number = matches!(text.first(), Some(b'-' | b'0'..=b'9')) && text.iter().rev().take(2).all(is_digit);
    is_number || begins(b"true") || begins(b"false") || begins(b"null")
}

/// What of `text` may be a number or word, and the rest.
pub(in crate::guard) fn split_scalar(text: &[u8]) -> (&[u8], &[u8]) {
    let n = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    text.split_at(n)
}

/// The number or word that `text` begins with, and how much of `close` is there behind it.
pub(in crate::guard) fn closed_scalar<'t>(text: &'t [u8], close: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let (scalar, rest) = split_scalar(text);
    (close.starts_with(rest) && is_scalar(scalar)).then_some((scalar, rest))
}

fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let n = digits(text);
    if n == 0 || (n > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[n..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let n = digits(fraction);
        if n == 0 {
            return false;
        }
        rest = &fraction[n..];
    }
    let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else { return rest.is_empty() };
    let exponent = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Keys;

    #[test]
    fn numbers_and_words_are_told_from_text() {
        for (text, is_it) in [
            ("0", true),
            ("-12.5e+3", true),
            ("1E9", true),
            ("null", true),
            ("01", false),
            ("1.", false),
            ("1e", false),
            ("-", false),
            ("2024-01-01", false),
            ("nullable", false),
            ("", false),
        ] {
            assert_eq!(is_scalar(text.as_bytes()), is_it, "{text}");
        }
        for text in ["", " \n", "abc", "12 Main Street", "2024-01-01", "a{", " 42", "42\n", " {}", " \"a\""] {
            assert!(Keys::reads_as_text(text.as_bytes()), "{text}");
        }
        for text in ["{x", "[", "\"", "42", "true"] {
            assert!(!Keys::reads_as_text(text.as_bytes()), "{text}");
        }
    }
}
