//! The input of a custom tool: text that the model writes as the only string of a call's arguments.

use serde_json::{Value, json};

use crate::grammar::INPUT as KEY;
use crate::schema::pattern::anchored;

/// The schema of the arguments; `pattern` is what the whole input matches.
#[must_use]
pub fn input_schema(pattern: Option<&str>) -> Value {
    let input = match pattern {
        Some(pattern) => json!({"type": "string", "pattern": anchored(pattern)}),
        None => json!({"type": "string"}),
    };
    json!({"type": "object", "properties": {KEY: input}, "required": [KEY], "additionalProperties": false})
}

/// The arguments that hold `input`.
#[must_use]
pub fn input_arguments(input: &str) -> String {
    json!({KEY: input}).to_string()
}

/// Reads the input out of arguments that grow.
#[derive(Debug, Default)]
pub struct InputText {
    /// Quotes seen outside the input: around the key, and the one that opens the input.
    n_quotes: usize,
    is_over: bool,
    /// An escape that has begun.
    escape: String,
}

impl InputText {
    /// What the next piece of the arguments adds to the input.
    pub fn push(&mut self, fragment: &str) -> String {
        let mut text = String::new();
        for c in fragment.chars() {
            match c {
                _ if self.is_over => {}
                '"' if self.n_quotes < 3 => self.n_quotes += 1,
                _ if self.n_quotes < 3 => {}
                c if !self.escape.is_empty() => {
                    self.escape.push(c);
                    // Half of a pair of surrogates is no string yet.
                    if let Ok(whole) = serde_json::from_str::<String>(&format!("\"{}\"", self.escape)) {
                        text.push_str(&whole);
                        self.escape.clear();
                    }
                }
                '\\' => self.escape.push(c),
                '"' => self.is_over = true,
                c => text.push(c),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_give_the_input(input in any::<String>(), ascii in any::<bool>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let mut arguments = input_arguments(&input);
            if ascii {
                arguments = arguments.chars().flat_map(|c| if c.is_ascii() { vec![c.to_string()] } else {
                    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
                }).collect();
            }
            let chars: Vec<char> = arguments.chars().collect();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(chars.len() + 1)).collect();
            at.extend([0, chars.len()]);
            at.sort_unstable();
            let mut reader = InputText::default();
            let text: String = at.windows(2).map(|w| reader.push(&chars[w[0]..w[1]].iter().collect::<String>())).collect();
            prop_assert_eq!(text, input);
        }
    }
}
