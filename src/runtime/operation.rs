//! What a plugin can be: the operations, by the function that each exports.

use wit_parser::{Resolve, Type, TypeDefKind};

use crate::protocol::Operation;

/// How an operation is called.
pub(super) struct Call {
    pub operation: Operation,
    /// The function that the plugin exports.
    pub export: &'static str,
    /// What a core module may export to be called with the result afterwards.
    pub post: &'static str,
    /// The function's type, as a message says it.
    pub wit: &'static str,
    /// Bytes of its result in a module's memory.
    pub result_bytes: usize,
}

pub(super) const CALLS: [Call; 3] = [
    Call {
        operation: Operation::Filter,
        export: "keep",
        post: "cabi_post_keep",
        wit: "keep: func(record: string) -> result<bool, string>",
        result_bytes: 12,
    },
    Call {
        operation: Operation::Map,
        export: "apply",
        post: "cabi_post_apply",
        wit: "apply: func(record: string) -> result<option<string>, string>",
        result_bytes: 16,
    },
    Call {
        operation: Operation::FlatMap,
        export: "expand",
        post: "cabi_post_expand",
        wit: "expand: func(record: string) -> result<list<string>, string>",
        result_bytes: 12,
    },
];

impl Call {
    pub fn of(operation: Operation) -> &'static Call {
        let found = CALLS.iter().find(|call| call.operation == operation);
        found.unwrap_or(&CALLS[0])
    }

    /// Whether a result of this WIT type is the operation's.
    pub fn gives(&self, resolve: &Resolve, result: Option<Type>) -> bool {
        let kind = |ty: Type| match ty {
            Type::Id(id) => Some(&resolve.types[id].kind),
            _ => None,
        };
        let Some(TypeDefKind::Result(result)) = result.and_then(kind) else { return false };
        let ok = match (self.operation, result.ok) {
            (Operation::Filter, ok) => ok == Some(Type::Bool),
            (Operation::Map, Some(ok)) => {
                matches!(kind(ok), Some(TypeDefKind::Option(Type::String)))
            }
            (Operation::FlatMap, Some(ok)) => {
                matches!(kind(ok), Some(TypeDefKind::List(Type::String)))
            }
            (_, None) => false,
        };
        ok && result.err == Some(Type::String)
    }
}

#[cfg(test)]
mod tests {
    use wit_parser::WorldItem;

    use super::*;

    #[test]
    fn the_contract_in_the_repository_is_the_one_that_is_kept() {
        let mut resolve = Resolve::default();
        resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/wit")).unwrap();
        assert_eq!(resolve.worlds.len(), CALLS.len());
        for (_, world) in &resolve.worlds {
            let mut exports = world.exports.iter();
            let (key, item) = exports.next().unwrap();
            let name = resolve.name_world_key(key);
            let call = CALLS.iter().find(|call| call.export == name).unwrap();
            let WorldItem::Function(function) = item else { panic!("{name} is no function") };
            assert!(call.gives(&resolve, function.result), "{name}");
            assert_eq!(function.params.len(), 1, "{name}");
            assert_eq!(function.params[0].ty, Type::String, "{name}");
            assert!(exports.next().is_none(), "{} exports more", world.name);
        }
    }
}
