//! Escapes in a JSON string, byte by byte: which bytes complete a character, what stands for one.

/// How far an escape in a string has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// There is none.
    No,
    /// After the backslash.
    Begun,
    /// Among the hexadecimal digits: how many there are, and what they say so far.
    Hex { n_digits: u8, unit: u16 },
}

impl Escape {
    /// What `byte` makes of it, and whether that completes a character of the string.
    pub(super) fn next(self, byte: u8) -> (Self, bool) {
        match (self, byte) {
            (Self::No, b'\\') => (Self::Begun, false),
            // Why: the first byte of a character stands for all of it.
            (Self::No, byte) => (Self::No, byte & 0xC0 != 0x80),
            (Self::Begun, b'u') => (Self::Hex { n_digits: 0, unit: 0 }, false),
            (Self::Begun, _) => (Self::No, true),
            (Self::Hex { n_digits, unit }, byte) => {
                let digit = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok()).unwrap_or(0);
                let unit = (unit << 4) | digit;
                match n_digits {
                    // Why: the second half of a surrogate pair completes no further character.
                    3 => (Self::No, !(0xDC00..0xE000).contains(&unit)),
                    _ => (Self::Hex { n_digits: n_digits + 1, unit }, false),
                }
            }
        }
    }
}

/// Writes a byte of a text as serializers write it in a JSON string.
pub(super) fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0C => out.extend_from_slice(b"\\f"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        _ => out.push(byte),
    }
}

/// The text that the inside of a JSON string stands for. Its first bytes may be those of a character that has begun
/// before.
pub(super) fn unescape(inside: &[u8]) -> Option<Vec<u8>> {
    let n_begun = inside.iter().take_while(|byte| *byte & 0xC0 == 0x80).count();
    let (begun, whole) = inside.split_at(n_begun);
    let text: String = serde_json::from_slice(&[b"\"", whole, b"\""].concat()).ok()?;
    Some([begun, text.as_bytes()].concat())
}
