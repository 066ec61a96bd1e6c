//! The driver: a small module of our own, linked to each core module that is asked about
//! records one by one. It does in WebAssembly what would take three calls into it: ask,
//! look whether the answer is a plain one, have the plugin clean up after it, and get room
//! for the next record. A call from here into WebAssembly costs about 20 ns, one from
//! module to module 2.

use wasmtime::{Engine, Extern, Instance, Module, Result, Store, TypedFunc};

use super::Guest;
use super::core_module::{MEMORY, REALLOC};
use super::operation::Call;
use crate::protocol::Operation;

/// The name of the module, by which its functions are left out of backtraces.
pub(super) const NAME: &str = "host:driver";

/// The answer is no plain one: it has to be read at the address beside this.
const READ: u32 = 2;

/// What the driver of an operation is compiled from. `has_post` says whether the plugin
/// wants to be called with a result when it has been read.
fn text(call: &Call, has_post: bool) -> String {
    // Whether the answer is plain, and what is answered then: 0 or 1.
    let (is_plain, answer) = match call.operation {
        Operation::Filter => ("(i32.const 1)", "(i32.load8_u offset=4 (local.get $result))"),
        // No text, no texts, no value.
        Operation::Map => ("(i32.eqz (i32.load8_u offset=4 (local.get $result)))", "(i32.const 0)"),
        Operation::FlatMap => {
            ("(i32.eqz (i32.load offset=8 (local.get $result)))", "(i32.const 0)")
        }
        Operation::Reduce | Operation::Batch | Operation::Command => {
            ("(i32.const 1)", "(i32.const 0)")
        }
    };
    let (post, clean_up) = match has_post {
        true => {
            (r#"(import "" "post" (func $post (param i32)))"#, "(call $post (local.get $result))")
        }
        false => ("", ""),
    };
    let bytes = call.first().result_bytes;
    format!(
        r#"(module ${NAME}
  (import "" "memory" (memory 0))
  (import "" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
  (import "" "first" (func $first (param i32 i32) (result i32)))
  {post}

  ;; Whether an address is one of a result, and that is no error.
  (func $is_value (param $result i32) (result i32)
    (if (i32.and (local.get $result) (i32.const 3)) (then (return (i32.const 0))))
    (if (i64.gt_u
          (i64.add (i64.extend_i32_u (local.get $result)) (i64.const {bytes}))
          (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)))
      (then (return (i32.const 0))))
    (i32.eqz (i32.load8_u (local.get $result))))

  ;; Room for so many bytes, if there are any.
  (func $room (param $length i32) (result i32)
    (if (result i32) (local.get $length)
      (then (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $length)))
      (else (i32.const 0))))

  (func (export "ask") (param $at i32) (param $length i32) (param $next i32) (result i64)
    (local $result i32)
    (local $answer i32)
    (local.set $result (call $first (local.get $at) (local.get $length)))
    (if (i32.eqz (call $is_value (local.get $result))) (then (return (call $read (local.get $result)))))
    (if (i32.eqz {is_plain}) (then (return (call $read (local.get $result)))))
    (local.set $answer (i32.ne {answer} (i32.const 0)))
    {clean_up}
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $answer)) (i64.const 32))
      (i64.extend_i32_u (call $room (local.get $next)))))

  (func $read (param $result i32) (result i64)
    (i64.or (i64.const {read}) (i64.extend_i32_u (local.get $result))))

  (func (export "have_read") (param $result i32) (param $next i32) (result i32)
    {clean_up}
    (call $room (local.get $next))))
"#,
        read = u64::from(READ) << 32,
    )
}

/// Compiles the driver of a plugin with this operation; nothing if it needs none.
pub(super) fn compile(engine: &Engine, plugin: &Module, call: &Call) -> Result<Option<Module>> {
    if matches!(call.operation, Operation::Batch | Operation::Command) {
        return Ok(None);
    }
    let has_post = plugin.get_export(call.first().post).is_some();
    Module::new(engine, wat::parse_str(text(call, has_post))?).map(Some)
}

/// A plugin's answer to being asked about a record.
pub(super) enum Answered {
    /// The plain answer; the address of the room for the next record.
    Plain { answer: bool, room: u32 },
    /// The address of the result, which waits for [`Driver::have_read`].
    At(u32),
}

/// A driver linked to a plugin.
pub(super) struct Driver {
    ask: TypedFunc<(u32, u32, u32), u64>,
    have_read: TypedFunc<(u32, u32), u32>,
}

impl Driver {
    /// Links a driver to a live plugin.
    pub fn link(
        driver: &Module,
        plugin: &Instance,
        store: &mut Store<Guest>,
        call: &Call,
    ) -> Result<Driver> {
        let names = [MEMORY, REALLOC, call.first().export, call.first().post];
        let imports: Vec<Extern> =
            names.iter().filter_map(|name| plugin.get_export(&mut *store, name)).collect();
        let driver = Instance::new(&mut *store, driver, &imports)?;
        Ok(Driver {
            ask: driver.get_typed_func(&mut *store, "ask")?,
            have_read: driver.get_typed_func(&mut *store, "have_read")?,
        })
    }

    /// Asks about the record that lies at an address. `next` is the length of the record that
    /// comes after it: room for that is made if the answer is a plain one.
    pub fn ask(
        &self,
        store: &mut Store<Guest>,
        (at, length): (u32, u32),
        next: u32,
    ) -> Result<Answered> {
        let answered = self.ask.call(store, (at, length, next))?;
        let address = answered as u32;
        Ok(match (answered >> 32) as u32 {
            READ => Answered::At(address),
            answer => Answered::Plain { answer: answer != 0, room: address },
        })
    }

    /// Lets the plugin clean up after a result that has been read, and gives the address of
    /// the room for the next record.
    pub fn have_read(&self, store: &mut Store<Guest>, result: u32, next: u32) -> Result<u32> {
        self.have_read.call(store, (result, next))
    }
}
