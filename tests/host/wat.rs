//! Plugins as WebAssembly text: the smallest that behave in one way each.

/// A filter whose `keep` does this. The record lies at `$at` and is `$length` bytes
/// long; `$yes`, `$no` and `$rejected` give the answers, `$has` looks for a byte.
pub fn filter(body: &str) -> String {
    filter_with("", "", body)
}

/// A filter with imports before, and further definitions after, the usual ones.
pub fn filter_with(imports: &str, more: &str, body: &str) -> String {
    format!("(module\n{imports}\n{USUAL}\n{more}\n{KEEP}\n{body}))")
}

const KEEP: &str = r#"(func (export "keep") (param $at i32) (param $length i32) (result i32)"#;

/// Memory: the answer at 16, a reason at 64, the record from 1024 on.
const USUAL: &str = r#"
(memory (export "memory") 1)
(data (i32.const 64) "secret \1b[31mwords\n")
(func (export "cabi_realloc")
  (param i32) (param i32) (param i32) (param $size i32) (result i32)
  (call $grow_to (i32.add (local.get $size) (i32.const 1024)))
  (i32.const 1024))
(func $grow_to (param $bytes i32)
  (local $missing i32)
  (local.set $missing
    (i32.sub
      (i32.shr_u (i32.add (local.get $bytes) (i32.const 65535)) (i32.const 16))
      (memory.size)))
  (if (i32.gt_s (local.get $missing) (i32.const 0))
    (then
      (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then unreachable)))))
(func $answer (param $error i32) (param $value i32) (param $length i32) (result i32)
  (i32.store8 (i32.const 16) (local.get $error))
  (i32.store (i32.const 20) (local.get $value))
  (i32.store (i32.const 24) (local.get $length))
  (i32.const 16))
(func $yes (result i32) (call $answer (i32.const 0) (i32.const 1) (i32.const 0)))
(func $no (result i32) (call $answer (i32.const 0) (i32.const 0) (i32.const 0)))
(func $rejected (result i32) (call $answer (i32.const 1) (i32.const 64) (i32.const 18)))
(func $has (param $at i32) (param $length i32) (param $byte i32) (result i32)
  (local $end i32)
  (local.set $end (i32.add (local.get $at) (local.get $length)))
  (block $none
    (loop $next
      (br_if $none (i32.ge_u (local.get $at) (local.get $end)))
      (if (i32.eq (i32.load8_u (local.get $at)) (local.get $byte))
        (then (return (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
  (i32.const 0))
"#;

/// What `rejects` says, as a terminal may see it.
pub const REASON: &str = r"secret \u{1b}[31mwords\n";

/// A map whose `apply` does this: `$some` and `$none` give the answers, the rest is as in
/// a filter.
pub fn map(body: &str) -> String {
    map_with("", "", body)
}

/// A map with imports before, and further definitions after, the usual ones.
pub fn map_with(imports: &str, more: &str, body: &str) -> String {
    format!(
        r#"(module
{imports}
{USUAL}
{more}
(func $some (param $text i32) (param $length i32) (result i32)
  (i32.store (i32.const 16) (i32.const 0))
  (i32.store (i32.const 20) (i32.const 1))
  (i32.store (i32.const 24) (local.get $text))
  (i32.store (i32.const 28) (local.get $length))
  (i32.const 16))
(func $none (result i32)
  (i32.store (i32.const 16) (i32.const 0))
  (i32.store (i32.const 20) (i32.const 0))
  (i32.const 16))
(func (export "apply") (param $at i32) (param $length i32) (result i32)
{body}))"#
    )
}

/// A flat-map that makes each record so many times.
pub fn flat_map(times: u32) -> String {
    flat_map_with(times, "")
}

/// The same, and then this is done: the list lies at 2048. Its records are short, because
/// they lie before it.
pub fn flat_map_with(times: u32, body: &str) -> String {
    // With up to a thousand elements the list ends before 16 KiB.
    let list = if times > 10 { 8192 } else { 2048 };
    flat_map_at(list, times, 0, body)
}

/// A flat-map that makes each record so many times if it is longer than 100 bytes.
pub fn flat_map_of_long_ones(times: u32) -> String {
    flat_map_at(8192, times, 100, "")
}

fn flat_map_at(list: u32, times: u32, longer_than: u32, body: &str) -> String {
    format!(
        r#"(module
{USUAL}
(func (export "expand") (param $at i32) (param $length i32) (result i32)
  (local $times i32)
  (local $next i32)
  (local.set $times (i32.const {times}))
  (if (i32.lt_u (local.get $length) (i32.const {longer_than}))
    (then (local.set $times (i32.const 1))))
  (call $grow_to (i32.const {room}))
  (i32.store (i32.const 16) (i32.const 0))
  (i32.store (i32.const 20) (i32.const {list}))
  (i32.store (i32.const 24) (local.get $times))
  (local.set $next (i32.const {list}))
  (block $done
    (loop $more
      (br_if $done (i32.eqz (local.get $times)))
      (i32.store (local.get $next) (local.get $at))
      (i32.store offset=4 (local.get $next) (local.get $length))
      (local.set $next (i32.add (local.get $next) (i32.const 8)))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br $more)))
  {body}
  (i32.const 16)))"#,
        room = list + times * 8,
    )
}

/// A component around a module that imports nothing: its export has this type.
pub fn component(module: &str, export: &str, ok: &str) -> String {
    let module = module.strip_prefix("(module").unwrap();
    format!(
        r#"(component
(core module $m {module}
(core instance $i (instantiate $m))
(func (export "{export}") (param "record" string) (result (result {ok} (error string)))
  (canon lift (core func $i "{export}") (memory $i "memory")
    (realloc (func $i "cabi_realloc")))))"#
    )
}

/// Keeps every record.
pub fn keeps_all() -> String {
    filter("(call $yes)")
}

/// Drops every record.
pub fn drops_all() -> String {
    filter("(call $no)")
}

/// Keeps every record, but does this where one has a `!`.
pub fn where_marked(action: &str) -> String {
    where_marked_with("", "", action)
}

/// The same with imports and further definitions.
pub fn where_marked_with(imports: &str, more: &str, action: &str) -> String {
    let marked = "(call $has (local.get $at) (local.get $length) (i32.const 33))";
    filter_with(imports, more, &format!("(if {marked} (then {action})) (call $yes)"))
}

/// Traps on a record with a `!`.
pub fn traps() -> String {
    where_marked("unreachable")
}

/// Rejects a record with a `!`.
pub fn rejects() -> String {
    where_marked("(return (call $rejected))")
}

/// Never comes back from a record with a `!`.
pub fn loops() -> String {
    where_marked("(loop $again (br $again))")
}

/// Takes memory until it gets no more, and traps, at a record with a `!`.
pub fn takes_all_memory() -> String {
    where_marked(
        "(loop $again
           (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
         unreachable",
    )
}

/// The import through which plugins ask for parameters.
pub const PARAMS: &str = r#"(import "host:plugin/params@0.1.0" "get"
  (func $get (param i32) (param i32) (param i32)))"#;

/// The import through which plugins log.
pub const LOG: &str = r#"(import "host:plugin/log@0.1.0" "write"
  (func $log (param i32) (param i32) (param i32)))"#;

/// Logs its 18 bytes of words, as a warning, at a record with a `!`.
pub fn logs() -> String {
    where_marked_with(LOG, "", "(call $log (i32.const 1) (i32.const 64) (i32.const 18))")
}

/// Traps at the third record that one instance sees, whichever that is.
pub fn traps_at_its_third_record() -> String {
    filter_with(
        "",
        "(global $seen (mut i32) (i32.const 0))",
        "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
         (if (i32.eq (global.get $seen) (i32.const 3)) (then unreachable))
         (call $yes)",
    )
}

/// Does this before any record, as its start function.
pub fn starts_with(action: &str) -> String {
    filter_with("", &format!("(func $start {action}) (start $start)"), "(call $yes)")
}
