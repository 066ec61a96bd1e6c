//! The rules of a schema that are understood. They mean what JSON Schema 2020-12 says.
//!
//! * any value: `type`, `enum`, `const`, `allOf`, `anyOf`, `oneOf`, `not`, `if` with `then`
//!   and `else`, and `$ref` to a place in the same schema (`#/$defs/name`)
//! * objects: `properties`, `patternProperties`, `additionalProperties`, `required`,
//!   `minProperties`, `maxProperties`
//! * arrays: `items`, `prefixItems`, `minItems`, `maxItems`, `uniqueItems`
//! * texts: `minLength`, `maxLength`, `pattern`
//! * numbers: `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`,
//!   all of them exactly, as the numbers are written
//!
//! `$schema`, `$id`, `$comment`, `$defs`, `definitions`, `title`, `description`, `default`,
//! `examples`, `deprecated`, `readOnly`, `writeOnly` and `format` say something to people
//! and demand nothing, as in the standard.

use std::collections::HashMap;

use regex_lite::Regex;
use serde_json::Value;

use crate::order::Number;

/// A schema with all that it refers to.
pub struct Schema {
    pub root: Node,
    /// What `$ref` leads to, by its text.
    pub places: HashMap<String, Node>,
}

/// A schema, or one inside of another.
pub enum Node {
    /// It holds for everything, or for nothing.
    Always(bool),
    Rules(Vec<Rule>),
}

pub enum Rule {
    Type(Vec<Type>),
    Enum(Vec<Value>),
    Const(Value),
    Ref(String),
    AllOf(Vec<Node>),
    AnyOf(Vec<Node>),
    OneOf(Vec<Node>),
    Not(Node),
    If { condition: Node, then: Node, otherwise: Node },
    Members(Members),
    Required(Vec<String>),
    MinProperties(u64),
    MaxProperties(u64),
    Elements { first: Vec<Node>, rest: Node },
    MinItems(u64),
    MaxItems(u64),
    UniqueItems,
    MinLength(u64),
    MaxLength(u64),
    Pattern(Regex),
    Minimum(Number, String),
    Maximum(Number, String),
    ExclusiveMinimum(Number, String),
    ExclusiveMaximum(Number, String),
    MultipleOf(Multiple, String),
}

/// Schemas for the members of an object.
pub struct Members {
    pub named: HashMap<String, Node>,
    pub patterns: Vec<(Regex, Node)>,
    /// For those that neither of them is for.
    pub others: Node,
}

/// A number that others have to be a multiple of: `digits` times ten to the power of
/// `exponent`.
pub struct Multiple {
    pub digits: u128,
    pub exponent: i64,
}

#[derive(Copy, Clone, PartialEq, Eq)]
pub enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    /// With the names that schemas have for them.
    pub const ALL: [(&str, Type); 7] = [
        ("null", Type::Null),
        ("boolean", Type::Boolean),
        ("integer", Type::Integer),
        ("number", Type::Number),
        ("string", Type::String),
        ("array", Type::Array),
        ("object", Type::Object),
    ];

    pub fn name(self) -> &'static str {
        Type::ALL.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }
}
