//! What a plugin can be: the operations, by the functions that each exports.

use wasmtime::component::Type as ComponentType;
use wit_parser::{Resolve, Type as WitType, TypeDefKind};

use super::wasi::preview2;
use crate::protocol::Operation;

/// The functions of an operation. The first is given the records; by its name the
/// operation is known.
pub(super) struct Call {
    pub operation: Operation,
    pub functions: &'static [Function],
}

/// A function that a plugin exports.
pub(super) struct Function {
    /// Its name; of a command, which as a component has another, that in a module.
    pub export: &'static str,
    /// What a core module may export to be called with the result afterwards.
    pub post: &'static str,
    pub params: &'static [Ty],
    pub result: Ty,
    /// Bytes of its result in a module's memory.
    pub result_bytes: usize,
    /// Its type, as a message says it.
    pub wit: &'static str,
}

/// A type of the contract.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Ty {
    Bool,
    Byte,
    Text,
    /// Nothing at all.
    Nothing,
    List(&'static Ty),
    Option(&'static Ty),
    /// With a text as its error; without a value if there is nothing to say.
    Result(Option<&'static Ty>),
}

const RECORD: &[Ty] = &[Ty::Text];
const BYTES: Ty = Ty::List(&Ty::Byte);
const TEXTS: Ty = Ty::List(&Ty::Text);

/// Where the functions that a reduce has besides the first stand.
pub(super) const TAKE: usize = 1;
pub(super) const MERGE: usize = 2;
pub(super) const FINISH: usize = 3;

/// Where a command begins that is a module.
const START: &str = "_start";

pub(super) const CALLS: [Call; 6] = [
    Call {
        operation: Operation::Filter,
        functions: &[Function {
            export: "keep",
            post: "cabi_post_keep",
            params: RECORD,
            result: Ty::Result(Some(&Ty::Bool)),
            result_bytes: 12,
            wit: "keep: func(record: string) -> result<bool, string>",
        }],
    },
    Call {
        operation: Operation::Map,
        functions: &[Function {
            export: "apply",
            post: "cabi_post_apply",
            params: RECORD,
            result: Ty::Result(Some(&Ty::Option(&Ty::Text))),
            result_bytes: 16,
            wit: "apply: func(record: string) -> result<option<string>, string>",
        }],
    },
    Call {
        operation: Operation::FlatMap,
        functions: &[Function {
            export: "expand",
            post: "cabi_post_expand",
            params: RECORD,
            result: Ty::Result(Some(&TEXTS)),
            result_bytes: 12,
            wit: "expand: func(record: string) -> result<list<string>, string>",
        }],
    },
    Call {
        operation: Operation::Batch,
        functions: &[Function {
            export: "process",
            post: "cabi_post_process",
            params: &[TEXTS],
            result: Ty::List(&Ty::Result(Some(&TEXTS))),
            result_bytes: 8,
            wit: "process: func(records: list<string>) -> list<result<list<string>, string>>",
        }],
    },
    Call {
        operation: Operation::Reduce,
        functions: &[
            Function {
                export: "add",
                post: "cabi_post_add",
                params: RECORD,
                result: Ty::Result(None),
                result_bytes: 12,
                wit: "add: func(record: string) -> result<_, string>",
            },
            Function {
                export: "take",
                post: "cabi_post_take",
                params: &[],
                result: BYTES,
                result_bytes: 8,
                wit: "take: func() -> list<u8>",
            },
            Function {
                export: "merge",
                post: "cabi_post_merge",
                params: &[BYTES, BYTES],
                result: Ty::Result(Some(&BYTES)),
                result_bytes: 12,
                wit: "merge: func(left: list<u8>, right: list<u8>) -> result<list<u8>, string>",
            },
            Function {
                export: "finish",
                post: "cabi_post_finish",
                params: &[BYTES],
                result: Ty::Result(Some(&TEXTS)),
                result_bytes: 12,
                wit: "finish: func(state: list<u8>) -> result<list<string>, string>",
            },
        ],
    },
    Call {
        operation: Operation::Command,
        functions: &[Function {
            export: START,
            post: "",
            params: &[],
            result: Ty::Nothing,
            result_bytes: 0,
            wit: "_start: func()",
        }],
    },
];

impl Call {
    pub fn of(operation: Operation) -> &'static Call {
        let found = CALLS.iter().find(|call| call.operation == operation);
        found.unwrap_or(&CALLS[0])
    }

    /// The function that is given the records.
    pub fn first(&self) -> &'static Function {
        &self.functions[0]
    }
}

impl Function {
    /// Whether a plugin that exports this has the function.
    pub fn is(&self, export: &str) -> bool {
        export == self.export || (self.export == START && preview2::is_run(export))
    }

    /// How many numbers a core module's function takes: of a text or a list, its address
    /// and its length.
    pub fn core_params(&self) -> usize {
        2 * self.params.len()
    }

    /// How many numbers it gives: one, the address of the result, if there is any.
    pub fn core_results(&self) -> usize {
        usize::from(self.result != Ty::Nothing)
    }
}

impl Ty {
    /// Whether a type of a WIT package is this one.
    pub fn is_wit(self, resolve: &Resolve, ty: WitType) -> bool {
        let id = match (self, ty) {
            (Ty::Bool, WitType::Bool) | (Ty::Byte, WitType::U8) | (Ty::Text, WitType::String) => {
                return true;
            }
            (_, WitType::Id(id)) => id,
            _ => return false,
        };
        match (self, &resolve.types[id].kind) {
            (_, TypeDefKind::Type(alias)) => self.is_wit(resolve, *alias),
            (Ty::List(item), TypeDefKind::List(of)) => item.is_wit(resolve, *of),
            (Ty::Option(item), TypeDefKind::Option(of)) => item.is_wit(resolve, *of),
            (Ty::Result(item), TypeDefKind::Result(result)) => {
                let ok = match (item, result.ok) {
                    (Some(item), Some(ok)) => item.is_wit(resolve, ok),
                    (item, ok) => item.is_none() && ok.is_none(),
                };
                ok && result.err.is_some_and(|error| Ty::Text.is_wit(resolve, error))
            }
            _ => false,
        }
    }

    /// Whether a type of a component is this one.
    pub fn is_component(self, ty: &ComponentType) -> bool {
        match (self, ty) {
            (Ty::Bool, ComponentType::Bool)
            | (Ty::Byte, ComponentType::U8)
            | (Ty::Text, ComponentType::String) => true,
            (Ty::List(item), ComponentType::List(list)) => item.is_component(&list.ty()),
            (Ty::Option(item), ComponentType::Option(option)) => item.is_component(&option.ty()),
            (Ty::Result(item), ComponentType::Result(result)) => {
                let ok = match (item, result.ok()) {
                    (Some(item), Some(ok)) => item.is_component(&ok),
                    (item, ok) => item.is_none() && ok.is_none(),
                };
                ok && result.err().is_some_and(|error| Ty::Text.is_component(&error))
            }
            _ => false,
        }
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
        // Only a command is none of ours: it is WASI's.
        assert_eq!(resolve.worlds.len(), CALLS.len() - 1);
        for (_, world) in &resolve.worlds {
            let name = &world.name;
            let exports: Vec<_> = world
                .exports
                .values()
                .map(|item| match item {
                    WorldItem::Function(function) => function,
                    _ => panic!("{name} exports what is no function"),
                })
                .collect();
            let is_this = |call: &&Call| call.first().export == exports[0].name;
            let call = CALLS.iter().find(is_this).unwrap();
            assert_eq!(exports.len(), call.functions.len(), "{name}");
            for (theirs, ours) in exports.iter().zip(call.functions) {
                assert_eq!(theirs.name, ours.export, "{name}");
                assert_eq!(theirs.params.len(), ours.params.len(), "{}", ours.export);
                for (param, ty) in theirs.params.iter().zip(ours.params) {
                    assert!(ty.is_wit(&resolve, param.ty), "{}", ours.export);
                }
                assert!(ours.result.is_wit(&resolve, theirs.result.unwrap()), "{}", ours.export);
            }
        }
    }

    #[test]
    fn names_tell_operations_apart() {
        let mut names: Vec<_> = CALLS.iter().map(|call| call.first().export).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CALLS.len());
    }
}
