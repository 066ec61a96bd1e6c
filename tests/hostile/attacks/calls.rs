//! System calls as an attacker makes them, past every wrapper. Each function gives 0 for
//! success or an error number.
#![allow(unsafe_code, reason = "an attacker does not ask the type system")]

pub const PAGE: u64 = 4096;
pub const READ_WRITE: u64 = (libc::PROT_READ | libc::PROT_WRITE) as u64;
pub const EXECUTE: u64 = libc::PROT_EXEC as u64;
pub const PRIVATE: u64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
pub const SHARED: u64 = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as u64;
pub const GROWS_DOWN: u64 = PRIVATE | libc::MAP_GROWSDOWN as u64;
/// Makes a call one of the x32 dialect.
pub const X32: i64 = 0x4000_0000;

/// Makes a system call.
pub fn call(number: i64, arguments: [u64; 6]) -> i32 {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: whatever it does, it does to a process that is about to end.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result < 0 { error() } else { 0 }
}

/// The error number of the last call.
pub fn error() -> i32 {
    number_of(Err::<(), _>(std::io::Error::last_os_error()))
}

/// What a call of the standard library came to.
pub fn number_of<T>(result: std::io::Result<T>) -> i32 {
    result.err().map_or(0, |error| error.raw_os_error().unwrap_or(254))
}

/// Maps new memory.
pub fn map(protection: u64, flags: u64, length: u64) -> i32 {
    call(libc::SYS_mmap, [0, length, protection, flags, u64::MAX, 0])
}

/// A page of this program's own code.
pub fn own_code() -> u64 {
    call as *const () as u64 & !(PAGE - 1)
}

/// Asks for the process's number in the way of 32-bit programs (call 20).
#[cfg(target_arch = "x86_64")]
pub fn getpid_in_32_bits() -> i32 {
    let result: i64;
    // SAFETY: touches no memory.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") 20_i64 => result, options(nostack));
    }
    if result > 0 { 0 } else { 254 }
}
