//! Where in its JSON a walk stands, and how likely each next byte should be there.

/// What shapes one walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// From this length on the walk heads for the end, in bytes.
    pub(super) target: usize,
    /// Arrays and objects that may be open at once, where something else is allowed.
    pub(super) max_depth: usize,
    /// Whether strings hold unusual characters.
    pub(super) is_wild: bool,
}

/// Where a text ends, as far as choosing the next byte needs to know.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Where the string, number or literal that is open, or was last, begins.
    pub(super) scalar_at: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The last byte that is neither whitespace nor inside a string.
    last: u8,
}

/// Where so few bytes are allowed, they spell a word, and habits of prose would only hide the others.
const MAX_NARROW: usize = 10;
/// What ends things, once the walk is long enough.
const LATE: f64 = 1000.0;

impl Place {
    /// The place after `byte`, which stands at `at`.
    pub(super) fn after(mut self, byte: u8, at: usize) -> Self {
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return self;
        }
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => return self,
            b'"' => {
                self.in_string = true;
                self.scalar_at = at;
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ if is_of_word(byte) && !is_of_word(self.last) => self.scalar_at = at,
            _ => {}
        }
        self.last = byte;
        self
    }

    /// Whether `byte` would belong to the scalar that is open.
    pub(super) fn goes_on_with(self, byte: u8) -> bool {
        self.in_string || (is_of_word(self.last) && is_of_word(byte))
    }

    /// How likely `byte` should be, as one of `n_allowed`, after `n_text` bytes; no byte is the end of the text.
    pub(super) fn weight(self, byte: Option<u8>, n_text: usize, n_allowed: usize, plan: &Plan) -> f64 {
        let is_late = n_text >= plan.target;
        match byte {
            Some(byte) if self.in_string => {
                if byte == b'"' && is_late && !self.escaped {
                    LATE
                } else if self.escaped || n_allowed <= MAX_NARROW {
                    1.0
                } else {
                    of_character(byte, n_text.saturating_sub(self.scalar_at), plan.is_wild)
                }
            }
            None if is_late => LATE,
            None => 3.0,
            Some(b'}' | b']') if is_late => LATE,
            // Why: an empty array or object is one of many.
            Some(b'}' | b']') if matches!(self.last, b'{' | b'[') => 0.7,
            Some(b'}' | b']') => 2.0 + 4.0 * n_text as f64 / plan.target.max(1) as f64,
            Some(b'{' | b'[') if self.depth >= plan.max_depth => 0.001,
            Some(b'{' | b'[') if is_late => 0.01,
            Some(byte) => of_structure(byte, is_of_word(self.last)),
        }
    }
}

/// A byte of numbers and literals.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-')
}

/// Weighs a byte inside a string: mostly letters and digits, and a dozen of them.
fn of_character(byte: u8, n_string: usize, is_wild: bool) -> f64 {
    match byte {
        b'"' => 30.0 + 12.0 * n_string as f64,
        b'a'..=b'z' => 10.0,
        b'A'..=b'Z' => 3.0,
        b'0'..=b'9' | b' ' => 4.0,
        b'\\' if is_wild => 20.0,
        b'\\' => 0.5,
        0x20..=0x7e => 1.0,
        // Why: some fifty bytes begin a longer character.
        _ if is_wild => 3.0,
        _ => 0.05,
    }
}

/// Weighs a byte outside of strings that closes nothing.
fn of_structure(byte: u8, is_in_word: bool) -> f64 {
    match byte {
        // Why: whitespace means nothing, and readers of JSON seldom go wrong over it.
        b' ' | b'\t' | b'\n' | b'\r' => 0.02,
        b'"' | b',' | b'{' | b'[' => 4.0,
        b'0'..=b'9' if is_in_word => 0.8,
        b'0'..=b'9' => 0.4,
        b'.' => 0.6,
        b'e' | b'E' => 0.1,
        _ => 1.0,
    }
}
