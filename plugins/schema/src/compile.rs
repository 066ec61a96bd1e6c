//! Makes rules of a schema.

use std::collections::HashMap;

use regex_lite::Regex;
use serde_json::{Map, Value};

use crate::order::Number;
use crate::rules::{Members, Multiple, Node, Rule, Schema, Type};

/// Keywords that demand nothing, and those that belong to others.
const QUIET: [&str; 15] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "then",
    "else",
];

/// Makes rules of a whole schema.
///
/// # Errors
/// It has a keyword that is not known, one that makes no sense, or refers to nothing; the
/// error names the place.
pub fn schema(text: &Value) -> Result<Schema, String> {
    let mut compiler = Compiler { references: Vec::new() };
    let root = compiler.node(text, "")?;
    let mut places = HashMap::new();
    while let Some((reference, from)) = compiler.references.pop() {
        if places.contains_key(&reference) {
            continue;
        }
        let found = reference.strip_prefix('#').and_then(|pointer| text.pointer(pointer));
        let found = found.ok_or_else(|| {
            format!(
                "the schema, {from}: there is no `{reference}` in it (a place is written \
                 #/$defs/name)"
            )
        })?;
        let node = compiler.node(found, reference.trim_start_matches('#'))?;
        places.insert(reference, node);
    }
    Ok(Schema { root, places })
}

struct Compiler {
    /// What is referred to, and where.
    references: Vec<(String, String)>,
}

/// A keyword, its value, and where it stands.
struct Keyword<'a> {
    value: &'a Value,
    place: String,
}

impl Compiler {
    fn node(&mut self, schema: &Value, place: &str) -> Result<Node, String> {
        match schema {
            Value::Bool(always) => Ok(Node::Always(*always)),
            Value::Object(keywords) => self.rules(keywords, place).map(Node::Rules),
            _ => Err(format!("the schema, {}: it is no object and no boolean", shown(place))),
        }
    }

    fn rules(&mut self, keywords: &Map<String, Value>, place: &str) -> Result<Vec<Rule>, String> {
        let mut rules = Vec::new();
        for (name, value) in keywords {
            let keyword = Keyword { value, place: format!("{place}/{}", escaped(name)) };
            let rule = match &**name {
                "type" => Rule::Type(keyword.types()?),
                "enum" => Rule::Enum(keyword.array()?.clone()),
                "const" => Rule::Const(value.clone()),
                "$ref" => {
                    let reference = keyword.text()?;
                    self.references.push((reference.clone(), keyword.place.clone()));
                    Rule::Ref(reference)
                }
                "allOf" => Rule::AllOf(self.nodes(&keyword)?),
                "anyOf" => Rule::AnyOf(self.nodes(&keyword)?),
                "oneOf" => Rule::OneOf(self.nodes(&keyword)?),
                "not" => Rule::Not(self.node(value, &keyword.place)?),
                "if" => Rule::If {
                    condition: self.node(value, &keyword.place)?,
                    then: self.sibling(keywords, "then", place)?,
                    otherwise: self.sibling(keywords, "else", place)?,
                },
                // One rule for the three, made at the first that is there.
                "properties" | "patternProperties" | "additionalProperties" => {
                    if rules.iter().any(|rule| matches!(rule, Rule::Members(_))) {
                        continue;
                    }
                    Rule::Members(self.members(keywords, place)?)
                }
                "required" => Rule::Required(keyword.texts()?),
                "minProperties" => Rule::MinProperties(keyword.count()?),
                "maxProperties" => Rule::MaxProperties(keyword.count()?),
                "items" | "prefixItems" => {
                    if rules.iter().any(|rule| matches!(rule, Rule::Elements { .. })) {
                        continue;
                    }
                    let first = match keywords.get("prefixItems") {
                        Some(value) => {
                            self.nodes(&Keyword { value, place: format!("{place}/prefixItems") })?
                        }
                        None => Vec::new(),
                    };
                    Rule::Elements { first, rest: self.sibling(keywords, "items", place)? }
                }
                "minItems" => Rule::MinItems(keyword.count()?),
                "maxItems" => Rule::MaxItems(keyword.count()?),
                "uniqueItems" => match value {
                    Value::Bool(true) => Rule::UniqueItems,
                    Value::Bool(false) => continue,
                    _ => return Err(keyword.wrong("true or false")),
                },
                "minLength" => Rule::MinLength(keyword.count()?),
                "maxLength" => Rule::MaxLength(keyword.count()?),
                "pattern" => Rule::Pattern(keyword.regex(&keyword.text()?)?),
                "minimum" => keyword.number().map(|(number, text)| Rule::Minimum(number, text))?,
                "maximum" => keyword.number().map(|(number, text)| Rule::Maximum(number, text))?,
                "exclusiveMinimum" => {
                    keyword.number().map(|(number, text)| Rule::ExclusiveMinimum(number, text))?
                }
                "exclusiveMaximum" => {
                    keyword.number().map(|(number, text)| Rule::ExclusiveMaximum(number, text))?
                }
                "multipleOf" => keyword.multiple()?,
                quiet if QUIET.contains(&quiet) => continue,
                unknown => {
                    return Err(format!(
                        "the schema, {}: the rule `{unknown}` is not known here, and passing it \
                         over would keep what it forbids",
                        shown(place)
                    ));
                }
            };
            rules.push(rule);
        }
        Ok(rules)
    }

    fn members(&mut self, keywords: &Map<String, Value>, place: &str) -> Result<Members, String> {
        let mut named = HashMap::new();
        let mut patterns = Vec::new();
        if let Some(value) = keywords.get("properties") {
            let keyword = Keyword { value, place: format!("{place}/properties") };
            for (name, schema) in keyword.object()? {
                let place = format!("{}/{}", keyword.place, escaped(name));
                named.insert(name.clone(), self.node(schema, &place)?);
            }
        }
        if let Some(value) = keywords.get("patternProperties") {
            let keyword = Keyword { value, place: format!("{place}/patternProperties") };
            for (pattern, schema) in keyword.object()? {
                let place = format!("{}/{}", keyword.place, escaped(pattern));
                patterns.push((keyword.regex(pattern)?, self.node(schema, &place)?));
            }
        }
        let others = self.sibling(keywords, "additionalProperties", place)?;
        Ok(Members { named, patterns, others })
    }

    /// The schema that another keyword of the same object has; where there is none,
    /// everything is right.
    fn sibling(
        &mut self,
        keywords: &Map<String, Value>,
        name: &str,
        place: &str,
    ) -> Result<Node, String> {
        match keywords.get(name) {
            Some(schema) => self.node(schema, &format!("{place}/{name}")),
            None => Ok(Node::Always(true)),
        }
    }

    fn nodes(&mut self, keyword: &Keyword) -> Result<Vec<Node>, String> {
        let schemas = keyword.array()?.iter().enumerate();
        schemas
            .map(|(number, schema)| self.node(schema, &format!("{}/{number}", keyword.place)))
            .collect()
    }
}

impl Keyword<'_> {
    fn wrong(&self, wanted: &str) -> String {
        format!("the schema, {}: it has to be {wanted}", self.place)
    }

    fn text(&self) -> Result<String, String> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.wrong("a text"))
    }

    fn array(&self) -> Result<&Vec<Value>, String> {
        self.value.as_array().ok_or_else(|| self.wrong("an array"))
    }

    fn object(&self) -> Result<&Map<String, Value>, String> {
        self.value.as_object().ok_or_else(|| self.wrong("an object"))
    }

    fn texts(&self) -> Result<Vec<String>, String> {
        let texts = self.array()?.iter().map(|text| text.as_str().map(str::to_owned));
        texts.collect::<Option<_>>().ok_or_else(|| self.wrong("an array of texts"))
    }

    fn count(&self) -> Result<u64, String> {
        self.value.as_u64().ok_or_else(|| self.wrong("a number from 0 on"))
    }

    fn regex(&self, pattern: &str) -> Result<Regex, String> {
        Regex::new(pattern).map_err(|why| format!("the schema, {}: {why}", self.place))
    }

    fn number(&self) -> Result<(Number, String), String> {
        let written = self.value.as_number().map(ToString::to_string);
        let number = written.and_then(|text| Some((Number::parse(&text)?, text)));
        number.ok_or_else(|| self.wrong("a number"))
    }

    fn multiple(&self) -> Result<Rule, String> {
        let (number, text) = self.number()?;
        let (digits, exponent) = number.significant();
        if number.is_zero() || number.is_negative() || digits.len() > 30 {
            return Err(self.wrong("a number above 0, with up to 30 digits"));
        }
        let digits = digits.iter().fold(0, |number, digit| number * 10 + u128::from(*digit));
        Ok(Rule::MultipleOf(Multiple { digits, exponent }, text))
    }

    fn types(&self) -> Result<Vec<Type>, String> {
        let names = match self.value {
            Value::String(name) => vec![name.clone()],
            _ => self.texts()?,
        };
        let by_name = |name: &String| Type::ALL.iter().find(|(known, _)| known == name);
        let types = names.iter().map(|name| by_name(name).map(|(_, one)| *one));
        types.collect::<Option<_>>().ok_or_else(|| {
            self.wrong(
                "null, boolean, integer, number, string, array or object, or an array of such",
            )
        })
    }
}

/// A name as it stands in a JSON Pointer.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn shown(place: &str) -> &str {
    if place.is_empty() { "at its beginning" } else { place }
}
