//! Formats with a pair of text markers around each call, and its arguments as a JSON object.

use super::ToolFormat;

/// Hermes 2 and later, Qwen 2.5 and 3, Granite 4 and others; also taught by prompt to models that know no tools.
pub const HERMES: ToolFormat = ToolFormat {
    name: "hermes",
    shape: include_str!("../../../grammars/tagged_json.lark"),
    open: "<tool_call>",
    before_name: "\n{\"name\": \"",
    after_name: "\", \"arguments\": ",
    close: "}\n</tool_call>",
    separator: "\n",
    result: ("<tool_response>\n", "\n</tool_response>"),
    instructions: "You can call functions to answer the user. These are the functions, one per line, each with the JSON \
                   Schema of its arguments:\n<tools>\n{tools}\n</tools>\n\nTo call a function, write its name and its \
                   arguments as a JSON object between these tags, and nothing after them:\n{call}\nThe result then comes \
                   back between <tool_response> tags.",
    instructions_required: "Answer this time with a function call.",
};

/// Reka Edge: calls stand next to each other.
pub(super) const REKA: ToolFormat = ToolFormat { name: "reka", separator: "", ..HERMES };

/// EXAONE 4: no newline inside the markers.
pub(super) const EXAONE: ToolFormat =
    ToolFormat { name: "exaone-4", before_name: "{\"name\": \"", close: "}</tool_call>", ..HERMES };

/// LongCat-Flash.
pub(super) const LONGCAT: ToolFormat =
    ToolFormat { name: "longcat", open: "<longcat_tool_call>", close: "}\n</longcat_tool_call>", ..HERMES };

/// Functionary 3.1, and Llama 3.1's custom functions: the name is part of the marker.
pub(super) const FUNCTIONARY_3_1: ToolFormat = ToolFormat {
    name: "functionary-3.1",
    open: "<function=",
    before_name: "",
    after_name: ">",
    close: "</function>",
    separator: "",
    ..HERMES
};
