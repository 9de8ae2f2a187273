//! The formats of JSON Schema 2020-12 as regular expressions.
//!
//! A format is checked twice: by the mask through these patterns, and at the end by the crate `jsonschema`. Every text
//! that a pattern here allows must therefore be one that the crate accepts; a property test holds the two together.
//! Where a format is no regular language, or a needlessly large one, the pattern is a part of it: leap seconds only at
//! 23:59:60Z, host name labels without `--`, mail addresses without quotes, IPv6 without embedded IPv4, and
//! the internationalised formats only in letters whose normalisation changes nothing.

/// A format that can be enforced: all `patterns` must match the whole string.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The name as it stands in `format`.
    pub name: &'static str,
    /// Whole-string patterns without anchors; the language is their intersection.
    pub patterns: &'static [&'static str],
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
    Format { name: "date", patterns: &[YEAR_MONTH_DAY] },
    Format { name: "time", patterns: &[CLOCK] },
    Format { name: "date-time", patterns: &[DATE_TIME] },
    Format { name: "duration", patterns: &[DURATION] },
    Format { name: "email", patterns: &[MAIL, MAIL_LENGTHS] },
    Format { name: "idn-email", patterns: &[MAIL, MAIL_LENGTHS] },
    Format { name: "hostname", patterns: &[HOST, HOST_LABELS] },
    Format { name: "idn-hostname", patterns: &[IDN_HOST] },
    Format { name: "ipv4", patterns: &[IPV4] },
    Format { name: "ipv6", patterns: &[IPV6] },
    Format { name: "uri", patterns: &[URI] },
    Format { name: "uri-reference", patterns: &[URI_REFERENCE] },
    Format { name: "iri", patterns: &[IRI] },
    Format { name: "iri-reference", patterns: &[URI_REFERENCE] },
    Format { name: "uri-template", patterns: &[URI_TEMPLATE] },
    Format { name: "json-pointer", patterns: &[r"(?:/(?:[^/~]|~[01])*)*"] },
    Format { name: "relative-json-pointer", patterns: &[r"(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^/~]|~[01])*)*)"] },
    Format {
        name: "uuid",
        patterns: &[r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"],
    },
    Format { name: "regex", patterns: &[REGEX] },
];

/// Finds an enforced format by name. An unknown name is an annotation, as 2020-12 says.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}
