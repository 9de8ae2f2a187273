//! The format of Hermes 2 and later, Qwen 2.5 and Qwen 3; also taught by prompt to models that know no tools.

use super::ToolFormat;

/// `<tool_call>`, a JSON object with name and arguments, `</tool_call>`.
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
                   arguments as a JSON object between these tags, and nothing after them:\n<tool_call>\n{\"name\": \
                   \"function name\", \"arguments\": {…}}\n</tool_call>\nThe result then comes back between \
                   <tool_response> tags.",
    instructions_required: "Answer this time with a function call.",
};
