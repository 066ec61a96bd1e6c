//! Holds a record against the rules.

use std::fmt::Display;

use serde_json::Value;

use crate::compile::escaped;
use crate::order::Number;
use crate::rules::{Members, Multiple, Node, Rule, Schema, Type};

/// How many breaches are told of one record.
const TOLD: usize = 5;
/// How deep schemas may lead into each other. Records are not nested as deep as that.
const MAX_DEPTH: usize = 300;

/// # Errors
/// Where the record breaks which rules.
pub fn judge(schema: &Schema, record: &Value) -> Result<(), String> {
    let mut judge = Judge { schema, breaches: Vec::new(), depth: 0 };
    judge.node(&schema.root, record, "")?;
    let breaches = judge.breaches;
    if breaches.is_empty() {
        return Ok(());
    }
    let mut told = breaches[..breaches.len().min(TOLD)].join("; ");
    if breaches.len() > TOLD {
        told.push_str(&format!("; and {} more", breaches.len() - TOLD));
    }
    Err(told)
}

struct Judge<'s> {
    schema: &'s Schema,
    breaches: Vec<String>,
    depth: usize,
}

impl<'s> Judge<'s> {
    /// Notes what a value breaks. `place` is where it is, as a JSON Pointer.
    ///
    /// # Errors
    /// The schema leads into itself.
    fn node(&mut self, node: &'s Node, value: &Value, place: &str) -> Result<(), String> {
        if self.depth == MAX_DEPTH {
            return Err("the schema leads into itself without an end".into());
        }
        self.depth += 1;
        match node {
            Node::Always(true) => {}
            Node::Always(false) => self.breaches.push(format!("{} is not allowed", shown(place))),
            Node::Rules(rules) => {
                for rule in rules {
                    self.rule(rule, value, place)?;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Whether a schema holds for a value.
    fn holds(&mut self, node: &'s Node, value: &Value, place: &str) -> Result<bool, String> {
        let before = self.breaches.len();
        self.node(node, value, place)?;
        let holds = self.breaches.len() == before;
        self.breaches.truncate(before);
        Ok(holds)
    }

    /// For how many of several it does.
    fn held(&mut self, nodes: &'s [Node], value: &Value, place: &str) -> Result<usize, String> {
        let mut held = 0;
        for node in nodes {
            held += usize::from(self.holds(node, value, place)?);
        }
        Ok(held)
    }

    fn rule(&mut self, rule: &'s Rule, value: &Value, place: &str) -> Result<(), String> {
        match rule {
            Rule::Ref(reference) => {
                // Each was looked up when the schema was read.
                if let Some(node) = self.schema.places.get(reference) {
                    self.node(node, value, place)?;
                }
            }
            Rule::AllOf(nodes) => {
                for node in nodes {
                    self.node(node, value, place)?;
                }
            }
            Rule::AnyOf(nodes) => {
                if self.held(nodes, value, place)? == 0 {
                    self.breach(place, "anyOf", "none of its schemas holds");
                }
            }
            Rule::OneOf(nodes) => {
                let held = self.held(nodes, value, place)?;
                if held != 1 {
                    let why = format!("{held} of its schemas hold, and one has to");
                    self.breach(place, "oneOf", why);
                }
            }
            Rule::Not(node) => {
                if self.holds(node, value, place)? {
                    self.breach(place, "not", "its schema holds");
                }
            }
            Rule::If { condition, then, otherwise } => {
                let node = if self.holds(condition, value, place)? { then } else { otherwise };
                self.node(node, value, place)?;
            }
            Rule::Members(rules) => {
                if let Value::Object(members) = value {
                    for (name, value) in members {
                        self.member(rules, name, value, &format!("{place}/{}", escaped(name)))?;
                    }
                }
            }
            Rule::Elements { first, rest } => {
                if let Value::Array(elements) = value {
                    for (number, element) in elements.iter().enumerate() {
                        let node = first.get(number).unwrap_or(rest);
                        self.node(node, element, &format!("{place}/{number}"))?;
                    }
                }
            }
            _ => {
                if let Some((name, why)) = broken(rule, value) {
                    self.breach(place, name, why);
                }
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        rules: &'s Members,
        name: &str,
        value: &Value,
        place: &str,
    ) -> Result<(), String> {
        let mut known = false;
        if let Some(node) = rules.named.get(name) {
            known = true;
            self.node(node, value, place)?;
        }
        for (pattern, node) in &rules.patterns {
            if pattern.is_match(name) {
                known = true;
                self.node(node, value, place)?;
            }
        }
        match &rules.others {
            _ if known => {}
            Node::Always(false) => {
                self.breach(place, "additionalProperties", "no such member is known");
            }
            others => self.node(others, value, place)?,
        }
        Ok(())
    }

    fn breach(&mut self, place: &str, rule: &str, why: impl Display) {
        self.breaches.push(format!("{} breaks `{rule}`: {why}", shown(place)));
    }
}

/// A rule for a value by itself that is broken, and how.
fn broken(rule: &Rule, value: &Value) -> Option<(&'static str, String)> {
    let number = || value.as_number().and_then(|number| Number::parse(&number.to_string()));
    let length = || value.as_str().map(|text| text.chars().count() as u64);
    let elements = || value.as_array();
    let members = || value.as_object().map(|members| members.len() as u64);
    let (name, is_broken, why) = match rule {
        Rule::Type(types) => {
            let names: Vec<_> = types.iter().map(|one| one.name()).collect();
            let why = format!("it is {}, and not {}", described(value), names.join(" or "));
            ("type", !types.iter().any(|one| is_of(value, *one)), why)
        }
        Rule::Enum(values) => {
            let known = values.iter().any(|one| equal(one, value));
            ("enum", !known, "it is none of the values".to_owned())
        }
        Rule::Const(wanted) => ("const", !equal(wanted, value), format!("it is not {wanted}")),
        Rule::Required(names) => {
            let missing = value
                .as_object()
                .map(|members| names.iter().filter(|name| !members.contains_key(*name)));
            let missing: Vec<_> = missing.into_iter().flatten().map(String::as_str).collect();
            ("required", !missing.is_empty(), format!("it has no {}", missing.join(", ")))
        }
        Rule::MinProperties(least) => {
            ("minProperties", members()? < *least, format!("it has fewer than {least} members"))
        }
        Rule::MaxProperties(most) => {
            ("maxProperties", members()? > *most, format!("it has more than {most} members"))
        }
        Rule::MinItems(least) => (
            "minItems",
            (elements()?.len() as u64) < *least,
            format!("it has fewer than {least} elements"),
        ),
        Rule::MaxItems(most) => (
            "maxItems",
            elements()?.len() as u64 > *most,
            format!("it has more than {most} elements"),
        ),
        Rule::UniqueItems => {
            let elements = elements()?;
            let again = (1..elements.len())
                .find(|at| elements[..*at].iter().any(|other| equal(other, &elements[*at])));
            (
                "uniqueItems",
                again.is_some(),
                match again {
                    Some(at) => format!("its element {at} is there before"),
                    None => String::new(),
                },
            )
        }
        Rule::MinLength(least) => {
            ("minLength", length()? < *least, format!("it has fewer than {least} characters"))
        }
        Rule::MaxLength(most) => {
            ("maxLength", length()? > *most, format!("it has more than {most} characters"))
        }
        Rule::Pattern(pattern) => {
            let matches = pattern.is_match(value.as_str()?);
            ("pattern", !matches, format!("it does not match {pattern}"))
        }
        Rule::Minimum(least, text) => {
            ("minimum", number()? < *least, format!("it is less than {text}"))
        }
        Rule::Maximum(most, text) => {
            ("maximum", number()? > *most, format!("it is more than {text}"))
        }
        Rule::ExclusiveMinimum(bound, text) => {
            ("exclusiveMinimum", number()? <= *bound, format!("it is not more than {text}"))
        }
        Rule::ExclusiveMaximum(bound, text) => {
            ("exclusiveMaximum", number()? >= *bound, format!("it is not less than {text}"))
        }
        Rule::MultipleOf(multiple, text) => (
            "multipleOf",
            !is_multiple(&number()?, multiple),
            format!("it is no multiple of {text}"),
        ),
        _ => return None,
    };
    is_broken.then_some((name, why))
}

/// Whether a value is of a type. An integer is any number without a fraction, 1.0 too.
fn is_of(value: &Value, one: Type) -> bool {
    match (value, one) {
        (Value::Number(number), Type::Integer) => {
            Number::parse(&number.to_string()).is_some_and(|number| number.is_integer())
        }
        (Value::Null, Type::Null)
        | (Value::Bool(_), Type::Boolean)
        | (Value::Number(_), Type::Number)
        | (Value::String(_), Type::String)
        | (Value::Array(_), Type::Array)
        | (Value::Object(_), Type::Object) => true,
        _ => false,
    }
}

fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Whether two values are one: numbers by their size, objects in any order.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.to_string(), other.to_string());
            match (Number::parse(&one), Number::parse(&other)) {
                (Some(one), Some(other)) => one == other,
                _ => one == other,
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value)| other.get(name).is_some_and(|other| equal(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

/// Whether a number is a multiple, by long division.
fn is_multiple(number: &Number, multiple: &Multiple) -> bool {
    if number.is_zero() {
        return true;
    }
    let (digits, exponent) = number.significant();
    let divisor = multiple.digits;
    let mut rest = digits.iter().fold(0, |rest, digit| (rest * 10 + u128::from(*digit)) % divisor);
    // How many zeros stand behind the number's digits where those of the multiple end. If it
    // would need fewer than none, the number had to end with a zero, and its digits do not.
    let Ok(zeros) = u64::try_from(exponent - multiple.exponent) else { return false };
    // After so many all factors of ten that a divisor of 30 digits can have are there.
    for _ in 0..zeros.min(100) {
        rest = rest * 10 % divisor;
    }
    rest == 0
}

fn shown(place: &str) -> String {
    if place.is_empty() { "the record".to_owned() } else { format!("`{place}`") }
}
