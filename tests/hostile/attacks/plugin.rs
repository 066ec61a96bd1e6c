//! Attacks by the plugin itself, in WebAssembly. Each keeps every record and does its
//! deed at those that are marked.

use super::Outcome::{Ends, Harmless, SetAside};
use super::{Attack, By, Outcome};

const fn attack(name: &'static str, plugin: fn() -> String, outcome: Outcome) -> Attack {
    Attack::new(name, By::Plugin(plugin), outcome)
}

pub const ATTACKS: &[Attack] = &[
    attack("endless-loop", endless_loop, SetAside("timeout")).timeout(200).waits(),
    attack(
        "endless-start",
        || plugin("", "(func $start (loop $on (br $on))) (start $start)", ""),
        Ends(1, "starting it takes longer than --timeout allows"),
    )
    .timeout(200)
    .waits(),
    attack("memory-bomb", memory_bomb, SetAside("memory")),
    attack("table-bomb", table_bomb, SetAside("memory")),
    attack("deep-recursion", deep_recursion, SetAside("trap")),
    attack("recursion-through-import", recursion_through_import, SetAside("trap")),
    attack(
        "unknown-import",
        || plugin(r#"(import "env" "system" (func))"#, "", ""),
        Ends(2, "it imports `system` of `env`"),
    ),
    attack("log-flood", log_flood, Harmless),
    attack("log-outside-of-memory", log_outside_of_memory, SetAside("trap")),
    attack("rejects-with-the-record", rejects_with_the_record, SetAside("rejected")),
    attack("rejects-without-end", rejects_without_end, SetAside("rejected")),
    attack("recursion-through-allocation", recursion_through_allocation, SetAside("trap")),
    attack("output-bomb", output_bomb, SetAside("output")),
    attack("forged-record", forged_record, SetAside("output")),
    attack("answers-nonsense", || at_marks("(return (i32.const -4))"), SetAside("trap")),
];

/// A module with imports and definitions, a memory of 16 pages, and a function `export` of
/// a record that lies at `$at` and is `$length` long.
fn module(imports: &str, definitions: &str, export: &str, body: &str) -> String {
    format!(
        r#"(module
{imports}
(memory (export "memory") 16)
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
{definitions}
(func (export "{export}") (param $at i32) (param $length i32) (result i32)
{body}))"#
    )
}

/// A filter with imports, definitions, and something to do before it keeps a record.
fn plugin(imports: &str, definitions: &str, action: &str) -> String {
    let answer = "(func $answer (param $error i32) (param $value i32) (param $length i32)
          (result i32)
        (i32.store (i32.const 16) (local.get $error))
        (i32.store (i32.const 20) (local.get $value))
        (i32.store (i32.const 24) (local.get $length))
        (i32.const 16))";
    let body = format!(
        "(local $count i32)
         {action}
         (call $answer (i32.const 0) (i32.const 1) (i32.const 0))"
    );
    module(imports, &format!("{definitions}\n{answer}"), "keep", &body)
}

/// A filter that does no harm.
pub fn keeps_all() -> String {
    plugin("", "", "")
}

/// Does this where a record begins with the mark.
fn if_marked(action: &str) -> String {
    let mark = crate::MARK;
    format!("(if (i32.eq (i32.load8_u (local.get $at)) (i32.const {mark})) (then {action}))")
}

/// A filter that does this at marked records.
fn at_marks_with(imports: &str, definitions: &str, action: &str) -> String {
    plugin(imports, definitions, &if_marked(action))
}

fn at_marks(action: &str) -> String {
    at_marks_with("", "", action)
}

pub fn endless_loop() -> String {
    at_marks("(loop $on (br $on))")
}

/// Takes 4,096 pages more, one by one; each is 64 KiB.
fn memory_bomb() -> String {
    at_marks(
        "(loop $more
           (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
           (local.set $count (i32.add (local.get $count) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $count) (i32.const 4096))))",
    )
}

fn table_bomb() -> String {
    let grow = "(table.grow $table (ref.null func) (i32.const 9000000))";
    let action = format!("(if (i32.eq {grow} (i32.const -1)) (then unreachable))");
    at_marks_with("", "(table $table 1 funcref)", &action)
}

fn deep_recursion() -> String {
    let deeper = "(func $deeper (param i64) (result i64)
        (i64.add (i64.const 1) (call $deeper (i64.add (local.get 0) (i64.const 1)))))";
    at_marks_with("", deeper, "(drop (call $deeper (i64.const 0)))")
}

const LOG: &str = r#"(import "host:plugin/log@0.1.0" "write"
  (func $log (param i32) (param i32) (param i32)))"#;

fn recursion_through_import() -> String {
    let deeper = "(func $deeper (param i64) (result i64)
        (call $log (i32.const 2) (i32.const 0) (i32.const 4))
        (i64.add (i64.const 1) (call $deeper (i64.add (local.get 0) (i64.const 1)))))";
    at_marks_with(LOG, deeper, "(drop (call $deeper (i64.const 0)))")
}

/// Logs 64 KiB a hundred thousand times, which would be 6 GB.
fn log_flood() -> String {
    at_marks_with(
        LOG,
        "",
        "(loop $more
           (call $log (i32.const 0) (i32.const 65536) (i32.const 65536))
           (local.set $count (i32.add (local.get $count) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $count) (i32.const 100000))))",
    )
}

fn log_outside_of_memory() -> String {
    at_marks_with(LOG, "", "(call $log (i32.const 0) (i32.const -16) (i32.const 64))")
}

/// Asks for a parameter, whose value it has to make room for, for which it asks for a
/// parameter.
fn recursion_through_allocation() -> String {
    let ask = "(call $get (i32.const 32) (i32.const 4) (i32.const 48))";
    let marked = if_marked(&format!("(global.set $deep (i32.const 1)) {ask}"));
    format!(
        r#"(module
(import "host:plugin/params@0.1.0" "get" (func $get (param i32 i32 i32)))
(memory (export "memory") 16)
(data (i32.const 32) "name")
(global $deep (mut i32) (i32.const 0))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (if (global.get $deep) (then {ask}))
  (i32.const 65536))
(func (export "keep") (param $at i32) (param $length i32) (result i32)
  {marked}
  (i32.store (i32.const 16) (i32.const 0))
  (i32.store (i32.const 20) (i32.const 1))
  (i32.const 16)))"#
    )
}

/// Makes two lines of one record; a map that answers with the record itself.
fn forged_record() -> String {
    let forge = "(i32.store8 (i32.add (local.get $at) (i32.const 10)) (i32.const 10))";
    let answer = "(i32.store (i32.const 16) (i32.const 0))
        (i32.store (i32.const 20) (i32.const 1))
        (i32.store (i32.const 24) (local.get $at))
        (i32.store (i32.const 28) (local.get $length))
        (i32.const 16)";
    module("", "", "apply", &(if_marked(forge) + answer))
}

/// A list of 4,096 texts, all of them the same 512 KiB: 2 GiB. A flat-map that otherwise
/// makes the record itself.
fn output_bomb() -> String {
    let bomb = "(i32.store (i32.const 24) (i32.const 4096))
        (local.set $next (i32.const 1024))
        (loop $more
          (i32.store (local.get $next) (i32.const 131072))
          (i32.store offset=4 (local.get $next) (i32.const 524288))
          (local.set $next (i32.add (local.get $next) (i32.const 8)))
          (br_if $more (i32.lt_u (local.get $next) (i32.const 33792))))";
    let body = format!(
        "(local $next i32)
        (i32.store (i32.const 16) (i32.const 0))
        (i32.store (i32.const 20) (i32.const 1024))
        (i32.store (i32.const 24) (i32.const 1))
        (i32.store (i32.const 1024) (local.get $at))
        (i32.store (i32.const 1028) (local.get $length))
        {}
        (i32.const 16)",
        if_marked(bomb)
    );
    module("", "", "expand", &body)
}

/// The whole record is the reason: private data in a message.
fn rejects_with_the_record() -> String {
    at_marks("(return (call $answer (i32.const 1) (local.get $at) (local.get $length)))")
}

/// The reason is all of the plugin's memory.
fn rejects_without_end() -> String {
    at_marks("(return (call $answer (i32.const 1) (i32.const 0) (i32.const 1048576)))")
}
