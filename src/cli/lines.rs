//! Where the parts of a JSON text stand: pointers to line numbers. The text has been parsed already.

use std::collections::HashMap;

/// The line on which each value of a text begins, or rather its key.
#[derive(Debug)]
pub(super) struct Lines {
    by_pointer: HashMap<String, usize>,
}

impl Lines {
    /// Reads `text` once.
    pub(super) fn of(text: &str) -> Self {
        let mut scan = Scan { text, at: 0, line: 1, pointer: String::new(), found: HashMap::new() };
        scan.skip_space();
        scan.note();
        scan.value();
        Self { by_pointer: scan.found }
    }

    /// The line of the value at `pointer`, counted from 1; of what stands around it, if there is no such value.
    pub(super) fn line(&self, pointer: &str) -> usize {
        let mut place = pointer;
        loop {
            if let Some(line) = self.by_pointer.get(place) {
                return *line;
            }
            let Some(end) = place.rfind('/') else { return 1 };
            place = &place[..end];
        }
    }
}

/// The line of the value at `pointer` in `text`.
pub(super) fn line_of(text: &str, pointer: &str) -> usize {
    Lines::of(text).line(pointer)
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    /// RFC 6901 pointer to the place `at`.
    pointer: String,
    found: HashMap<String, usize>,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Only here may lines end: JSON strings hold no raw newlines.
    fn skip_space(&mut self) {
        while let Some(byte) = self.peek().filter(u8::is_ascii_whitespace) {
            self.line += usize::from(byte == b'\n');
            self.at += 1;
        }
    }

    fn note(&mut self) {
        self.found.insert(self.pointer.clone(), self.line);
    }

    fn value(&mut self) {
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => drop(self.string()),
            _ => {
                while self.peek().is_some_and(|byte| !matches!(byte, b',' | b']' | b'}') && !byte.is_ascii_whitespace())
                {
                    self.at += 1;
                }
            }
        }
    }

    fn object(&mut self) {
        self.at += 1;
        loop {
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'"') => {
                    let end = self.pointer.len();
                    // Why: the key's own line counts, though its value may begin on another.
                    let key = self.string();
                    self.enter(&key);
                    self.skip_space();
                    self.at += usize::from(self.peek() == Some(b':'));
                    self.skip_space();
                    self.value();
                    self.pointer.truncate(end);
                }
                _ => break,
            }
        }
        self.at += 1;
    }

    fn array(&mut self) {
        self.at += 1;
        let mut index = 0_usize;
        loop {
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    index += 1;
                }
                None | Some(b']' | b'}') => break,
                Some(_) => {
                    let end = self.pointer.len();
                    self.enter(&index.to_string());
                    self.value();
                    self.pointer.truncate(end);
                }
            }
        }
        self.at += 1;
    }

    fn enter(&mut self, part: &str) {
        self.pointer.push('/');
        self.pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
        self.note();
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
        self.text.get(start..self.at).and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "type": "object", "a/b": [
    1, {"x": "\"}]\\",
      "~": null}
  ],
  "k\u0065y":

    {"deep": {
      "er": 1e5}}
}"#;

    #[test]
    fn pointers_lead_to_lines() {
        for (pointer, line) in [
            ("", 1),
            ("/type", 2),
            ("/a~1b", 2),
            ("/a~1b/0", 3),
            ("/a~1b/1/x", 3),
            ("/a~1b/1/~0", 4),
            ("/key", 6),
            ("/key/deep", 8),
            ("/key/deep/er", 9),
            ("/key/deep/none/at/all", 8),
            ("/none", 1),
        ] {
            assert_eq!(line_of(TEXT, pointer), line, "{pointer}");
        }
    }

    #[test]
    fn ends_with_any_text() {
        for text in ["", "[", "{\"", "{\"a\\", "[}", "{\"a\":]", "true", "[1,,]", "é{\"é\\"] {
            assert_eq!(line_of(text, "/a/b"), 1, "{text}");
        }
    }
}
