//! How native code gets into a real worker at a moment of its choice: two functions of
//! the C library have their place taken here. When the worker reads what there is to be known
//! about the compiled plugin before it loads that, which it does behind the first filter of
//! system calls, and when it reads its input,
//! which it does behind the second, as one does that is at a table, the attacker has control, as it would after breaking
//! out of WebAssembly. And what a compile worker writes as the compiled plugin can be
//! changed on its way.
#![allow(unsafe_code, reason = "an attacker does not ask the type system")]

use std::ffi::c_void;
use std::sync::OnceLock;

use crate::attacks::{Native, Stage, overwrite};
use crate::wire::{INPUT_FILE, SETUPS, TABLE_FILE};

/// Where a compile worker writes the compiled plugin.
const COMPILED: i32 = 4;

/// Code with which a process ends whose attack succeeded. Others are error numbers.
pub const SUCCESS: i32 = 200;

/// What this process is to do when the moment comes.
#[derive(Copy, Clone, Debug)]
pub enum Deed {
    /// Attack from inside a worker.
    Attack(Stage, Native),
    /// Put other machine code into the compiled plugin.
    Forge(fn() -> Vec<u8>),
}

static DEED: OnceLock<Deed> = OnceLock::new();

/// Decides on the deed of this process; called before it becomes a worker.
pub fn plan(deed: Deed) {
    // It is planned once.
    let _ = DEED.set(deed);
}

/// Reading by place: how a worker begins to load the compiled plugin, and gets its input.
#[unsafe(no_mangle)]
extern "C" fn pread64(descriptor: i32, buffer: *mut c_void, count: usize, at: i64) -> isize {
    if let Some(Deed::Attack(stage, native)) = DEED.get() {
        match descriptor {
            SETUPS => {
                native.prepare();
                if *stage == Stage::First {
                    end(native.strike());
                }
            }
            INPUT_FILE | TABLE_FILE => end(native.strike()),
            _ => {}
        }
    }
    // SAFETY: the caller's arguments, passed on.
    unsafe { libc::syscall(libc::SYS_pread64, descriptor, buffer, count, at) as isize }
}

/// Writing: how a compile worker hands over the compiled plugin.
#[unsafe(no_mangle)]
extern "C" fn write(descriptor: i32, buffer: *const c_void, count: usize) -> isize {
    if let (Some(Deed::Forge(code)), COMPILED) = (DEED.get(), descriptor) {
        // SAFETY: the caller's buffer, which has this length.
        let compiled = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), count) };
        match overwrite(compiled, &code()) {
            // SAFETY: as long as what was to be written.
            Some(forged) => unsafe {
                return libc::syscall(libc::SYS_write, descriptor, forged.as_ptr(), count) as isize;
            },
            None => end(libc::ENOEXEC),
        }
    }
    // SAFETY: the caller's arguments, passed on.
    unsafe { libc::syscall(libc::SYS_write, descriptor, buffer, count) as isize }
}

/// Ends the process at once; an attack gives 0 for success or an error number.
fn end(error: i32) -> ! {
    let code = if error == 0 { SUCCESS } else { error };
    // SAFETY: nothing of this process is wanted any more.
    unsafe { libc::_exit(code) }
}
