//! The formats of JSON Schema 2020-12 as regular expressions.
//!
//! A format is checked twice: by the mask through these patterns, and at the end by the crate `jsonschema`. Every text
//! that a pattern here allows must therefore be one that the crate accepts; a property test holds the two together.
//! Where a format is no regular language, or a needlessly large one, the pattern is a part of it: leap seconds only at
//! 23:59:60Z, host name labels without `--`, mail addresses without quotes, IPv6 without embedded IPv4, and
//! the internationalised formats only in letters whose normalisation changes nothing.

use std::sync::LazyLock;

use super::pattern::{self, Lang};

/// A format that can be enforced: all `patterns` must match the whole string.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The name as it stands in `format`.
    pub name: &'static str,
    /// Whole-string patterns without anchors; the language is their intersection.
    pub patterns: &'static [&'static str],
    /// Where `patterns` are only a part of the format: a pattern of all of it, and a little more, for the mask; the
    /// guard then judges each string.
    pub wide: Option<&'static str>,
}

const YEAR_MONTH_DAY: &str = concat!(
    r"[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))",
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29"
);
const CLOCK: &str = concat!(
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:[zZ]|[+\-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
    r"|23:59:60(?:\.[0-9]+)?[zZ]"
);
const DATE_TIME: &str = concat!(
    r"(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))",
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)",
    r"[Tt](?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:[zZ]|[+\-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
    r"|23:59:60(?:\.[0-9]+)?[zZ])"
);
const HOST: &str = r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*(?:\.[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*)*";
const HOST_LABELS: &str = r"[^.]{1,63}(?:\.[^.]{1,63}){0,3}";
const MAIL: &str = concat!(
    r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~\-]+(?:\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~\-]+)*",
    r"@[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*(?:\.[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*)+"
);
const MAIL_LENGTHS: &str = r"[^@]{1,64}@[^.]{1,63}(?:\.[^.]{1,63}){0,3}";
const IPV4: &str =
    r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const IPV6: &str = concat!(
    r"(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|(?:[0-9a-fA-F]{1,4}:){1,7}:|(?:[0-9a-fA-F]{1,4}:){1,6}:[0-9a-fA-F]{1,4}",
    r"|(?:[0-9a-fA-F]{1,4}:){1,5}(?::[0-9a-fA-F]{1,4}){1,2}|(?:[0-9a-fA-F]{1,4}:){1,4}(?::[0-9a-fA-F]{1,4}){1,3}",
    r"|(?:[0-9a-fA-F]{1,4}:){1,3}(?::[0-9a-fA-F]{1,4}){1,4}|(?:[0-9a-fA-F]{1,4}:){1,2}(?::[0-9a-fA-F]{1,4}){1,5}",
    r"|[0-9a-fA-F]{1,4}:(?::[0-9a-fA-F]{1,4}){1,6}|:(?:(?::[0-9a-fA-F]{1,4}){1,7}|:)"
);
const URI: &str = concat!(
    r"[a-zA-Z][a-zA-Z0-9+.\-]*:(?://(?:(?:[a-zA-Z0-9._~!$&'()*+,;=:\-]|%[0-9a-fA-F]{2})*@)?(?:[a-zA-Z0-9._~!$&'()*+,;=\-]|%[0-9a-fA-F]{2})*(?::[0-9]*)?",
    r"(?:/(?:[a-zA-Z0-9._~!$&'()*+,;=:@\-]|%[0-9a-fA-F]{2})*)*|/?(?:[a-zA-Z0-9._~!$&'()*+,;=:@\-]|%[0-9a-fA-F]{2})+(?:/(?:[a-zA-Z0-9._~!$&'()*+,;=:@\-]|%[0-9a-fA-F]{2})*)*|/?)",
    r"(?:\?(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?\-]|%[0-9a-fA-F]{2})*)?(?:#(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?\-]|%[0-9a-fA-F]{2})*)?"
);
const URI_REFERENCE: &str = concat!(
    r"(?:[a-zA-Z][a-zA-Z0-9+.\-]*:)?(?://(?:[a-zA-Z0-9._~!$&'()*+,;=\-]|%[0-9a-fA-F]{2})*(?::[0-9]*)?)?(?:/(?:[a-zA-Z0-9._~!$&'()*+,;=@\-]|%[0-9a-fA-F]{2})+)*/?",
    r"(?:\?(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?\-]|%[0-9a-fA-F]{2})*)?(?:#(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?\-]|%[0-9a-fA-F]{2})*)?",
    r"|(?:[a-zA-Z0-9._~!$&'()*+,;=@\-]|%[0-9a-fA-F]{2})+(?:/(?:[a-zA-Z0-9._~!$&'()*+,;=@\-]|%[0-9a-fA-F]{2})+)*/?"
);
const IRI: &str = concat!(
    r"[a-zA-Z][a-zA-Z0-9+.\-]*:(?://(?:[a-zA-Z0-9._~!$&'()*+,;=\u{C0}-\u{24F}\u{4E00}-\u{9FFF}\-]|%[0-9a-fA-F]{2})+(?::[0-9]*)?(?:/(?:[a-zA-Z0-9._~!$&'()*+,;=:@\u{C0}-\u{24F}\u{4E00}-\u{9FFF}\-]|%[0-9a-fA-F]{2})*)*",
    r"|(?:[a-zA-Z0-9._~!$&'()*+,;=:@\u{C0}-\u{24F}\u{4E00}-\u{9FFF}\-]|%[0-9a-fA-F]{2})+(?:/(?:[a-zA-Z0-9._~!$&'()*+,;=:@\u{C0}-\u{24F}\u{4E00}-\u{9FFF}\-]|%[0-9a-fA-F]{2})*)*)",
    r"(?:\?(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?\u{C0}-\u{24F}\u{4E00}-\u{9FFF}\-]|%[0-9a-fA-F]{2})*)?(?:#(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?\u{C0}-\u{24F}\u{4E00}-\u{9FFF}\-]|%[0-9a-fA-F]{2})*)?"
);
const URI_TEMPLATE: &str = concat!(
    r"(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?#\[\]\-]|%[0-9a-fA-F]{2}|\{[+#./;?&]?[a-zA-Z_][a-zA-Z0-9_]*(?::[1-9][0-9]{0,2}|\*)?",
    r"(?:,[a-zA-Z_][a-zA-Z0-9_]*(?::[1-9][0-9]{0,2}|\*)?)*\})*"
);
const DURATION: &str = concat!(
    r"P(?:[0-9]+W|(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)(?:T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S))?",
    r"|T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S))"
);
const REGEX: &str =
    r"\^?(?:(?:[a-zA-Z0-9 _,:;=!@#%&~\-]|\\[dwsDWS.\-]|\[(?:a-z|A-Z|0-9|[a-zA-Z0-9_])+\]|\.)[*+?]?)*\$?";
const IDN_HOST: &str = r"[a-z0-9\u{E0}-\u{F6}\u{F8}-\u{FF}\u{4E00}-\u{9FA5}]{1,15}(?:\.[a-z0-9\u{E0}-\u{F6}\u{F8}-\u{FF}\u{4E00}-\u{9FA5}]{1,15}){0,3}";

/// Every format that is enforced. Sources: RFC 3339 (dates), 1123 and 5890 (hosts), 5321 (mail), 2673 and 4291
/// (addresses), 3986 and 3987 (URI, IRI), 6570 (templates), 6901 (pointers), 4122 (UUID).
pub const FORMATS: [Format; 19] = [
    Format { name: "date", patterns: &[YEAR_MONTH_DAY], wide: None },
    Format { name: "time", patterns: &[CLOCK], wide: Some(ANY_TIME) },
    Format { name: "date-time", patterns: &[DATE_TIME], wide: Some(ANY_DATE_TIME) },
    Format { name: "duration", patterns: &[DURATION], wide: None },
    Format { name: "email", patterns: &[MAIL, MAIL_LENGTHS], wide: Some(ANY_MAIL) },
    Format { name: "idn-email", patterns: &[MAIL, MAIL_LENGTHS], wide: Some(ANY_IDN_MAIL) },
    Format { name: "hostname", patterns: &[HOST, HOST_LABELS], wide: Some(ANY_HOST) },
    Format { name: "idn-hostname", patterns: &[IDN_HOST], wide: Some(ANY_IDN_HOST) },
    Format { name: "ipv4", patterns: &[IPV4], wide: None },
    Format { name: "ipv6", patterns: &[IPV6], wide: Some(ANY_IPV6) },
    Format { name: "uri", patterns: &[URI], wide: Some(ANY_URI) },
    Format { name: "uri-reference", patterns: &[URI_REFERENCE], wide: Some(ANY_URI_REFERENCE) },
    Format { name: "iri", patterns: &[IRI], wide: Some(ANY_IRI) },
    Format { name: "iri-reference", patterns: &[URI_REFERENCE], wide: Some(ANY_IRI_REFERENCE) },
    Format { name: "uri-template", patterns: &[URI_TEMPLATE], wide: Some(ANY_URI_TEMPLATE) },
    Format { name: "json-pointer", patterns: &[r"(?:/(?:[^/~]|~[01])*)*"], wide: None },
    Format { name: "relative-json-pointer", patterns: &[r"(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^/~]|~[01])*)*)"], wide: None },
    Format {
        name: "uuid",
        patterns: &[r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"],
        wide: None,
    },
    Format { name: "regex", patterns: &[REGEX], wide: Some(ANY_TEXT) },
];

const ANY_TIME: &str =
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?(?:[zZ]|[+\-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
const ANY_DATE_TIME: &str = concat!(
    r"(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))",
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)",
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?(?:[zZ]|[+\-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
);
const ANY_MAIL: &str = concat!(
    r#"(?:[a-zA-Z0-9!#$%&'*+/=?^_`{|}~\-]+(?:\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~\-]+)*|"(?:[ !#-\[\]-~]|\\[ -~])*")@"#,
    r"(?:[a-zA-Z0-9\-]+(?:\.[a-zA-Z0-9\-]+)*|\[[a-zA-Z0-9:.]+\])"
);
const ANY_IDN_MAIL: &str = r#"(?:[^@\s"\x00-\x1F]+|"[^"\x00-\x1F]*")@[^@\s\x00-\x1F]+"#;
const ANY_HOST: &str =
    r"[a-zA-Z0-9](?:[a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])?)*\.?";
const ANY_IDN_HOST: &str = r"[^\x00-,/:-@\[-`{-\x7F]+";
const ANY_IPV6: &str = r"[0-9a-fA-F:]*(?::[0-9a-fA-F]*|[0-9]{1,3}(?:\.[0-9]{1,3}){3})";
const ANY_URI: &str = r"[a-zA-Z][a-zA-Z0-9+.\-]*:(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?#\[\]\-]|%[0-9a-fA-F]{2})*";
const ANY_URI_REFERENCE: &str = r"(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?#\[\]\-]|%[0-9a-fA-F]{2})*";
const ANY_IRI: &str =
    r"[a-zA-Z][a-zA-Z0-9+.\-]*:(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?#\[\]\u{A0}-\u{10FFFD}\-]|%[0-9a-fA-F]{2})*";
const ANY_IRI_REFERENCE: &str = r"(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?#\[\]\u{A0}-\u{10FFFD}\-]|%[0-9a-fA-F]{2})*";
const ANY_URI_TEMPLATE: &str =
    r#"(?:[!#$&(-;=?-\[\]_a-z~\u{A0}-\u{10FFFD}']|%[0-9a-fA-F]{2}|\{[+#./;?&=,!@|]?[a-zA-Z0-9_%.,:*]*\})*"#;
const ANY_TEXT: &str = r"[^]*";

/// The languages, in the order of [`FORMATS`].
static LANGS: LazyLock<Vec<Lang>> = LazyLock::new(|| {
    let whole = |text: &str| pattern::whole(text).expect("a fixed pattern");
    let lang = |format: &Format| match format.wide {
        Some(wide) => whole(wide),
        None => Lang::and(format.patterns.iter().map(|text| whole(text)).collect()),
    };
    FORMATS.iter().map(lang).collect()
});

impl Format {
    /// The strings that the mask allows.
    ///
    /// # Panics
    /// Never: a test looks at every format.
    #[must_use]
    pub fn lang(&self) -> Lang {
        let index = FORMATS.iter().position(|format| format.name == self.name).expect("formats come from the table");
        LANGS[index].clone()
    }

    /// Whether the guard has to judge the strings.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        self.wide.is_some()
    }
}

/// Finds an enforced format by name. An unknown name is an annotation, as 2020-12 says.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}
