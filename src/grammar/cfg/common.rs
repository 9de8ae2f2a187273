//! The terminals of Lark's library `common`. Source: Lark 1.2, grammars/common.lark.

/// The pattern of `name`.
pub(super) fn pattern(name: &str) -> Option<&'static str> {
    Some(match name {
        "DIGIT" => "[0-9]",
        "HEXDIGIT" => "[0-9a-fA-F]",
        "INT" => "[0-9]+",
        "SIGNED_INT" => "[+-]?[0-9]+",
        "DECIMAL" => "(?:[0-9]+\\.[0-9]*|\\.[0-9]+)",
        "FLOAT" => "(?:[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)",
        "SIGNED_FLOAT" => "[+-]?(?:[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)",
        "NUMBER" => "(?:[0-9]+|[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)",
        "SIGNED_NUMBER" => "[+-]?(?:[0-9]+|[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)",
        "ESCAPED_STRING" => "\"(?:[^\"\\\\\\n]|\\\\[^\\n])*\"",
        "LCASE_LETTER" => "[a-z]",
        "UCASE_LETTER" => "[A-Z]",
        "LETTER" => "[a-zA-Z]",
        "WORD" => "[a-zA-Z]+",
        "CNAME" => "[_a-zA-Z][_a-zA-Z0-9]*",
        "WS_INLINE" => "[ \\t]+",
        "WS" => "[ \\t\\f\\r\\n]+",
        "CR" => "\\r",
        "LF" => "\\n",
        "NEWLINE" => "(?:\\r?\\n)+",
        "SH_COMMENT" => "#[^\\n]*",
        "CPP_COMMENT" => "//[^\\n]*",
        "C_COMMENT" => "/\\*(?:[^*]|\\*+[^*/])*\\*+/",
        "SQL_COMMENT" => "--[^\\n]*",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::schema::pattern;

    #[test]
    fn each_is_a_pattern() {
        for name in [
            "DIGIT",
            "HEXDIGIT",
            "INT",
            "SIGNED_INT",
            "DECIMAL",
            "FLOAT",
            "SIGNED_FLOAT",
            "NUMBER",
            "SIGNED_NUMBER",
            "ESCAPED_STRING",
            "LCASE_LETTER",
            "UCASE_LETTER",
            "LETTER",
            "WORD",
            "CNAME",
            "WS_INLINE",
            "WS",
            "CR",
            "LF",
            "NEWLINE",
            "SH_COMMENT",
            "CPP_COMMENT",
            "C_COMMENT",
            "SQL_COMMENT",
        ] {
            let pattern = super::pattern(name).expect("it is listed");
            assert!(pattern::whole(pattern).is_ok(), "{name}");
        }
    }
}
