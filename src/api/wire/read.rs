//! Reads JSON field by field, with the path in every complaint, in OpenAI's own words.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value};

/// A field that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FieldError {
    /// The field's path, as in `messages[0].content`.
    pub param: Option<String>,
    /// OpenAI's code for the fault.
    pub code: Option<&'static str>,
    /// The sentence for the client.
    pub message: String,
}

impl FieldError {
    /// Makes a complaint about `param`.
    #[must_use]
    pub fn new(param: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), code: Some(code), message: message.into() }
    }
}

/// An object that is being read.
#[derive(Debug)]
pub struct Fields<'v> {
    map: &'v Map<String, Value>,
    path: String,
    known: RefCell<Vec<&'static str>>,
    leftovers: Rc<Leftovers>,
}

/// A value that is there and is not null.
#[derive(Clone, Debug)]
pub struct Item<'v> {
    value: &'v Value,
    path: String,
    leftovers: Rc<Leftovers>,
}

/// Fields of one body, nested ones included, that nobody has asked for.
#[derive(Debug, Default)]
struct Leftovers {
    /// Where an object's fields are in the list, by its path.
    index: RefCell<HashMap<String, usize>>,
    fields: RefCell<Vec<Vec<String>>>,
}

impl Leftovers {
    /// Notes that an object was read; one that is read twice has only what neither has asked for.
    fn note(&self, path: &str, unknown: Vec<String>) {
        let (mut index, mut fields) = (self.index.borrow_mut(), self.fields.borrow_mut());
        match index.get(path) {
            Some(known) => fields[*known].retain(|field| unknown.contains(field)),
            None => {
                index.insert(path.to_owned(), fields.len());
                fields.push(unknown);
            }
        }
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        self.leftovers.note(&self.path, self.unknown());
    }
}

impl<'v> Fields<'v> {
    /// Reads a request's body.
    ///
    /// # Errors
    /// If it is no object.
    pub fn root(value: &'v Value) -> Result<Self, FieldError> {
        Item::root(value).object()
    }

    /// The field `name`, if it is there and not null.
    pub fn get(&self, name: &'static str) -> Option<Item<'v>> {
        self.known.borrow_mut().push(name);
        let value = self.map.get(name).filter(|value| !value.is_null())?;
        Some(self.item(name, value))
    }

    /// The field `name`, if it is a text; anything else stays unknown.
    pub fn get_text(&self, name: &'static str) -> Option<&'v str> {
        let text = self.map.get(name)?.as_str()?;
        self.known.borrow_mut().push(name);
        Some(text)
    }

    fn item(&self, name: &str, value: &'v Value) -> Item<'v> {
        Item { value, path: self.path_of(name), leftovers: Rc::clone(&self.leftovers) }
    }

    /// The field `name`.
    ///
    /// # Errors
    /// If it is missing or null.
    pub fn required(&self, name: &'static str) -> Result<Item<'v>, FieldError> {
        let path = self.path_of(name);
        self.get(name).ok_or_else(|| {
            FieldError::new(&path, "missing_required_parameter", format!("Missing required parameter: '{path}'."))
        })
    }

    /// The field `name`, if it is there and not null; it stays unknown.
    pub(super) fn peek(&self, name: &str) -> Option<Item<'v>> {
        self.map.get(name).filter(|value| !value.is_null()).map(|value| self.item(name, value))
    }

    /// Marks fields as known that change nothing here.
    pub fn accept(&self, names: &[&'static str]) {
        self.known.borrow_mut().extend_from_slice(names);
    }

    /// The fields nobody asked for, in the order of the body; null is as good as absent.
    #[must_use]
    pub fn unknown(&self) -> Vec<String> {
        let known = self.known.borrow();
        let is_unknown = |(key, value): &(&String, &Value)| !known.contains(&key.as_str()) && !value.is_null();
        self.map.iter().filter(is_unknown).map(|(key, _)| self.path_of(key)).collect()
    }

    /// Those of this object, and then of all that was read from the same body, as far as the reading is over.
    #[must_use]
    pub fn all_unknown(&self) -> Vec<String> {
        let mut all = self.unknown();
        all.extend(self.leftovers.fields.borrow().iter().flatten().cloned());
        all
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

impl<'v> Item<'v> {
    /// A request's body.
    #[must_use]
    pub fn root(value: &'v Value) -> Self {
        Self { value, path: String::new(), leftovers: Rc::default() }
    }

    /// Another value in its place: what its text says.
    #[must_use]
    pub fn of<'w>(&self, value: &'w Value) -> Item<'w> {
        Item { value, path: self.path.clone(), leftovers: Rc::clone(&self.leftovers) }
    }

    /// The value itself.
    #[must_use]
    pub fn value(&self) -> &'v Value {
        self.value
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A string.
    ///
    /// # Errors
    /// If it is something else.
    pub fn string(&self) -> Result<&'v str, FieldError> {
        self.value.as_str().ok_or_else(|| self.wrong_type("a string"))
    }

    /// A boolean.
    ///
    /// # Errors
    /// If it is something else.
    pub fn boolean(&self) -> Result<bool, FieldError> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("a boolean"))
    }

    /// An object.
    ///
    /// # Errors
    /// If it is something else.
    pub fn object(&self) -> Result<Fields<'v>, FieldError> {
        let map = self.value.as_object().ok_or_else(|| self.wrong_type("an object"))?;
        let (path, leftovers) = (self.path.clone(), Rc::clone(&self.leftovers));
        Ok(Fields { map, path, known: RefCell::default(), leftovers })
    }

    /// An object whose names are not ours: its fields as they stand.
    ///
    /// # Errors
    /// If it is something else.
    pub fn entries(&self) -> Result<impl Iterator<Item = (&'v String, Item<'v>)>, FieldError> {
        let map = self.value.as_object().ok_or_else(|| self.wrong_type("an object"))?;
        Ok(map.iter().map(|(key, value)| {
            (key, Item { value, path: format!("{}.{key}", self.path), leftovers: Rc::clone(&self.leftovers) })
        }))
    }

    /// A list of at most `max` items.
    ///
    /// # Errors
    /// If it is something else, or longer.
    pub fn list(&self, max: usize) -> Result<Vec<Item<'v>>, FieldError> {
        let items = self.value.as_array().ok_or_else(|| self.wrong_type("an array"))?;
        if items.len() > max {
            let (path, n) = (&self.path, items.len());
            return Err(FieldError::new(
                path,
                "array_above_max_length",
                format!(
                    "Invalid '{path}': array too long. Expected an array with maximum length {max}, but got an array with length {n} instead."
                ),
            ));
        }
        let item = |(i, value)| {
            let (path, leftovers) = (format!("{}[{i}]", self.path), Rc::clone(&self.leftovers));
            Item { value, path, leftovers }
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// A number in `min..=max`.
    ///
    /// # Errors
    /// If it is something else, or out of range.
    pub fn number(&self, min: f64, max: f64) -> Result<f64, FieldError> {
        let number = self.value.as_f64().ok_or_else(|| self.wrong_type("a number"))?;
        self.in_range(number, min, max, "decimal").map(|()| number)
    }

    /// An integer in `min..=max`; a float without a fraction is one too.
    ///
    /// # Errors
    /// If it is something else, or out of range.
    pub fn integer(&self, min: i64, max: i64) -> Result<i64, FieldError> {
        let float = self.value.as_f64().ok_or_else(|| self.wrong_type("an integer"))?;
        if float.fract() != 0.0 {
            return Err(self.wrong_type("an integer"));
        }
        #[expect(clippy::cast_precision_loss, reason = "bounds are small or the type's own")]
        self.in_range(float, min as f64, max as f64, "integer")?;
        #[expect(clippy::cast_possible_truncation, reason = "checked just above; casts saturate")]
        Ok(self.value.as_i64().unwrap_or(float as i64))
    }

    /// One of `values`.
    ///
    /// # Errors
    /// If it is something else.
    pub fn one_of(&self, values: &[&'static str]) -> Result<&'static str, FieldError> {
        let got = self.string()?;
        values.iter().find(|value| **value == got).copied().ok_or_else(|| self.not_among(values))
    }

    /// Complains that the value is none of `values`.
    #[must_use]
    pub fn not_among(&self, values: &[&str]) -> FieldError {
        let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
        let list = match quoted.as_slice() {
            [all @ .., last] if all.len() > 1 => format!("{}, and {last}", all.join(", ")),
            all => all.join(" and "),
        };
        let got = self.value.as_str().map_or_else(|| shortened(&self.value.to_string()), shortened);
        FieldError::new(&self.path, "invalid_value", format!("Invalid value: '{got}'. Supported values are: {list}."))
    }

    /// Complains about the value's meaning.
    #[must_use]
    pub fn invalid(&self, why: &str) -> FieldError {
        FieldError::new(&self.path, "invalid_value", format!("Invalid '{}': {why}", self.path))
    }

    /// Complains about the value's type.
    #[must_use]
    pub fn wrong_type(&self, expected: &str) -> FieldError {
        let got = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(n) if n.is_f64() => "a decimal",
            Value::Number(_) => "an integer",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        let what = if self.path.is_empty() { "the request body".to_owned() } else { format!("'{}'", self.path) };
        let message = format!("Invalid type for {what}: expected {expected}, but got {got} instead.");
        let param = (!self.path.is_empty()).then(|| self.path.clone());
        FieldError { param, code: Some("invalid_type"), message }
    }

    fn in_range(&self, got: f64, min: f64, max: f64, kind: &'static str) -> Result<(), FieldError> {
        let path = &self.path;
        let (side, sign, bound) = match got {
            _ if got < min => ("below minimum", ">=", min),
            _ if got > max => ("above maximum", "<=", max),
            _ => return Ok(()),
        };
        let code = match (kind, got < min) {
            ("integer", true) => "integer_below_min_value",
            ("integer", false) => "integer_above_max_value",
            (_, true) => "decimal_below_min_value",
            (_, false) => "decimal_above_max_value",
        };
        let message = format!(
            "Invalid '{path}': {kind} {side} value. Expected a value {sign} {bound}, but got {} instead.",
            self.value
        );
        Err(FieldError::new(path, code, message))
    }
}

/// A flag, or its name: LM Studio's documentation shows `"strict": "true"`.
pub(super) fn read_strict(item: &Item<'_>) -> Result<bool, FieldError> {
    match item.value().as_str() {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => item.boolean(),
    }
}

/// A name of letters, digits, `_` and `-`, of `max` characters at most.
pub(super) fn read_name(item: &Item<'_>, max: usize) -> Result<String, FieldError> {
    let name = item.string()?;
    let is_word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !is_word {
        return Err(item
            .invalid("string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."));
    }
    if name.len() > max {
        let message = format!(
            "Invalid '{}': string too long. Expected a string with maximum length {max}, but got a string with length {} instead.",
            item.path(),
            name.len()
        );
        return Err(FieldError::new(item.path(), "string_above_max_length", message));
    }
    Ok(name.to_owned())
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 60 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(60).collect::<String>())
    }
}
