//! One text for equal values.

use serde_json::Value;

/// Writes equal values alike: keys sorted, whole numbers without a fraction.
pub(crate) fn write_plain(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_plain(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (key, value) in entries {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_plain(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            let float = number.as_f64().unwrap_or(f64::NAN);
            // Why so far: beyond that no number is an integer to the parser.
            let is_whole =
                float.fract() == 0.0 && (-9_223_372_036_854_775_808.0..18_446_744_073_709_551_616.0).contains(&float);
            out.push_str(&match is_whole {
                true if float == 0.0 => "0".to_owned(),
                true => format!("{float:.0}"),
                false => number.to_string(),
            });
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
