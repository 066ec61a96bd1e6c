//! Attacks by a compiled plugin that is not what its WebAssembly says: a compile worker
//! was broken into and has put machine code of its own in the place of a function's. The
//! function is the start function, so this also shows that not even that runs before a
//! worker is locked for good.

use super::Outcome::Ends;
use super::{Attack, By};

pub const ATTACKS: &[Attack] = &[
    Attack::new(
        "start-maps-executable-memory",
        By::Artifact(maps_executable_memory),
        Ends(1, "a forbidden system call"),
    ),
    Attack::new(
        "start-makes-itself-writable",
        By::Artifact(makes_itself_writable),
        Ends(1, "a forbidden system call"),
    ),
    Attack::new(
        "start-opens-a-file",
        By::Artifact(opens_a_file),
        Ends(1, "a forbidden system call"),
    ),
];

/// The first of the constants by which the function is found in the compiled plugin.
const FIRST: u64 = 0x5eed_ab1e_5eed_ab1e;
/// How many there are, each in an instruction of ten bytes.
const CONSTANTS: u64 = 64;

/// A plugin whose start function is long enough to be overwritten.
pub fn plugin() -> String {
    let stores: String = (0..CONSTANTS)
        .map(|number| {
            let (at, value) =
                (number * 8, FIRST.wrapping_add(number.wrapping_mul(0x0101_0101_0101)));
            format!("(i64.store (i32.const {at}) (i64.const {value}))\n")
        })
        .collect();
    format!(
        r#"(module
(memory (export "memory") 1)
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
(func (export "keep") (param i32 i32) (result i32) (i32.const 16))
(func $start {stores}) (start $start))"#
    )
}

/// The compiled plugin with this machine code in its start function; `None` where the
/// function is not to be found.
pub fn overwrite(compiled: &[u8], code: &[u8]) -> Option<Vec<u8>> {
    let constant = FIRST.to_le_bytes();
    let at = compiled.windows(constant.len()).position(|bytes| bytes == constant)?;
    // The constant stands behind two bytes of the instruction that loads it.
    let at = at.checked_sub(2)?;
    let mut compiled = compiled.to_vec();
    compiled.get_mut(at..at + code.len())?.copy_from_slice(code);
    Some(compiled)
}

/// Machine code (x86-64) that makes a system call and ends the process: with code 200 if
/// the call succeeded, else with its error number.
fn system_call(number: i64, arguments: [u64; 6]) -> Vec<u8> {
    // mov rdi, rsi, rdx, r10, r8, r9, rax <- constant
    const LOAD: [[u8; 2]; 6] =
        [[0x48, 0xbf], [0x48, 0xbe], [0x48, 0xba], [0x49, 0xba], [0x49, 0xb8], [0x49, 0xb9]];
    let mut code = Vec::new();
    for (load, argument) in LOAD.into_iter().zip(arguments) {
        code.extend(load);
        code.extend(argument.to_le_bytes());
    }
    code.extend([0x48, 0xb8]);
    code.extend(number.to_le_bytes());
    code.extend([
        0x0f, 0x05, // syscall
        0xbf, 200, 0, 0, 0, // mov edi, 200
        0x48, 0x85, 0xc0, // test rax, rax
        0x79, 0x05, // jns over the next two
        0x48, 0xf7, 0xd8, // neg rax
        0x89, 0xc7, // mov edi, eax
        0xb8, 231, 0, 0, 0, // mov eax, exit_group
        0x0f, 0x05, // syscall
    ]);
    code
}

fn maps_executable_memory() -> Vec<u8> {
    let protection = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u64;
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    system_call(libc::SYS_mmap, [0, 4096, protection, flags, u64::MAX, 0])
}

fn makes_itself_writable() -> Vec<u8> {
    let protection = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u64;
    // lea rdi, [rip]; and rdi, -4096: its own page.
    let mut code = vec![0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x48, 0x81, 0xe7, 0, 0xf0, 0xff, 0xff];
    let call = system_call(libc::SYS_mprotect, [0, 4096, protection, 0, 0, 0]);
    // Without loading the first argument again.
    code.extend(&call[10..]);
    code
}

fn opens_a_file() -> Vec<u8> {
    // Any address will do: what is forbidden is to ask.
    system_call(libc::SYS_openat, [libc::AT_FDCWD as u64, 0, 0, 0, 0, 0])
}
