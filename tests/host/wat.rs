//! Plugins as WebAssembly text: the smallest that behave in one way each.

/// A filter whose `keep` does this. The record lies at `$at` and is `$length` bytes
/// long; `$yes`, `$no` and `$rejected` give the answers, `$has` looks for a byte.
pub fn filter(body: &str) -> String {
    filter_with("", "", body)
}

/// A filter with imports before, and further definitions after, the usual ones.
pub fn filter_with(imports: &str, more: &str, body: &str) -> String {
    format!(
        "(module\n{imports}\n{USUAL}
{SHARED}\n{more}\n{KEEP}\n{body}))"
    )
}

/// `$answer` at 16, and `$has`, which looks for a byte.
const SHARED: &str = r#"
(func $answer (param $error i32) (param $value i32) (param $length i32) (result i32)
  (i32.store8 (i32.const 16) (local.get $error))
  (i32.store (i32.const 20) (local.get $value))
  (i32.store (i32.const 24) (local.get $length))
  (i32.const 16))
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
(func $yes (result i32) (call $answer (i32.const 0) (i32.const 1) (i32.const 0)))
(func $no (result i32) (call $answer (i32.const 0) (i32.const 0) (i32.const 0)))
(func $rejected (result i32) (call $answer (i32.const 1) (i32.const 64) (i32.const 18)))

"#;

/// What `rejects` says, as a terminal may see it.
pub const REASON: &str = r"secret \u{1b}[31mwords\n";

/// A map whose `apply` does this: `$some` and `$none` give the answers, the rest is as in
/// a filter.
pub fn map(body: &str) -> String {
    map_with("", "", body)
}

/// What a map does to answer with the record itself.
pub const SAME: &str = "(call $some (local.get $at) (local.get $length))";

/// A map with imports before, and further definitions after, the usual ones.
pub fn map_with(imports: &str, more: &str, body: &str) -> String {
    format!(
        r#"(module
{imports}
{USUAL}
{SHARED}
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
{SHARED}
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

/// With this a component is more than the wrapping of one module, and is run as a component.
pub const MORE: &str = "(core module $more)(core instance (instantiate $more))";

/// A component around a module that imports nothing, and more: its export has this type.
pub fn component(module: &str, export: &str, ok: &str) -> String {
    wrapping(module, export, ok).replacen("(component", &format!("(component {MORE}"), 1)
}

/// A component that does nothing but wrap a module.
pub fn wrapping(module: &str, export: &str, ok: &str) -> String {
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
    where_marked(&format!("{ALL_MEMORY} unreachable"))
}

/// Takes all memory that there is, and is refused more.
pub const ALL_MEMORY: &str = "(loop $again
    (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";

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

/// A reduce whose state is the records themselves, each with a line break, and which
/// gives them all at the end. It rejects records with `!` and traps at those with `?`.
pub fn reduce() -> String {
    reduce_with("", "", "")
}

/// The same, which does this before `take`, `merge` and `finish`.
pub fn reduce_with(take: &str, merge: &str, finish: &str) -> String {
    format!(
        r#"(module
{USUAL_AT_A_HEAP}
{SHARED}
(func (export "add") (param $at i32) (param $length i32) (result i32)
  (if (call $has (local.get $at) (local.get $length) (i32.const 63)) (then unreachable))
  (if (call $has (local.get $at) (local.get $length) (i32.const 33))
    (then
      (global.set $heap (local.get $at))
      (return (call $answer (i32.const 1) (i32.const 64) (i32.const 18)))))
  ;; The state ends where the record begins, because nothing else was asked for.
  (i32.store8 (call $more (i32.const 1)) (i32.const 10))
  (call $answer (i32.const 0) (i32.const 0) (i32.const 0)))
(func (export "take") (result i32)
  {take}
  (i32.store (i32.const 16) (global.get $state))
  (i32.store (i32.const 20) (i32.sub (global.get $heap) (global.get $state)))
  (global.set $state (global.get $heap))
  (i32.const 16))
(func (export "cabi_post_take") (param i32) (call $empty))
(func (export "merge")
  (param $left i32) (param $left_length i32) (param $right i32) (param $right_length i32)
  (result i32)
  {merge}
  (if (i32.ne (i32.add (local.get $left) (local.get $left_length)) (local.get $right))
    (then unreachable))
  (call $answer (i32.const 0) (local.get $left)
    (i32.add (local.get $left_length) (local.get $right_length))))
(func (export "cabi_post_merge") (param i32) (call $empty))
(func (export "finish") (param $at i32) (param $length i32) (result i32)
  (local $end i32)
  (local $begin i32)
  (local $list i32)
  (local $next i32)
  {finish}
  (local.set $end (i32.add (local.get $at) (local.get $length)))
  ;; There cannot be more records than bytes.
  (local.set $list
    (i32.and (i32.add (call $more (i32.add (i32.mul (local.get $length) (i32.const 8)) (i32.const 8)))
      (i32.const 3)) (i32.const -4)))
  (local.set $next (local.get $list))
  (local.set $begin (local.get $at))
  (block $done
    (loop $more
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 10))
        (then
          (i32.store (local.get $next) (local.get $begin))
          (i32.store offset=4 (local.get $next)
            (i32.sub (local.get $at) (local.get $begin)))
          (local.set $next (i32.add (local.get $next) (i32.const 8)))
          (local.set $begin (i32.add (local.get $at) (i32.const 1)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $more)))
  (call $answer (i32.const 0) (local.get $list)
    (i32.shr_u (i32.sub (local.get $next) (local.get $list)) (i32.const 3))))
(func (export "cabi_post_finish") (param i32) (call $empty)))"#
    )
}

/// A batch that answers each record with itself twice. It rejects records with `!`, drops
/// those with `-`, and traps if there is one with `?` or another is in its memory than
/// was given at last.
pub fn batch() -> String {
    format!(
        r#"(module
{USUAL_AT_A_HEAP}
{SHARED}
(func (export "process") (param $list i32) (param $count i32) (result i32)
  (local $answers i32)
  (local $next i32)
  (local $at i32)
  (local $length i32)
  (local $pair i32)
  (local.set $answers
    (i32.and (i32.add (call $more (i32.add (i32.mul (local.get $count) (i32.const 28)) (i32.const 4)))
      (i32.const 3)) (i32.const -4)))
  (local.set $next (local.get $answers))
  (local.set $pair (i32.add (local.get $answers) (i32.mul (local.get $count) (i32.const 12))))
  (i32.store (i32.const 16) (local.get $answers))
  (i32.store (i32.const 20) (local.get $count))
  (block $done
    (loop $more
      (br_if $done (i32.eqz (local.get $count)))
      (local.set $at (i32.load (local.get $list)))
      (local.set $length (i32.load offset=4 (local.get $list)))
      (if (call $has (local.get $at) (local.get $length) (i32.const 63)) (then unreachable))
      (if (call $has (local.get $at) (local.get $length) (i32.const 33))
        (then
          (i32.store (local.get $next) (i32.const 1))
          (i32.store offset=4 (local.get $next) (i32.const 64))
          (i32.store offset=8 (local.get $next) (i32.const 18)))
        (else
          (i32.store (local.get $next) (i32.const 0))
          (i32.store offset=4 (local.get $next) (local.get $pair))
          (i32.store offset=8 (local.get $next)
            (i32.mul (i32.const 2)
              (i32.eqz (call $has (local.get $at) (local.get $length) (i32.const 45)))))
          (i32.store (local.get $pair) (local.get $at))
          (i32.store offset=4 (local.get $pair) (local.get $length))
          (i32.store offset=8 (local.get $pair) (local.get $at))
          (i32.store offset=12 (local.get $pair) (local.get $length))))
      (local.set $pair (i32.add (local.get $pair) (i32.const 16)))
      (local.set $next (i32.add (local.get $next) (i32.const 12)))
      (local.set $list (i32.add (local.get $list) (i32.const 8)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $more)))
  (i32.const 16))
(func (export "cabi_post_process") (param i32) (call $empty)))"#
    )
}

/// Memory: the answer at 16, a reason at 64, and a heap from 65536 on that only grows.
const USUAL_AT_A_HEAP: &str = r#"
(memory (export "memory") 1)
(data (i32.const 64) "secret \1b[31mwords\n")
(global $heap (mut i32) (i32.const 65536))
(global $state (mut i32) (i32.const 65536))
(func $empty
  (global.set $heap (i32.const 65536))
  (global.set $state (i32.const 65536)))
(func $more (param $size i32) (result i32)
  (local $at i32)
  (local $missing i32)
  (local.set $at (global.get $heap))
  (global.set $heap (i32.add (global.get $heap) (local.get $size)))
  (local.set $missing
    (i32.sub
      (i32.shr_u (i32.add (global.get $heap) (i32.const 65535)) (i32.const 16))
      (memory.size)))
  (if (i32.gt_s (local.get $missing) (i32.const 0))
    (then
      (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then unreachable))))
  (local.get $at))
(func (export "cabi_realloc")
  (param i32) (param i32) (param $align i32) (param $size i32) (result i32)
  (global.set $heap
    (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
  (call $more (local.get $size)))

"#;
