//! Plugins that do nothing: what their calls take is what a call takes.

/// The text of a plugin of this operation that does nothing, as a module or as a component; for
/// a command there is none, because it is not called for a record.
pub fn plugin(operation: &str, is_component: bool) -> Option<String> {
    // All answers are zeros, at 16: drop the record, no records, an empty state.
    let (export, parameters, more, lifted) = match operation {
        "filter" => ("keep", "i32 i32", "", "(result (result bool (error string)))"),
        "map" => ("apply", "i32 i32", "", "(result (result (option string) (error string)))"),
        "flat-map" => ("expand", "i32 i32", "", "(result (result (list string) (error string)))"),
        "batch" => ("process", "", "", "(result (list (result (list string) (error string))))"),
        "reduce" => ("add", "i32 i32", STATES, "(result (result (error string)))"),
        _ => return None,
    };
    let call = match operation {
        "batch" => BATCH.to_owned(),
        _ => format!(
            r#"(func (export "{export}") (param {parameters}) (result i32) (i32.const 16))"#
        ),
    };
    let module = format!("(module {MEMORY}\n{call}\n{more})");
    if !is_component {
        return Some(module);
    }
    let module = module.replacen("(module", "(core module $m", 1);
    let taken = if operation == "batch" { "(list string)" } else { "string" };
    let name = if operation == "batch" { "records" } else { "record" };
    let lift = |export: &str, kind: &str| {
        format!(
            r#"(func (export "{export}") {kind}
  (canon lift (core func $i "{export}") (memory $i "memory") (realloc (func $i "cabi_realloc"))))"#
        )
    };
    let mut exports = lift(export, &format!(r#"(param "{name}" {taken}) {lifted}"#));
    if operation == "reduce" {
        let bytes = "(result (result (list u8) (error string)))";
        exports += &lift("take", "(result (list u8))");
        exports += &lift(
            "merge",
            &format!(r#"(param "left" (list u8)) (param "right" (list u8)) {bytes}"#),
        );
        exports += &lift(
            "finish",
            r#"(param "state" (list u8)) (result (result (list string) (error string)))"#,
        );
    }
    // With a second module it is more than the wrapping of one, and is run as a component.
    Some(format!(
        "(component (core module $more) (core instance (instantiate $more))\n{module}\n\
         (core instance $i (instantiate $m))\n{exports})"
    ))
}

/// A memory whose bytes are zeros up to 1024; what is handed over lies behind that.
const MEMORY: &str = r#"(memory (export "memory") 1)
(func $room (param $size i32)
  (local $missing i32)
  (local.set $missing
    (i32.sub
      (i32.shr_u (i32.add (local.get $size) (i32.const 66559)) (i32.const 16))
      (memory.size)))
  (if (i32.gt_s (local.get $missing) (i32.const 0))
    (then (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then unreachable)))))
(func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
  (call $room (local.get $size))
  (i32.const 1024))"#;

/// A batch answers each record with no records.
const BATCH: &str = r#"(func (export "process") (param $list i32) (param $count i32) (result i32)
  (local $size i32)
  (local.set $size (i32.mul (local.get $count) (i32.const 12)))
  (call $room (local.get $size))
  (memory.fill (i32.const 1024) (i32.const 0) (local.get $size))
  (i32.store (i32.const 16) (i32.const 1024))
  (i32.store (i32.const 20) (local.get $count))
  (i32.const 16))"#;

/// What a reduce has besides.
const STATES: &str = r#"(func (export "take") (result i32) (i32.const 16))
(func (export "merge") (param i32 i32 i32 i32) (result i32) (i32.const 16))
(func (export "finish") (param i32 i32) (result i32) (i32.const 16))"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_valid() {
        for operation in ["filter", "map", "flat-map", "batch", "reduce"] {
            for is_component in [false, true] {
                let text = plugin(operation, is_component).unwrap();
                let binary = wat::parse_str(&text).unwrap();
                assert_eq!(wasmparser::Parser::is_component(&binary), is_component);
                wasmparser::Validator::new().validate_all(&binary).unwrap();
            }
        }
        assert!(plugin("command", false).is_none());
    }
}
